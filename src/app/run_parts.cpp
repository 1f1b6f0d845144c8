#include "app/run_parts.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <map>

#include <fmt/format.h>

#include "app/build_identity.hpp"
#include "app/catalogue.hpp"
#include "app/check_records.hpp"
#include "app/environment_variable.hpp"
#include "app/gpu_pairs.hpp"
#include "app/incident.hpp"
#include "app/nccl_findings.hpp"
#include "app/power_limits.hpp"
#include "app/rail_shares.hpp"
#include "app/utc_now.hpp"
#include "app/verbs_gpu_facts.hpp"
#include "collectives/nccl/settings.hpp"
#include "config/targets_file.hpp"
#include "control/deadline_guard.hpp"
#include "core/error.hpp"
#include "core/remark.hpp"
#include "core/units.hpp"
#include "fabric/nvlink/pair_matrices.hpp"
#include "node/gpu/findings.hpp"
#include "node/gpu/host_matrices.hpp"
#include "plan/wishes.hpp"
#include "report/report.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

constexpr std::size_t max_targets_bytes = std::size_t{4} << 20;
constexpr const char* burn_id = "gpu.burn.rate";

/// What takes long is told beforehand, and is an estimate.
void note_estimates(RunLog& log, const plan::TestPlan& plan, const ClusterTopology& topology) {
  const bool has_pairs =
      std::any_of(plan.checks.begin(), plan.checks.end(),
                  [](const plan::PlannedCheck& check) { return check.scope == Scope::gpu_pair; });
  if (!has_pairs) return;
  int most = 0;
  std::map<int, int> gpus_on;
  for (const RankPlace& place : topology.ranks) most = std::max(most, ++gpus_on[place.host]);
  log.set_overhead("estimated_gpu_pairs_s", nvlink::estimate_pairs_s(most, nvlink::default_pair_costs()));
}

/// Everything the plan leaves out.
void note_left_out(RunLog& log, const plan::TestPlan& plan, const std::vector<NotTested>& others) {
  for (const NotTested& one : plan.not_tested) log.add(one);
  for (const NotTested& one : others) log.add(one);
  for (const auto& [row, reason] : plan.skipped) log.add(skipped_record(*row, reason));
  log.add(NotTested{"storage", "this version does not measure NVMe yet"});
}

void note_nccl_log(RunLog& log, const plan::TestPlan& plan, const collectives::nccl::LogCapture& capture) {
  const bool runs = std::any_of(plan.checks.begin(), plan.checks.end(),
                                [](const plan::PlannedCheck& check) { return check.row->backend == "NCCL"; });
  if (!runs) return;
  if (!capture.why_not.empty()) log.add(NotTested{"nccl.as_it_ran", capture.why_not});
  if (!capture.set_aside.empty())
    remark(
        stderr,
        "fabricheck: {} is set aside while measuring, since lines in every call take time; what NCCL says on "
        "rank 0 will be in nccl.log beside the result\n",
        capture.set_aside);
}

/// `status`, or where standard output took not all of the report, that this is not what was asked for.
int status_of_screen(int status) {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return status;
  remark(stderr, "fabricheck: standard output cannot be written; the report is in the output folder\n");
  return status == exit_status::passed ? exit_status::broken : status;
}

}  // namespace

plan::Request request_of(const RunOptions& options, std::vector<Target> targets) {
  plan::Request request;
  request.budget_ns = options.budget.count();
  request.only = options.only;
  request.skip = options.skip;
  if (options.gpu.burn.count() == 0) request.unasked["gpu.burn.*"] = "--burn DURATION";
  request.sizes = options.sizes;
  request.few_sizes = options.suite == Suite::quick;
  request.types = options.types;
  request.reductions = options.reductions;
  if (options.in_place == InPlace::on) request.in_place = {true};
  if (options.in_place == InPlace::both) request.in_place = {false, true};
  request.all_variants = options.suite == Suite::acceptance || options.suite == Suite::full;
  request.targets = std::move(targets);
  return request;
}

std::string targets_text(const RunOptions& options) {
  if (options.targets_file.empty()) return "";
  return config::read_text_file(options.targets_file, max_targets_bytes, "targets file");
}

std::vector<Target> all_targets(const std::string& text, const RunOptions& options) {
  std::vector<config::KnownCheck> known;
  for (const CheckRow& row : catalogue()) known.push_back({row.id, row.unit});
  std::vector<Target> targets = config::default_targets(known);
  if (options.targets_file.empty()) return targets;
  for (Target& target : config::parse_targets(text, options.targets_file, known))
    targets.push_back(std::move(target));
  return targets;
}

void add_gpu_results(RunLog& log, const ClusterTopology& topology, const Platform* platform, bool nvls) {
  const JudgedPairs judged = judge_gpu_pairs(log.checks(), topology, platform);
  for (const CheckRecord& one : judged.checks) log.add(one);
  for (const Finding& one : judged.findings) log.add(one);
  for (const CheckRecord& one : with_gpu_facts(log.checks(), topology)) log.add(one);
  const std::vector<Finding> of_gpus = node::gpu::gpu_findings(log.checks());
  for (const Finding& one : of_gpus) log.add(one);
  for (const CheckRecord& one : node::gpu::judged_by_digests(log.checks(), of_gpus)) log.add(one);
  for (const Finding& one : power_limit_findings(log.checks(), topology)) log.add(one);
  for (const Finding& one : nccl_findings(log.checks())) log.add(one);
  if (platform && nvls)
    for (const CheckRecord& one : failed_without_nvls(log.checks(), *platform)) log.add(one);
  const std::vector<CheckRecord> rails = compare_rails(log.checks());
  for (const CheckRecord& one : rails) log.add(one);
  for (const Finding& one : rail_findings(rails)) log.add(one);
  std::vector<Host> hosts;
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) hosts.push_back(topology::whole_host(topology, i));
  for (const Matrix& one : nvlink::gpu_pair_matrices(log.checks(), hosts)) log.add(one);
  for (const Matrix& one : node::gpu::host_matrices(log.checks())) log.add(one);
}

RunRecord begun_record(const std::vector<std::string>& command, const ClusterTopology& topology) {
  RunRecord header;
  header.tool = tool_info();
  header.started = utc_now();
  header.command = command;
  header.topology = topology;
  return header;
}

void note_opening(RunLog& log, const Opening& opening) {
  for (const CheckRecord& one : opening.verdicts.checks) log.add(one);
  for (const Finding& one : opening.verdicts.findings) log.add(one);
  for (const NotTested& one : opening.verdicts.not_tested) log.add(one);
  note_estimates(log, opening.plan, opening.topology);
  note_left_out(log, opening.plan, opening.left_out);
  note_nccl_log(log, opening.plan, opening.nccl_log);
}

void refuse_unknown_wish(const plan::TestPlan& plan, const plan::Request& request) {
  if (const std::string why = plan::unknown_wish(plan, request); !why.empty()) throw UsageError(why);
}

void note_wishes(RunLog& log, const plan::TestPlan& plan, const plan::Request& request,
                 std::span<const CheckRow> rows) {
  // Its time was given by an option, so that it was asked for.
  const auto burn =
      std::find_if(rows.begin(), rows.end(), [](const CheckRow& row) { return row.id == burn_id; });
  const bool is_planned = std::any_of(plan.checks.begin(), plan.checks.end(),
                                      [](const plan::PlannedCheck& one) { return one.row->id == burn_id; });
  if (burn != rows.end() && !is_planned && plan::need_of(burn_id, request).empty()) {
    CheckRecord record = skipped_record(*burn, "");
    record.scope = "not measured";
    record.verdict = Verdict::inconclusive;
    const std::string& why = burn->unavailable_reason.empty() ? request.no_gpu : burn->unavailable_reason;
    record.reason = "--burn was given: " + (why.empty() ? "no GPU here can do it" : why);
    log.add(record);
  }
  for (const NotTested& one : plan::replaced_wishes(plan, request)) log.add(one);
  for (const NotTested& one : plan::too_small_wishes(request, rows)) log.add(one);
  for (const auto& [target, why] : plan::unused_targets(plan, request, rows)) {
    const auto row = std::find_if(rows.begin(), rows.end(),
                                  [&id = target.check](const CheckRow& one) { return one.id == id; });
    CheckRecord record = row == rows.end() ? CheckRecord{} : skipped_record(*row, "");
    record.id = target.check;
    record.scope = "not measured";
    record.unit = target.unit;
    record.target =
        AppliedTarget{comparison_symbol(target.comparison), target.value, target.statistic, target.source};
    record.verdict = Verdict::inconclusive;
    if (target.bytes) record.parameters["bytes"] = static_cast<std::int64_t>(*target.bytes);
    record.parameters["target"] = target.origin;
    record.reason =
        fmt::format("the target of {} ({} {} {}) is held against nothing: {}", target.origin,
                    comparison_symbol(target.comparison), format_number(target.value), target.unit, why);
    log.add(record);
  }
}

void note_failed_gpus(RunLog& log, const std::vector<RankGpu>& gpus, const ClusterTopology& topology) {
  for (const RankPlace& place : topology.ranks) {
    const RankGpu& gpu = gpus[static_cast<std::size_t>(place.rank)];
    if (gpu.problem.empty()) continue;
    CheckRecord record;
    record.id = "gpu.open";
    record.title = "GPU opened";
    record.scope = fmt::format("rank {}", place.rank);
    record.participants = {topology.hosts[static_cast<std::size_t>(place.host)].name};
    record.verdict = Verdict::error;
    record.reason = gpu.problem;
    log.add(record);
  }
}

EarlyEnd end_early(const control::Incident& incident, const IncidentFacts& facts, RunLog* log,
                   const std::string& out_directory) {
  EarlyEnd end;
  if (!log) {
    remark(stderr, "fabricheck: {}; nothing was measured yet\n",
           incident_finding(incident, std::nullopt, facts).meaning);
    end.status =
        incident.kind == control::IncidentKind::interrupted ? exit_status::broken : exit_status::rank_lost;
    return end;
  }
  const std::optional<CheckRecord> current = log->current();
  const Finding finding = incident_finding(incident, current, facts);
  log->add(finding);
  if (current) log->add(cut_short(*current, incident, finding));
  end.record = log->finish(log_patience);
  remark(stderr, "\nfabricheck: {}\n", finding.meaning);
  if (!end.record)
    remark(stderr, "fabricheck: the result cannot be written: the disk of {} does not answer\n",
           out_directory);
  end.status = end.record ? end.record->exit_status : exit_status::rank_lost;
  return end;
}

std::optional<bool> put_nccl_log_away(const std::string& keep_in, int status, double patience_s) {
  const control::DeadlineGuard guard({.what = "putting NCCL's log away",
                                      .seconds = patience_s,
                                      .status = status,
                                      .why = "the disk does not answer"});
  return collectives::nccl::put_log_away(keep_in);
}

RunRecord concluded(RunLog& log, const std::string& out_directory) {
  auto record = log.finish(log_patience);
  if (!record) throw Error("the result cannot be written: the disk of " + out_directory + " does not answer");
  return *std::move(record);
}

int print_report(RunLog& log, const RunRecord& record, const std::string& out_directory,
                 const Screen& screen) {
  report::ConsoleStyle style;
  style.colour = screen.is_terminal && !environment("NO_COLOR");
  remark(stdout, "{}", report::console(record, style));
  if (screen.baseline) remark(stdout, "\n{}", screen.baseline->text(record, style));
  std::fflush(stdout);
  if (const auto kept = put_nccl_log_away(out_directory, record.exit_status, screen.log_patience_s))
    log.add_written("nccl.log", *kept);
  remark(stdout, "\n{}\n", log.written_words());
  return status_of_screen(record.exit_status);
}

report::ProgressPrinter::Mode progress_mode(const RunOptions& options, bool terminal) {
  if (options.progress == ProgressMode::off) return report::ProgressPrinter::Mode::off;
  return options.progress == ProgressMode::automatic && terminal ? report::ProgressPrinter::Mode::terminal
                                                                 : report::ProgressPrinter::Mode::plain;
}

void end_now_if_stuck(const std::vector<const cuda::Setup*>& gpus, int status) {
  const bool abandoned = std::any_of(gpus.begin(), gpus.end(), [](const cuda::Setup* gpu) {
    return gpu->device && gpu->device->is_abandoned();
  });
  if (!abandoned && !collectives::nccl::is_call_under_way()) return;
  std::fflush(nullptr);
  ::_exit(status);
}

}  // namespace fabricheck::app
