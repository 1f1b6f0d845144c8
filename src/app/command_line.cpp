#include "app/command_line.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "app/host_list.hpp"
#include "app/parsed_words.hpp"
#include "app/run_words.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

ParsedCommand parse_run(const CommandRow& command, const Words& words, const Words& known) {
  const ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  refuse_others(command, parsed);
  return run_of(parsed, known);
}

ParsedCommand parse_launch(const CommandRow& command, const Words& words, const Words& known) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  const ParsedWords parsed = parse_words(command, Words(words.begin(), separator));
  if (parsed.help) return HelpRequest{command_help(command)};
  if (!parsed.others.empty()) {
    throw UsageError(
        fmt::format("launch: unexpected argument {}; what to run follows --, as in: fabricheck launch "
                    "--hosts a,b -- run",
                    quoted_text(parsed.others.front())));
  }
  LaunchOptions launch;
  if (const std::string* hosts = parsed.value("hosts")) launch.hosts = split_on_commas(*hosts);
  for (const std::string& host : launch.hosts) {
    if (host.empty())
      throw UsageError(
          fmt::format("--hosts: {} has an empty host name", quoted_text(*parsed.value("hosts"))));
  }
  launch.hostfile = text_of(parsed, "hostfile", "");
  if (parsed.has("hosts") && parsed.has("hostfile")) {
    throw UsageError("--hosts and --hostfile are both given; give one of them");
  }
  launch.dry_run = parsed.has("dry-run");
  if (const std::string* ranks = parsed.value("ranks-per-node")) {
    launch.ranks_per_node = parse_ranks(*ranks, "launch", "--ranks-per-node");
  }
  launch.timeout = duration_of(parsed, "timeout", nanoseconds(0), seconds(1), hours(24 * 7));
  if (separator != words.end()) launch.run_arguments.assign(separator + 1, words.end());
  if (launch.run_arguments.empty()) throw UsageError("launch: nothing follows --; write -- run");
  if (launch.run_arguments.front() != "run") {
    throw UsageError(fmt::format("launch: what follows -- has to begin with run, not {}",
                                 quoted_text(launch.run_arguments.front())));
  }
  const Words run_words(launch.run_arguments.begin() + 1, launch.run_arguments.end());
  ParsedCommand run = parse_run(*find_command("run"), run_words, known);
  if (!std::holds_alternative<RunOptions>(run)) return run;
  launch.run = std::get<RunOptions>(std::move(run));
  return launch;
}

/// By the ending of the file's name; the tree for a text and for a name without an ending.
TopologyFormat format_by_ending(const std::string& file) {
  constexpr std::array<std::pair<const char*, TopologyFormat>, 5> endings{{{".json", TopologyFormat::json},
                                                                           {".svg", TopologyFormat::svg},
                                                                           {".dot", TopologyFormat::dot},
                                                                           {".txt", TopologyFormat::tree},
                                                                           {"", TopologyFormat::tree}}};
  const std::string name = file.substr(file.find_last_of('/') + 1);
  const std::size_t dot = name.find_last_of('.');
  const std::string ending = dot == std::string::npos ? "" : name.substr(dot);
  for (const auto& [known, format] : endings)
    if (ending == known) return format;
  throw UsageError(fmt::format(
      "--save: the ending of {} is none of .txt, .json, .dot, .svg; say --format too", quoted_text(file)));
}

ParsedCommand parse_topology(const CommandRow& command, const Words& words) {
  const ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  refuse_others(command, parsed);
  TopologyOptions options;
  options.save_file = text_of(parsed, "save", "");
  options.format = parsed.has("format") ? choice_of(parsed, "format", topology_format_words)
                                        : format_by_ending(options.save_file);
  options.load_file = text_of(parsed, "load", "");
  if (parsed.has("load") && parsed.has("sysroot"))
    throw UsageError("--load and --sysroot are both given; give one of them");
  options.sysroot = text_of(parsed, "sysroot", options.sysroot);
  options.expectation_file = text_of(parsed, "save-expectation", "");
  options.judge_by = sources_of(parsed);
  options.judges = parsed.has("expect") || parsed.has("platform") || parsed.has("switch-topology");
  return options;
}

ParsedCommand parse_node(const CommandRow& command, const Words& words) {
  const ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  refuse_others(command, parsed);
  NodeOptions options;
  options.profile = choice_of(parsed, "profile", profile_words);
  if (parsed.has("budget"))
    options.budget = duration_of(parsed, "budget", nanoseconds(0), milliseconds(100), hours(1));
  options.config_file = text_of(parsed, "config", "");
  options.expect_file = text_of(parsed, "expect", "");
  options.targets_file = text_of(parsed, "targets", "");
  options.storage_path = text_of(parsed, "storage-path", "");
  options.json_file = text_of(parsed, "json", "");
  options.sysroot = text_of(parsed, "sysroot", options.sysroot);
  options.slurm = parsed.has("slurm");
  return options;
}

ParsedCommand parse_diagnose(const CommandRow& command, const Words& words) {
  const ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  DiagnoseOptions options;
  if (parsed.has("nccl-log")) options.files = parsed.values.at("nccl-log");
  options.files.insert(options.files.end(), parsed.others.begin(), parsed.others.end());
  options.topology_file = text_of(parsed, "topology", "");
  options.result_file = text_of(parsed, "result", "");
  options.json_file = text_of(parsed, "json", "");
  if (std::count(options.files.begin(), options.files.end(), "-") > 1)
    throw UsageError("diagnose: standard input (-) is named twice");
  if (std::any_of(options.files.begin(), options.files.end(),
                  [](const std::string& file) { return file.empty(); }))
    throw UsageError("diagnose: the name of a file is empty");
  if (options.files.empty() && options.topology_file.empty() && options.result_file.empty())
    throw UsageError(
        "diagnose: no file is named; write fabricheck diagnose FILE..., or - for standard input");
  return options;
}

ParsedCommand parse_report(const CommandRow& command, const Words& words) {
  ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  if (parsed.others.empty()) throw UsageError("report: no result is named; write fabricheck report RESULT");
  ReportOptions options;
  options.path = parsed.others.front();
  if (options.path.empty()) throw UsageError("report: the name of the result is empty");
  parsed.others.erase(parsed.others.begin());
  refuse_others(command, parsed);
  options.format = choice_of(parsed, "format", report_format_words);
  options.output_file = text_of(parsed, "output", "");
  return options;
}

ParsedCommand parse_compare(const CommandRow& command, const Words& words) {
  ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  if (parsed.others.size() < 2)
    throw UsageError(fmt::format("compare: {}; write fabricheck compare OLD NEW",
                                 parsed.others.empty() ? "no result is named" : "only one result is named"));
  CompareOptions options;
  options.before = parsed.others[0];
  options.after = parsed.others[1];
  if (options.before.empty() || options.after.empty())
    throw UsageError("compare: the name of a result is empty");
  parsed.others.erase(parsed.others.begin(), parsed.others.begin() + 2);
  refuse_others(command, parsed);
  options.tolerance_percent = tolerance_of(parsed);
  return options;
}

ParsedCommand parse_list(const CommandRow& command, const Words& words) {
  ParsedWords parsed = parse_words(command, words);
  if (parsed.help) return HelpRequest{command_help(command)};
  if (parsed.others.empty())
    throw UsageError(fmt::format("list: write what to list: {}", alternatives(command.choices)));
  const std::string subject = parsed.others.front();
  parsed.others.erase(parsed.others.begin());
  refuse_others(command, parsed);
  for (const auto& [word, listed] : list_subject_words)
    if (subject == word) return ListOptions{listed};
  const Words subjects(command.choices.begin(), command.choices.end());
  throw UsageError(
      fmt::format("list: cannot list {}{}", quoted_text(subject), suggestion(subject, subjects)));
}

const CommandRow& command_of(const std::string& name) {
  const CommandRow* command = find_command(name);
  if (command != nullptr) return *command;
  Words known = command_names();
  known.emplace_back("help");
  known.emplace_back("--version");
  const char* kind = name.starts_with('-') ? "option" : "command";
  throw UsageError(fmt::format("unknown {} {}{}", kind, quoted_text(name), suggestion(name, known)));
}

}  // namespace

ParsedCommand parse_command_line(const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& known_check_ids) {
  if (arguments.empty()) throw UsageError("no command is given; fabricheck help lists them");
  const std::string& name = arguments.front();
  const Words words(arguments.begin() + 1, arguments.end());
  const bool is_help = name == "help" || name == "--help" || name == "-h";
  if (is_help || name == "--version") {
    const std::size_t most = name == "help" ? 1 : 0;
    if (words.size() > most)
      throw UsageError(fmt::format("{}: unexpected argument {}", name, quoted_text(words[most])));
    if (!is_help) return VersionRequest{};
    const bool is_about_all = words.empty() || words.front() == "help";
    return HelpRequest{is_about_all ? program_help() : command_help(command_of(words.front()))};
  }
  const CommandRow& command = command_of(name);
  if (name == "run") return parse_run(command, words, known_check_ids);
  if (name == "launch") return parse_launch(command, words, known_check_ids);
  if (name == "topology") return parse_topology(command, words);
  if (name == "node") return parse_node(command, words);
  if (name == "report") return parse_report(command, words);
  if (name == "diagnose") return parse_diagnose(command, words);
  if (name == "compare") return parse_compare(command, words);
  return parse_list(command, words);
}

}  // namespace fabricheck::app
