#include "app/executor.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "app/incident.hpp"
#include "collectives/bandwidth.hpp"
#include "control/agreement.hpp"
#include "core/error.hpp"
#include "core/sampler.hpp"
#include "core/units.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

constexpr char record_end = '\x1e';  // ASCII's record separator; JSON escapes it

void fill(CheckRecord& record, const SampleSet& samples, const Judgement& judgement,
          const std::optional<Target>& target, const Measure& measure) {
  record.statistics = describe(samples.values_us);
  record.statistics.blocks = judgement.blocks;
  record.statistics.clock_error = samples.clock_error_us;
  record.statistics.late_starts = samples.late_starts;
  record.statistics.overruns = samples.overruns;
  record.statistics.verified = samples.verified;
  record.statistics.osu_mean = samples.osu_mean_us;
  record.statistics.barrier_median = samples.barrier_median_us;
  if (measure.rate_times_us > 0.0) {
    // A rate's statistics: the fastest time gives the largest rate; times' tails and clock errors have no
    // rate of their own.
    const Statistics times = record.statistics;
    const auto rate = [&](const std::optional<double>& us) {
      return us && *us > 0.0 ? std::optional<double>(measure.convert(*us)) : std::nullopt;
    };
    record.statistics.min = rate(times.max);
    record.statistics.max = rate(times.min);
    record.statistics.median = rate(times.median);
    record.statistics.mean.reset();
    record.statistics.p99.reset();
    record.statistics.p999.reset();
    record.statistics.clock_error.reset();
    record.statistics.osu_mean.reset();
    record.statistics.barrier_median.reset();
  }
  record.value = judgement.value;
  record.ci95 = judgement.ci95;
  record.verdict = judgement.verdict;
  record.reason = judgement.reason;
  if (target) {
    record.target = AppliedTarget{comparison_symbol(target->comparison), target->value, target->statistic,
                                  target->source};
    record.statistics.decision_interval = judgement.decision_interval;
    record.statistics.decision_confidence = judgement.decision_confidence;
  }
}

std::optional<LastRank> most_often_last(const SampleSet& samples, const std::vector<int>& group,
                                        const std::vector<std::string>& rank_hosts) {
  const auto most = std::max_element(samples.last_count.begin(), samples.last_count.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == samples.last_count.end()) return std::nullopt;
  const int rank = group[static_cast<std::size_t>(most->first)];
  return LastRank{rank, rank_hosts[static_cast<std::size_t>(rank)],
                  static_cast<double>(most->second) / static_cast<double>(samples.values_us.size())};
}

/// For the progress line: the gravest of a check's groups.
const CheckRecord& gravest(const std::vector<CheckRecord>& records) {
  const auto gravity = [](const CheckRecord& record) {
    switch (record.verdict) {
      case Verdict::fail:
        return 0;
      case Verdict::error:
        return 1;
      case Verdict::inconclusive:
        return 2;
      case Verdict::pass:
        return 3;
      case Verdict::unchecked:
        return 4;
      case Verdict::skipped:
        return 5;
    }
    return 6;
  };
  return *std::min_element(records.begin(), records.end(), [&](const CheckRecord& a, const CheckRecord& b) {
    return gravity(a) != gravity(b) ? gravity(a) < gravity(b) : a.value.value_or(0.0) > b.value.value_or(0.0);
  });
}

}  // namespace

CheckRecord blank_record(const plan::PlannedCheck& check, std::size_t group,
                         const std::vector<std::string>& rank_hosts) {
  CheckRecord record;
  record.id = check.row->id;
  record.title = check.row->title;
  record.scope = scope_name(check.scope);
  record.metric = check.row->metric;
  record.unit = check.row->unit;
  const std::vector<int>& ranks = check.groups[group];
  for (const int rank : ranks) {
    const std::string& host = rank_hosts[static_cast<std::size_t>(rank)];
    if (std::find(record.participants.begin(), record.participants.end(), host) == record.participants.end())
      record.participants.push_back(host);
  }
  const auto nodes = static_cast<std::int64_t>(record.participants.size());
  if (!check.row->sizes.empty()) record.parameters["bytes"] = static_cast<std::int64_t>(check.bytes);
  record.parameters["ranks"] = static_cast<std::int64_t>(ranks.size());
  record.parameters["nodes"] = nodes;
  record.parameters["ranks_per_node"] = (static_cast<std::int64_t>(ranks.size()) + nodes - 1) / nodes;
  if (!check.mode.empty()) {
    record.parameters["mode"] = check.mode;
    record.parameters["group"] =
        static_cast<std::int64_t>(check.group_number ? static_cast<std::size_t>(*check.group_number) : group);
  }
  return record;
}

Executor::Executor(ExecutorWorld world, const plan::TestPlan& plan, std::vector<Target> targets)
    : world_(std::move(world)), plan_(plan), targets_(std::move(targets)) {
  policy_.family = std::max(1, plan.judged);
}

void Executor::run() {
  const auto words = [&](const plan::PlannedCheck& check) {
    return check_words(blank_record(check, 0, world_.rank_hosts));
  };
  for (std::size_t i = 0; i < plan_.checks.size(); ++i) {
    const plan::PlannedCheck& check = plan_.checks[i];
    world_.progress->enter_phase();
    if (world_.log) {
      std::vector<std::string> remaining;
      for (std::size_t later = i + 1; later < plan_.checks.size(); ++later)
        remaining.push_back(plan_.checks[later].row->id + " " + words(plan_.checks[later]));
      world_.log->set_remaining(std::move(remaining));
      world_.log->begin(blank_record(check, 0, world_.rank_hosts));
      world_.printer->start(static_cast<int>(i) + 1, static_cast<int>(plan_.checks.size()), words(check));
    }
    run_check(check);
  }
  if (world_.printer) world_.printer->close();
}

Executor::Party& Executor::party_of(const plan::PlannedCheck& check) {
  const auto known = parties_.find(check.groups);
  if (known != parties_.end()) return known->second;
  Party party;
  int mine = -1;
  for (std::size_t g = 0; g < check.groups.size(); ++g)
    if (std::find(check.groups[g].begin(), check.groups[g].end(), world_.world->rank()) !=
        check.groups[g].end())
      mine = static_cast<int>(g);
  party.everyone = world_.world->split(mine < 0 ? -1 : 0, world_.world->rank());
  if (party.everyone) {
    party.index = mine;
    party.group = party.everyone->split(mine, world_.world->rank());
    party.clock = std::make_unique<control::HierarchicalClock>(*party.group, *world_.clock,
                                                               control::clock_identity(world_.host));
  }
  return parties_.emplace(check.groups, std::move(party)).first->second;
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

std::vector<CheckRecord> Executor::measure(const plan::PlannedCheck& check, Party& party,
                                           Operation& operation, const std::optional<Target>& target) {
  SamplingPlan sampling;
  sampling.budget_ns = check.budget_ns;
  sampling.wanted_samples = check.wanted_samples;
  sampling.barrier_samples = check.barrier_samples;
  sampling.bytes = check.bytes;
  SamplingWorld world;
  world.group = party.group.get();
  world.everyone = party.everyone.get();
  world.clock = world_.clock;
  world.synchroniser = party.clock.get();
  world.progress = world_.progress;
  world.world_rank = world_.world->rank();
  world.host = world_.host;
  world.yield = world_.yield;

  LookSchedule looks(policy_.looks);
  bool decided = !target.has_value();
  const auto enough = [&](const SampleSet& samples) {
    if (!decided && looks.due(samples.values_us.size()))
      decided = judge(samples, &*target, policy_).verdict != Verdict::inconclusive;
    return decided && samples.values_us.size() >= check.wanted_samples;
  };
  const SamplingResult result = run_sampler(operation, sampling, world, enough);

  std::vector<CheckRecord> records;
  const bool root = party.group->rank() == 0;
  if (result.error || result.mismatch) {
    // One record for all groups: the vote stopped them together.
    if (party.everyone->rank() != 0) return records;
    CheckRecord record = blank_record(check, 0, world_.rank_hosts);
    record.verdict = result.mismatch ? Verdict::fail : Verdict::error;
    record.reason = result.mismatch ? "wrong result: " + *result.mismatch : *result.error;
    records.push_back(record);
    return records;
  }
  if (!root) return records;
  const std::vector<int>& ranks = check.groups[static_cast<std::size_t>(party.index)];
  CheckRecord record = blank_record(check, static_cast<std::size_t>(party.index), world_.rank_hosts);
  record.last = most_often_last(result.samples, ranks, world_.rank_hosts);
  CheckRecord latency = record;
  fill(latency, result.samples, judge(result.samples, target ? &*target : nullptr, policy_), target, {});
  if (check.against_model && !target)
    latency.reason = "its groups were not measured, so there is no model to hold it against";
  if (check.show) records.push_back(latency);
  for (const CheckRow* row : check.derived) {
    Measure measure;
    measure.unit = row->unit;
    measure.rate_times_us =
        collectives::algbw_GBps(check.bytes, 1.0) * row->bus_factor(static_cast<int>(ranks.size()));
    const Target* found = find_target(targets_, row->id, check.bytes, check.ranks_per_node);
    CheckRecord derived = record;
    derived.id = row->id;
    derived.title = row->title;
    derived.metric = row->metric;
    derived.unit = row->unit;
    fill(derived, result.samples, judge(result.samples, found, policy_, measure),
         found ? std::optional<Target>(*found) : std::nullopt, measure);
    records.push_back(derived);
  }
  return records;
}

void Executor::run_check(const plan::PlannedCheck& check) {
  Party& party = party_of(check);
  std::unique_ptr<Operation> operation;
  const auto failed = control::together(*world_.world, world_.host, [&] {
    if (!party.everyone) return;
    OperationRequest request;
    request.world_ranks = check.groups[static_cast<std::size_t>(party.index)];
    request.bytes = check.bytes;
    request.world_rank = world_.world->rank();
    request.host = world_.host;
    operation = check.row->make(request);
    if (world_.hooks->wrap)
      operation = world_.hooks->wrap(std::move(operation), check.row->id, request.world_rank);
  });
  if (world_.first_sample) {
    world_.first_sample();
    world_.first_sample = nullptr;
  }
  std::vector<CheckRecord> records;
  if (failed) {
    if (world_.log) {
      records.push_back(blank_record(check, 0, world_.rank_hosts));
      records.back().verdict =
          failed->kind == control::AgreedError::Kind::unavailable ? Verdict::skipped : Verdict::error;
      records.back().reason = failed->text;
    }
  } else {
    const std::optional<Target> target = target_for(check);
    if (operation) records = measure(check, party, *operation, target);
    world_.progress->idle.store(true);
    world_.world->idle_barrier();
    world_.progress->idle.store(false);
    std::string packed;
    for (const CheckRecord& record : records) packed += report::check_to_json(record) + record_end;
    records.clear();
    for (const std::string& lines : gather_strings(*world_.world, packed, 0))
      for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = lines.find(record_end, at);
        records.push_back(
            report::check_from_json(std::string_view(lines).substr(at, end - at), "a rank's record"));
        at = end + 1;
      }
  }
  if (!world_.log) return;
  for (const CheckRecord& record : records) {
    learn_from(record);
    world_.log->add(record);
  }
  if (!records.empty()) world_.printer->finish(gravest(records));
}

}  // namespace fabricheck::app
