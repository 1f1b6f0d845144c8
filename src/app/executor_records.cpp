// What an Executor makes of samples: records, verdicts, and what checks tell of each other.
#include <algorithm>

#include <fmt/format.h>

#include "app/check_records.hpp"
#include "app/executor.hpp"
#include "app/verbs_findings.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

/// What a repeat really used, where that is not what was asked for.
std::optional<Parameter> bytes_used(const std::map<std::string, Parameter>& path) {
  const auto found = path.find("bytes_used");
  return found == path.end() ? std::nullopt : std::optional(found->second);
}

/// Of the check itself, or of a row that presents its samples otherwise.
void name_after(CheckRecord& record, const CheckRow& row, const plan::PlannedCheck& check) {
  record.id = row.id;
  record.title = row.title + variant_words(check);
  record.metric = row.metric.name();
  record.unit = row.unit;
}

}  // namespace

GatePolicy Executor::policy_of(const Ongoing& ongoing) const {
  GatePolicy policy;
  policy.family = std::max(1, plan_.judged);
  policy.planned = ongoing.planned;
  policy.repeats = ongoing.repeats;
  return policy;
}

std::optional<Target> Executor::target_for(const plan::PlannedCheck& check) {
  if (!check.against_model) return check.target;
  const auto alphas = alphas_us_.find(check.row->id);
  if (alphas == alphas_us_.end() || alphas->second.empty()) return std::nullopt;  // also on all ranks but 0
  std::vector<double> sorted = alphas->second;
  std::sort(sorted.begin(), sorted.end());
  const double alpha_us = quantile_of_sorted(sorted, 0.5);
  const int rounds = tree_rounds(check.nodes);
  Target target;
  target.check = check.row->id;
  target.statistic = "median";
  target.comparison = Comparison::at_most;
  target.value = model_tolerance * alpha_us * rounds;
  target.unit = "us";
  target.source =
      fmt::format("{} x alpha x ceil(log2 {}) with alpha = {} us a round, the median of its own {} groups",
                  model_tolerance, check.nodes, format_number(alpha_us), sorted.size());
  if (world_.log) {
    Fit fit;
    fit.id = check.row->id;
    fit.scope = scope_name(Scope::between_nodes_group);
    fit.model = "alpha*ceil(log2(nodes))";
    fit.coefficients = {{"alpha_us", alpha_us},
                        {"nodes", static_cast<double>(check.nodes)},
                        {"predicted_us", alpha_us * rounds}};
    world_.log->add(fit);
  }
  return target;
}

void Executor::learn_from(const CheckRecord& record) {
  const auto mode = record.parameters.find("mode");
  const bool together = mode != record.parameters.end() && mode->second == Parameter(std::string("together"));
  if (record.scope != scope_name(Scope::between_nodes_group) || !together || !record.value) return;
  const int rounds = tree_rounds(static_cast<int>(std::get<std::int64_t>(record.parameters.at("nodes"))));
  if (rounds > 0) alphas_us_[record.id].push_back(*record.statistics.median / rounds);
}

std::vector<CheckRecord> Executor::describe_so_far(const plan::PlannedCheck& check, Ongoing& ongoing,
                                                   int group, const std::vector<double>& compute_us) const {
  const auto index = static_cast<std::size_t>(group);
  const std::vector<int>& ranks = check.groups[index];
  const GatePolicy policy = policy_of(ongoing);
  CheckRecord blank = blank_record(check, index, world_.rank_hosts);
  blank.last = most_often_last(ongoing.samples, ranks, world_.rank_hosts);
  if (!ongoing.path.empty()) blank.path = ongoing.path;
  std::vector<CheckRecord> records;
  ongoing.points_to_fail = false;
  // What had to be made smaller has another rate at the same time, and no target is of that size.
  const std::optional<double> used = path_number(blank, "bytes_used");
  const std::string unjudged = path_text(blank, "unjudged_because");
  const std::uint64_t bytes = used ? static_cast<std::uint64_t>(*used) : check.bytes;
  const auto add = [&](const CheckRow& row, const std::optional<Target>& wanted) {
    const Measure measure = measure_of(row, check, bytes, static_cast<int>(ranks.size()), compute_us[index]);
    const std::optional<Target> applied = used || !unjudged.empty() ? std::nullopt : wanted;
    CheckRecord record = blank;
    name_after(record, row, check);
    const Judgement judgement = judge(ongoing.samples, applied ? &*applied : nullptr, policy, measure);
    ongoing.points_to_fail = ongoing.points_to_fail || judgement.points_to_fail;
    fill(record, ongoing.samples, judgement, applied, measure);
    if (used && record.reason.empty())
      record.reason = fmt::format("measured with {}, and held against no target of another size: {}",
                                  format_bytes(bytes), path_text(record, "made_smaller"));
    if (wanted && !unjudged.empty()) record.reason = fmt::format("no target is applied: {}", unjudged);
    if (ongoing.other_size > 0)
      record.reason += fmt::format("{}{} of {} repeats could have only another size and do not count",
                                   record.reason.empty() ? "" : "; ", ongoing.other_size,
                                   ongoing.samples.repeats() + static_cast<std::size_t>(ongoing.other_size));
    note_launches(record, ongoing.samples);
    if (row.has_histogram) record.statistics.histogram = histogram_of(ongoing.samples.values_us);
    if (row.flows > 0) note_flows(record, ongoing.samples.values_us, row.flows, measure);
    records.push_back(record);
  };
  if (check.show) {
    add(*check.row, check.group_targets.empty() ? ongoing.target : check.group_targets[index]);
    if (check.against_model && !ongoing.target)
      records.back().reason = "its groups were not measured, so there is no model to hold it against";
  }
  for (std::size_t i = 0; i < check.derived.size(); ++i)
    add(*check.derived[i], i < check.derived_targets.size() ? check.derived_targets[i] : std::nullopt);
  return records;
}

std::vector<CheckRecord> Executor::judged_so_far(const plan::PlannedCheck& check, Ongoing& ongoing, int group,
                                                 const std::vector<double>& compute_us) const {
  std::vector<CheckRecord> records = describe_so_far(check, ongoing, group, compute_us);
  for (CheckRecord& record : records) {
    const auto before = std::find_if(ongoing.decided.begin(), ongoing.decided.end(),
                                     [&](const CheckRecord& one) { return one.id == record.id; });
    if (before != ongoing.decided.end()) {
      // The figures are those of all repeats, the verdict that of its look, unless they contradict it.
      const Verdict fresh = record.verdict;
      // A FAIL that all repeats together do not give was a spell's.
      const bool is_last = ongoing.samples.repeats() >= max_repeats;
      const bool taken_back = contradicts(record, before->verdict) ||
                              (is_last && before->verdict == Verdict::fail && fresh != Verdict::fail);
      record.verdict = before->verdict;
      record.reason = before->reason;
      record.statistics.decision_interval = before->statistics.decision_interval;
      record.statistics.decision_confidence = before->statistics.decision_confidence;
      if (taken_back) {
        record.verdict = Verdict::inconclusive;
        record.reason =
            fmt::format("it changed during the run: {} after the first repeats, {} {} ({}) over all {}",
                        verdict_name(before->verdict), format_number(record.value.value_or(0.0)), record.unit,
                        verdict_name(fresh), ongoing.samples.repeats());
      }
    } else if (record.verdict == Verdict::pass || record.verdict == Verdict::fail) {
      ongoing.decided.push_back(record);
    }
  }
  ongoing.has_verdict = !is_open(records);
  return records;
}

std::vector<CheckRecord> Executor::stopped_records(const plan::PlannedCheck& check, int group,
                                                   const SamplingResult& result) const {
  // The vote stopped all groups together; the one that has the culprit is told what it did.
  const std::vector<int>& ranks = check.groups[static_cast<std::size_t>(group)];
  std::vector<int> everyone;
  for (const std::vector<int>& others : check.groups)
    everyone.insert(everyone.end(), others.begin(), others.end());
  std::sort(everyone.begin(), everyone.end());
  if (plan::votes_alone(check)) everyone = ranks;
  const int culprit = everyone[static_cast<std::size_t>(std::max(0, result.culprit))];
  const bool here = std::find(ranks.begin(), ranks.end(), culprit) != ranks.end();
  CheckRecord record = blank_record(check, static_cast<std::size_t>(group), world_.rank_hosts);
  const std::string what = result.mismatch ? "wrong result: " + *result.mismatch : *result.error;
  record.verdict = !here ? Verdict::skipped : result.mismatch ? Verdict::fail : Verdict::error;
  record.reason = here ? what : "stopped together with another group: " + what;
  return {record};
}

void Executor::note_path(Ongoing& ongoing, std::map<std::string, Parameter> path) {
  ongoing.has_other_size = ongoing.repeats_done > 0 && bytes_used(path) != bytes_used(ongoing.path);
  if (!ongoing.has_other_size) ongoing.path = std::move(path);
}

std::vector<CheckRecord> Executor::unmeasured_records(const plan::PlannedCheck& check) const {
  const auto words = [](std::int64_t ns) { return format_duration(std::chrono::nanoseconds(ns)); };
  const std::string reason = fmt::format(
      "not measured: the checks before took {} where {} were planned for all; give a larger --budget, or "
      "fewer checks by --only",
      words(world_.clock->now_ns() - begun_ns_), words(budget_ns_));
  std::vector<CheckRecord> records;
  for (std::size_t group = 0; group < check.groups.size(); ++group) {
    const auto add = [&](const CheckRow& row, bool has_target) {
      CheckRecord record = blank_record(check, group, world_.rank_hosts);
      name_after(record, row, check);
      // What should have been judged is not well for lack of a look.
      record.verdict = has_target ? Verdict::inconclusive : Verdict::skipped;
      record.reason = reason;
      records.push_back(record);
    };
    if (check.show)
      add(*check.row, check.target || check.against_model ||
                          (!check.group_targets.empty() && check.group_targets[group]));
    for (std::size_t i = 0; i < check.derived.size(); ++i)
      add(*check.derived[i], i < check.derived_targets.size() && check.derived_targets[i]);
  }
  return records;
}

CheckRecord Executor::failed_record(const plan::PlannedCheck& check, std::size_t group,
                                    const control::AgreedError& error) const {
  CheckRecord record = blank_record(check, group, world_.rank_hosts);
  record.verdict = error.kind == control::AgreedError::Kind::unavailable ? Verdict::skipped : Verdict::error;
  record.reason = error.text;
  return record;
}

/// Of what this host has left; 0: not known.
std::uint64_t Executor::memory_share() const {
  if (memory_left_ == 0) return 0;
  const auto sharing = std::count(world_.rank_hosts.begin(), world_.rank_hosts.end(), world_.host);
  return std::max<std::uint64_t>(
      1, memory_left_ / static_cast<std::uint64_t>(std::max<std::ptrdiff_t>(1, sharing)));
}

bool Executor::is_judged(std::size_t index) const { return plan::is_judged(plan_.checks[index]); }

bool Executor::is_computed_for(const std::string& id) const {
  return std::any_of(plan_.checks.begin(), plan_.checks.end(),
                     [&](const plan::PlannedCheck& check) { return check.row->computes_for == id; });
}

}  // namespace fabricheck::app
