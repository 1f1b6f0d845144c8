#include "app/program.hpp"

#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include "app/build_identity.hpp"
#include "app/catalogue.hpp"
#include "app/command_line.hpp"
#include "app/compare.hpp"
#include "app/diagnose.hpp"
#include "app/environment_variable.hpp"
#include "app/job_network.hpp"
#include "app/known_words.hpp"
#include "app/launch.hpp"
#include "app/node.hpp"
#include "app/probe_host.hpp"
#include "app/result_file.hpp"
#include "app/run.hpp"
#include "app/single_process.hpp"
#include "app/topology_checks.hpp"
#include "app/topology_file.hpp"
#include "app/world_check.hpp"
#include "config/expectation_file.hpp"
#include "config/platform_file.hpp"
#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "core/remark.hpp"
#include "core/units.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"
#include "topology/draw/draw.hpp"
#include "topology/judge/catalog.hpp"
#include "topology/model/merge.hpp"
#include "topology/probe/probe.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

/// mpirun sends SIGTERM one second after a rank has ended with an error, to other hosts a little later.
constexpr std::chrono::seconds others_wait{10};

void write_out(const std::string& file, const std::string& text) {
  if (file.empty() || file == "-") {
    if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0)
      throw Error("standard output cannot be written");
  } else {
    report::write_file(file, text);
  }
}

std::vector<config::KnownCheck> known_checks() {
  std::vector<config::KnownCheck> known;
  for (const CheckRow& row : catalogue()) known.push_back({row.id, row.unit});
  return known;
}

const topology::FactRow* find_fact(std::string_view id) {
  for (const topology::FactRow& row : topology::catalog())
    if (row.id == id) return &row;
  return nullptr;
}

int list(const ListOptions& options) {
  std::string text;
  if (options.subject == ListSubject::checks) {
    for (const CheckRow& row : catalogue()) {
      text += fmt::format("{:<24} {:<5} {}\n", row.id, row.unit, row.description);
      if (!row.unavailable_reason.empty()) text += fmt::format("{:<24} {}\n", "", row.unavailable_reason);
    }
    for (const topology::FactRow& row : topology::catalog())
      text += fmt::format("{:<24} {:<5} {}\n", row.id, "", row.description);
    text += "\nBy fabricheck node:\n";
    for (const node::NodeRow& row : node::catalog())
      if (find_fact(row.id) == nullptr)
        text += fmt::format("  {:<22} {:<5} {}\n", row.id, "", row.description);
  } else if (options.subject == ListSubject::findings) {
    text = findings_text();
  } else if (options.subject == ListSubject::platforms) {
    for (const Platform& platform : config::built_in_platforms())
      text += topology::describe_platform(platform);
  } else {
    for (const Target& target : config::default_targets(known_checks())) {
      text += fmt::format("{:<24} {} {} {} {}", target.check, target.statistic,
                          comparison_symbol(target.comparison), format_number(target.value), target.unit);
      if (target.bytes && *target.bytes > 0) text += ", " + format_bytes(*target.bytes);
      if (target.ranks_per_node)
        text += fmt::format(", {} rank{} per node", *target.ranks_per_node,
                            *target.ranks_per_node == 1 ? "" : "s");
      if (target.group_nodes) text += fmt::format(", groups of at most {} nodes", *target.group_nodes);
      text += fmt::format("\n{:<24} {}\n", "", target.source);
    }
  }
  write_out("", text);
  return exit_status::passed;
}

ClusterTopology find_topology(const TopologyOptions& options) {
  if (!options.load_file.empty()) return load_topology(options.load_file);
  if (!std::filesystem::is_directory(options.sysroot))
    throw UsageError("--sysroot '" + options.sysroot + "' is no folder: give the root of a recorded machine");
  topology::ProbeOptions probe;
  probe.sysroot = options.sysroot;
  return topology::merge_hosts({probe_this_host(probe)});
}

std::string draw(const ClusterTopology& cluster, TopologyFormat format) {
  switch (format) {
    case TopologyFormat::tree:
      return topology::draw_tree(cluster);
    case TopologyFormat::matrix:
      return topology::draw_matrix(cluster);
    case TopologyFormat::json:
      return report::topology_to_json(cluster);
    case TopologyFormat::dot:
      return topology::draw_dot(cluster);
    case TopologyFormat::svg:
      return topology::draw_svg(cluster);
  }
  return {};
}

int show_topology(const TopologyOptions& options) {
  if (!options.load_file.empty()) {
    refuse_own_input(options.load_file, options.save_file, "--save");
    refuse_own_input(options.load_file, options.expectation_file, "--save-expectation");
  }
  TopologyWords words = read_topology_words(options.judge_by);
  ClusterTopology cluster = find_topology(options);
  if (cluster.hosts.empty()) throw UsageError(options.load_file + ": holds no host");
  if (!options.expectation_file.empty()) {
    if (cluster.hosts.size() > 1)
      throw UsageError("--save-expectation: " + options.load_file + " holds " +
                       std::to_string(cluster.hosts.size()) +
                       " hosts; what should be there is told by one good host");
    const Host good = topology::whole_host(cluster, 0);
    report::write_file(options.expectation_file,
                       config::format_expectation(topology::expectation_from(good), "host " + good.name));
    remark(stderr, "fabricheck: what {} has is written to {} as what each host should have; look it over\n",
           good.name, options.expectation_file);
    if (options.save_file.empty() && !options.judges) return exit_status::passed;
  }
  if (!options.judges) {
    write_out(options.save_file, draw(cluster, options.format));
    return exit_status::passed;
  }
  RunRecord record;
  const bool is_this_host = options.load_file.empty() && options.sysroot == "/";
  if (is_this_host) words.job = job_network({}, environment);
  TopologyVerdicts verdicts =
      judge_topology(cluster, words, is_this_host ? slurm_gres(environment) : "", {}, {});
  write_out(options.save_file, draw(cluster, options.format));
  record.checks = std::move(verdicts.checks);
  record.findings = std::move(verdicts.findings);
  record.not_tested = std::move(verdicts.not_tested);
  conclude(record);
  report::ConsoleStyle style;
  style.colour = ::isatty(STDERR_FILENO) == 1 && std::getenv("NO_COLOR") == nullptr;
  std::fputs(report::console_verdicts(record, style).c_str(), stderr);
  return record.exit_status;
}

int show_report(const ReportOptions& options) {
  refuse_own_input(options.path, options.output_file, "--output");
  const RunRecord record = read_result_argument("", options.path);
  std::string text;
  switch (options.format) {
    case ReportFormat::json:
      text = report::to_json(record) + "\n";
      break;
    case ReportFormat::markdown:
      text = report::markdown(record);
      break;
    case ReportFormat::csv:
      text = report::csv(record);
      break;
    case ReportFormat::console: {
      report::ConsoleStyle style;
      style.colour =
          options.output_file.empty() && ::isatty(STDOUT_FILENO) && std::getenv("NO_COLOR") == nullptr;
      text = report::console(record, style);
      break;
    }
  }
  write_out(options.output_file, text);
  return exit_status::passed;
}

LaunchContext launch_context() {
  LaunchContext context;
  context.environment = current_environment();
  context.facts = local_facts(static_cast<int>(usable_gpus(probe_this_host({})).size()));
  context.out = &std::cout;
  context.err = &std::cerr;
  context.recorded_exit_status = [](const std::string& directory) -> std::optional<int> {
    try {
      return read_result(directory).exit_status;
    } catch (const std::exception&) {
      return std::nullopt;  // launch() then says itself that there is no result
    }
  };
  return context;
}

/// A reader that is gone, as mpirun is when it ends a job, must not cost the result; nor must a file that may
/// not grow (ulimit -f, which Slurm hands on): its error is told as a full disk's is.
void outlive_lost_output() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

int run_or_launch(const RunOptions& options, int argc, char** argv, const Hooks& hooks) {
  std::vector<std::string> command(argv, argv + argc);
  const LauncherFacts launcher = launcher_facts(environment);
  if (options.single_process && !launcher.name.empty())
    throw UsageError(fmt::format("--single-process drives all GPUs by itself: start it by hand, not by {}",
                                 launcher.name));
  outlive_lost_output();
  if (options.single_process) return run_single_process(options, command, hooks);
  if (!launcher.name.empty()) return run(options, command, argc, argv, hooks);
  LaunchOptions by_hand;
  by_hand.run = options;
  by_hand.run_arguments.assign(command.begin() + 1, command.end());
  return launch(by_hand, launch_context());
}

/// Every rank of a job is given the same words, and refuses the same. Rank 0 says it; the others are ended by
/// their launcher meanwhile, or say it after all.
ParsedCommand parse(int argc, char** argv) {
  try {
    return parse_command_line({argv + 1, argv + argc}, known_check_ids());
  } catch (const UsageError&) {
    if (launcher_facts(environment).rank.value_or(0) != 0) std::this_thread::sleep_for(others_wait);
    throw;
  }
}

int dispatch(int argc, char** argv, const Hooks& hooks) {
  const ParsedCommand parsed = parse(argc, argv);
  if (const auto* help = std::get_if<HelpRequest>(&parsed)) {
    write_out("", help->text);
    return exit_status::passed;
  }
  if (std::holds_alternative<VersionRequest>(parsed)) {
    const ToolInfo tool = tool_info();
    write_out("", fmt::format("fabricheck {} ({})\n", tool.version, tool.git));
    return exit_status::passed;
  }
  if (const auto* options = std::get_if<RunOptions>(&parsed))
    return run_or_launch(*options, argc, argv, hooks);
  if (const auto* options = std::get_if<LaunchOptions>(&parsed)) {
    if (!options->dry_run) outlive_lost_output();
    return launch(*options, launch_context());
  }
  if (const auto* options = std::get_if<ListOptions>(&parsed)) return list(*options);
  if (const auto* options = std::get_if<TopologyOptions>(&parsed)) return show_topology(*options);
  if (const auto* options = std::get_if<NodeOptions>(&parsed)) return check_node(*options, argv);
  if (const auto* options = std::get_if<CompareOptions>(&parsed)) return compare_results(*options);
  if (const auto* options = std::get_if<DiagnoseOptions>(&parsed))
    return diagnose_files(*options, {argv, argv + argc});
  return show_report(std::get<ReportOptions>(parsed));
}

}  // namespace

int program(int argc, char** argv, const Hooks& hooks) {
  try {
    return dispatch(argc, argv, hooks);
  } catch (const UsageError& error) {
    remark(stderr, "fabricheck: {}\n", error.what());
    return exit_status::usage;
  } catch (const std::exception& error) {
    remark(stderr, "fabricheck: {}\n", error.what());
    return exit_status::broken;
  }
}

}  // namespace fabricheck::app
