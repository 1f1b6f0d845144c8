#include "app/command_line.hpp"

// Its regular expressions recurse once per character: a long argument would overflow the stack.
#define CXXOPTS_NO_REGEX true
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cxxopts.hpp>
#include <map>
#include <optional>
#include <utility>

#include "app/choice_words.hpp"
#include "app/command_table.hpp"
#include "app/gpu_options.hpp"
#include "app/host_list.hpp"
#include "config/quoted.hpp"
#include "core/error.hpp"
#include "core/glob.hpp"
#include "core/suggest.hpp"
#include "core/units.hpp"
#include "topology/model/rank_nics.hpp"

namespace fabricheck::app {
namespace {

using config::quoted;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;

using Words = std::vector<std::string>;

/// Options and other words of one command, still as text.
struct ParsedWords {
  std::map<std::string, Words> values;  ///< by option; flags have one empty value
  Words others;
  bool help{};

  bool has(const std::string& name) const { return values.count(name) != 0; }
  /// nullptr when not given.
  const std::string* value(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second.back();
  }
};

/// What cxxopts gives a flag that stands without a value.
constexpr const char* flag_is_set = "";

cxxopts::Options options_of(const CommandRow& command) {
  cxxopts::Options options("fabricheck");
  // Unknown ones are reported here, with the nearest known option.
  options.allow_unrecognised_options();
  auto add = options.add_options();
  add("h,help", "", cxxopts::value<std::string>()->implicit_value(flag_is_set));
  for (const OptionRow& row : command.options) {
    const std::string names =
        row.letter == 0 ? std::string(row.name) : fmt::format("{},{}", row.letter, row.name);
    // All are text: a vector would split its values on commas, a number would accept 0x10, a bool "t".
    auto value = cxxopts::value<std::string>();
    add(names, "", row.is_flag() ? value->implicit_value(flag_is_set) : value);
  }
  return options;
}

bool has_option(const CommandRow& command, const std::string& word) {
  return std::any_of(command.options.begin(), command.options.end(),
                     [&](const OptionRow& row) { return word == fmt::format("--{}", row.name); });
}

[[noreturn]] void throw_unknown_option(const CommandRow& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  if (std::string_view(command.name) == "launch" && has_option(*find_command("run"), name)) {
    throw UsageError(fmt::format("launch: {} is an option of run; write it behind -- run", quoted(name)));
  }
  Words known{"--help"};
  for (const OptionRow& row : command.options) {
    known.push_back(fmt::format("--{}", row.name));
    if (row.letter != 0) known.push_back(fmt::format("-{}", row.letter));
  }
  const std::string nearest = nearest_word(name, known);
  for (const CommandRow& other : command_rows())
    if (nearest.empty() && has_option(other, name))
      throw UsageError(
          fmt::format("{}: unknown option {}; {} has it", command.name, quoted(name), other.name));
  throw UsageError(
      fmt::format("{}: unknown option {}{}", command.name, quoted(name), suggestion(name, known)));
}

/// cxxopts takes -suite for -s, -u, …: the word of which `letters` are the first, where the user wrote a
/// longer one.
std::string whole_word(const std::string& letters, const Words& words) {
  if (letters.starts_with("--")) return letters;
  const auto whole = std::find_if(words.begin(), words.end(),
                                  [&](const std::string& word) { return word.starts_with(letters); });
  return whole == words.end() ? letters : *whole;
}

void add_value(const CommandRow& command, const std::string& name, const std::string& value,
               ParsedWords& parsed) {
  if (name == "help") {
    parsed.help = true;
    return;
  }
  const auto row = std::find_if(command.options.begin(), command.options.end(),
                                [&](const OptionRow& option) { return name == option.name; });
  if (row == command.options.end()) throw_unknown_option(command, "--" + name);
  if (row->is_flag()) {
    if (!value.empty()) throw UsageError(fmt::format("--{} takes no value, but has {}", name, quoted(value)));
  } else if (value.empty()) {
    throw UsageError(fmt::format("--{} has an empty value; it needs a {}", name, row->value));
  } else if (value.starts_with("--")) {
    throw UsageError(
        fmt::format("--{} needs a {}, but the option {} follows it", name, row->value, quoted(value)));
  }
  Words& values = parsed.values[name];
  if (!values.empty() && !row->repeatable) throw UsageError(fmt::format("--{} is given twice", name));
  values.push_back(value);
}

/// `words` are what follows the command; after a lone `--` nothing is an option.
ParsedWords parse_words(const CommandRow& command, const Words& words) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  std::vector<const char*> argv{"fabricheck"};
  for (auto word = words.begin(); word != separator; ++word) argv.push_back(word->c_str());
  cxxopts::Options options = options_of(command);
  ParsedWords parsed;
  try {
    const cxxopts::ParseResult result = options.parse(static_cast<int>(argv.size()), argv.data());
    for (const cxxopts::KeyValue& argument : result.arguments()) {
      add_value(command, argument.key(), argument.value(), parsed);
    }
    for (const std::string& word : result.unmatched()) {
      // A lone dash stands for standard input or output.
      if (word.starts_with('-') && word != "-" && !parsed.help)
        throw_unknown_option(command, whole_word(word, words));
      parsed.others.push_back(word);
    }
  } catch (const cxxopts::exceptions::exception& error) {
    // All that is left is an option at the end without its value.
    throw UsageError(fmt::format("{}: {} needs a value", command.name, quoted(argv.back())));
  }
  if (separator != words.end()) parsed.others.insert(parsed.others.end(), separator + 1, words.end());
  return parsed;
}

void refuse_others(const CommandRow& command, const ParsedWords& parsed) {
  if (parsed.others.empty()) return;
  const std::string& word = parsed.others.front();
  for (const OptionRow& row : command.options)
    for (const char* choice : row.choices)
      if (word == choice)
        throw UsageError(fmt::format("{}: unexpected argument {}; did you mean --{} {}?", command.name,
                                     quoted(word), row.name, word));
  throw UsageError(fmt::format("{}: unexpected argument {}", command.name, quoted(word)));
}

/// Calls a parser of core/units and puts the option's name before its error.
template <typename Parse>
auto with_name(const std::string& name, Parse parse) {
  try {
    return parse();
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("--{}: {}", name, error.what()));
  }
}

nanoseconds duration_of(const ParsedWords& parsed, const std::string& name, nanoseconds otherwise,
                        nanoseconds least, nanoseconds most) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return otherwise;
  const nanoseconds duration = with_name(name, [&] { return parse_duration(*text); });
  if (duration < least || duration > most) {
    throw UsageError(fmt::format("--{}: {} is not between {} and {}", name, quoted(*text),
                                 format_duration(least), format_duration(most)));
  }
  return duration;
}

/// The value that `name` has among the words of `choices`.
template <typename Choice, std::size_t count>
Choice choice_of(const ParsedWords& parsed, const std::string& name,
                 const ChoiceWords<Choice, count>& choices) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return choices.front().second;
  Words known;
  for (const auto& choice : choices) {
    if (*text == choice.first) return choice.second;
    known.emplace_back(choice.first);
  }
  throw UsageError(fmt::format("--{}: unknown {}{}", name, quoted(*text), suggestion(*text, known)));
}

std::string text_of(const ParsedWords& parsed, const std::string& name, const std::string& otherwise) {
  const std::string* text = parsed.value(name);
  return text == nullptr ? otherwise : *text;
}

nanoseconds default_budget(Suite suite) {
  switch (suite) {
    case Suite::quick:
      return seconds(8);
    case Suite::acceptance:
      return minutes(10);
    case Suite::full:
      return minutes(30);
    case Suite::diagnose:
      return minutes(2);
  }
  return seconds(8);
}

/// What a glob that matches nothing is compared with: the ids and, for one with a wildcard, the globs that
/// people make of them. Each of these matches a check.
Words likely_globs(const std::string& glob, const Words& known) {
  Words likely = known;
  if (glob.find('*') == std::string::npos) return likely;
  for (const std::string& id : known) {
    const std::size_t first = id.find('.'), last = id.rfind('.');
    if (first == std::string::npos) continue;
    const std::string area = id.substr(0, first), metric = id.substr(last);
    likely.push_back(area + ".*");
    likely.push_back("*" + metric);
    if (first == last) continue;
    likely.push_back(fmt::format("{}.*", id.substr(0, last)));
    likely.push_back(fmt::format("{}.*{}", area, metric));
    likely.push_back(fmt::format("*{}.*", id.substr(first, last - first)));
  }
  return likely;
}

Words globs_of(const ParsedWords& parsed, const std::string& name, const Words& known) {
  if (!parsed.has(name)) return {};
  const Words& globs = parsed.values.at(name);
  for (const std::string& glob : globs) {
    const bool matches = std::any_of(known.begin(), known.end(),
                                     [&](const std::string& id) { return glob_matches(glob, id); });
    if (matches) continue;
    // The list of what is known stays that of the ids.
    const std::string nearest = nearest_word(glob, likely_globs(glob, known));
    throw UsageError(fmt::format(
        "--{}: {} matches no check{}", name, quoted(glob),
        nearest.empty() ? suggestion(glob, known) : fmt::format("; did you mean '{}'?", nearest)));
  }
  return globs;
}

void refuse_empty_selection(const RunOptions& run, const Words& known) {
  const bool any_left = std::any_of(
      known.begin(), known.end(), [&](const std::string& id) { return is_selected(id, run.only, run.skip); });
  if (!any_left) throw UsageError(fmt::format("--skip: {} leaves no check to run", quoted(run.skip.back())));
}

std::vector<std::uint64_t> sizes_of(const ParsedWords& parsed) {
  constexpr std::uint64_t largest = std::uint64_t{64} << 30;
  const std::string* text = parsed.value("sizes");
  if (text == nullptr) return {};
  auto sizes = with_name("sizes", [&] { return parse_bytes_list(*text); });
  for (const std::uint64_t bytes : sizes) {
    if (bytes == 0 || bytes > largest) {
      throw UsageError(fmt::format("--sizes: {} of {} is not between 1 B and {}", format_bytes(bytes),
                                   quoted(*text), format_bytes(largest)));
    }
  }
  return sizes;
}

Words split_on_commas(const std::string& text) {
  Words elements;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    elements.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return elements;
}

/// Messages of verbs are bytes.
void refuse_torn_elements(const RunOptions& run, const Words& known) {
  const bool has_elements = std::any_of(known.begin(), known.end(), [&](const std::string& id) {
    return !id.starts_with("verbs.") && is_selected(id, run.only, run.skip);
  });
  if (!has_elements) return;
  const std::vector<DataType> types =
      run.types.empty() ? std::vector<DataType>{DataType::float32} : run.types;
  for (const std::uint64_t bytes : run.sizes)
    for (const DataType type : types)
      if (bytes % type_bytes(type) != 0)
        throw UsageError(fmt::format("--sizes: {} is no whole number of {} elements of {} B",
                                     format_bytes(bytes), type_name(type), type_bytes(type)));
}

/// The values that a list names, each once, in the order given.
template <typename Value, std::size_t count>
std::vector<Value> names_of(const ParsedWords& parsed, const std::string& name,
                            const std::array<Value, count>& all, std::string_view (*name_of)(Value)) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return {};
  std::vector<Value> values;
  for (const std::string& word : split_on_commas(*text)) {
    const auto found = std::find_if(all.begin(), all.end(), [&](Value one) { return name_of(one) == word; });
    if (found == all.end()) {
      Words known;
      for (const Value one : all) known.emplace_back(name_of(one));
      throw UsageError(fmt::format("--{}: unknown {}{}", name, quoted(word), suggestion(word, known)));
    }
    if (std::find(values.begin(), values.end(), *found) == values.end()) values.push_back(*found);
  }
  return values;
}

std::uint64_t iterations_of(const ParsedWords& parsed, const std::string& name) {
  constexpr std::uint64_t most = 1'000'000'000;
  const std::string* text = parsed.value(name);
  if (text == nullptr) return 0;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value == 0 || value > most)
    throw UsageError(
        fmt::format("--{}: {} is no number of iterations from 1 to {}", name, quoted(*text), most));
  return value;
}

/// A whole number from `least` to `most`; unset when the option is not given.
std::optional<int> number_of(const ParsedWords& parsed, const std::string& name, int most, int least = 0) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < least || value > most)
    throw UsageError(fmt::format("--{}: {} is no number from {} to {}", name, quoted(*text), least, most));
  return value;
}

LinkOptions links_of(const ParsedWords& parsed) {
  constexpr int last_gid_index = 65535, last_traffic_class = 255, last_service_level = 15;
  LinkOptions links;
  links.device = text_of(parsed, "device", "");
  if (!links.device.empty()) topology::parse_nic_wishes(links.device);
  links.gid_index = number_of(parsed, "gid-index", last_gid_index);
  links.traffic_class = number_of(parsed, "traffic-class", last_traffic_class);
  links.service_level = number_of(parsed, "sl", last_service_level);
  return links;
}

TopologySources sources_of(const ParsedWords& parsed) {
  TopologySources sources;
  sources.expect_file = text_of(parsed, "expect", "");
  sources.platform = text_of(parsed, "platform", "");
  sources.switch_topology_file = text_of(parsed, "switch-topology", "");
  return sources;
}

/// "5", "2.5" or "5%", from 0 to 100.
double tolerance_of(const ParsedWords& parsed) {
  const std::string* text = parsed.value("tolerance");
  if (text == nullptr) return default_tolerance_percent;
  std::string_view digits = *text;
  if (digits.ends_with('%')) digits.remove_suffix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double percent = -1.0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), percent, std::chars_format::fixed);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  // Written so that a NaN is refused, too.
  if (!is_number || !(percent >= 0.0 && percent <= 100.0))
    throw UsageError(
        fmt::format("--tolerance: {} is no percentage from 0 to 100, such as 5 or 2.5%", quoted(*text)));
  return std::abs(percent);  // -0
}

VerbsOptions verbs_of(const ParsedWords& parsed) {
  constexpr int most_queue_pairs = 1024, most_depth = 8192;
  VerbsOptions verbs;
  verbs.queue_pairs = number_of(parsed, "queue-pairs", most_queue_pairs, 1).value_or(verbs.queue_pairs);
  verbs.depth = number_of(parsed, "depth", most_depth, 1).value_or(verbs.depth);
  verbs.pairs = choice_of(parsed, "pairs", pairs_words);
  verbs.loopback = parsed.has("loopback");
  if (verbs.loopback && parsed.has("pairs"))
    throw UsageError(
        "--loopback and --pairs are both given: a loopback joins the ranks of one host; give one of them");
  return verbs;
}

RunOptions run_of(const ParsedWords& parsed, const Words& known) {
  RunOptions run;
  run.suite = choice_of(parsed, "suite", suite_words);
  run.budget = duration_of(parsed, "budget", default_budget(run.suite), milliseconds(100), hours(24));
  run.only = globs_of(parsed, "only", known);
  run.skip = globs_of(parsed, "skip", known);
  if (!run.skip.empty()) refuse_empty_selection(run, known);
  run.sizes = sizes_of(parsed);
  run.types = names_of(parsed, "types", known_types, type_name);
  run.reductions = names_of(parsed, "reductions", known_reductions, reduction_name);
  run.in_place = choice_of(parsed, "in-place", in_place_words);
  run.verbs = verbs_of(parsed);
  run.gpu = gpu_options([&](const std::string& name) { return parsed.value(name); },
                        [&](const std::string& name) { return parsed.has(name); });
  const auto is_left = [&](const std::string& id) {
    return !id.starts_with("gpu.burn.") && is_selected(id, run.only, run.skip);
  };
  if (run.gpu.burn.count() == 0 && !run.only.empty() && std::none_of(known.begin(), known.end(), is_left))
    throw UsageError("--only: gpu.burn.rate takes as long as --burn says, such as --burn 10s: give both");
  run.verify_repeat = iterations_of(parsed, "verify-repeat");
  run.targets_file = text_of(parsed, "targets", "");
  run.topology = sources_of(parsed);
  run.links = links_of(parsed);
  run.out_directory = text_of(parsed, "out", run.out_directory);
  run.progress = choice_of(parsed, "progress", progress_words);
  run.allow_subset = parsed.has("allow-subset");
  run.single_process = parsed.has("single-process");
  if (run.single_process && parsed.has("baseline"))
    throw UsageError(
        "--single-process and --baseline are both given: compare afterwards, with fabricheck compare");
  run.bind_numa = parsed.has("bind-numa");
  run.deadline = duration_of(parsed, "deadline", seconds(30), seconds(1), hours(1));
  run.silence = duration_of(parsed, "silence", seconds(5), seconds(1), minutes(10));
  refuse_torn_elements(run, known);
  run.baseline = text_of(parsed, "baseline", "");
  run.tolerance_percent = tolerance_of(parsed);
  if (parsed.has("tolerance") && run.baseline.empty())
    throw UsageError("--tolerance is given without --baseline: there is nothing to compare with");
  return run;
}

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
                    quoted(parsed.others.front())));
  }
  LaunchOptions launch;
  if (const std::string* hosts = parsed.value("hosts")) launch.hosts = split_on_commas(*hosts);
  for (const std::string& host : launch.hosts) {
    if (host.empty())
      throw UsageError(fmt::format("--hosts: {} has an empty host name", quoted(*parsed.value("hosts"))));
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
                                 quoted(launch.run_arguments.front())));
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
      "--save: the ending of {} is none of .txt, .json, .dot, .svg; say --format too", quoted(file)));
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
  throw UsageError(fmt::format("list: cannot list {}{}", quoted(subject), suggestion(subject, subjects)));
}

const CommandRow& command_of(const std::string& name) {
  const CommandRow* command = find_command(name);
  if (command != nullptr) return *command;
  Words known = command_names();
  known.emplace_back("help");
  known.emplace_back("--version");
  const char* kind = name.starts_with('-') ? "option" : "command";
  throw UsageError(fmt::format("unknown {} {}{}", kind, quoted(name), suggestion(name, known)));
}

}  // namespace

const char* suite_name(Suite suite) {
  for (const auto& known : suite_words) {
    if (known.second == suite) return known.first;
  }
  return "?";
}

ParsedCommand parse_command_line(const std::vector<std::string>& arguments,
                                 const std::vector<std::string>& known_check_ids) {
  if (arguments.empty()) throw UsageError("no command is given; fabricheck help lists them");
  const std::string& name = arguments.front();
  const Words words(arguments.begin() + 1, arguments.end());
  const bool is_help = name == "help" || name == "--help" || name == "-h";
  if (is_help || name == "--version") {
    const std::size_t most = name == "help" ? 1 : 0;
    if (words.size() > most)
      throw UsageError(fmt::format("{}: unexpected argument {}", name, quoted(words[most])));
    if (!is_help) return VersionRequest{};
    return HelpRequest{words.empty() ? program_help() : command_help(command_of(words.front()))};
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
