#include "app/executor.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "app/check_records.hpp"
#include "app/incident.hpp"
#include "app/memory_left.hpp"
#include "control/agreement.hpp"
#include "core/error.hpp"
#include "core/sampler.hpp"
#include "core/units.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

constexpr double ns_per_s = 1e9;
constexpr char record_end = '\x1e';  // ASCII's record separator; JSON escapes it

std::vector<std::size_t> first_of_each(const std::vector<std::size_t>& checks,
                                       const std::vector<std::size_t>& kinds) {
  std::vector<std::size_t> firsts;
  std::set<std::size_t> seen;
  for (const std::size_t index : checks)
    if (seen.insert(kinds[index]).second) firsts.push_back(index);
  return firsts;
}

}  // namespace

Executor::Executor(ExecutorWorld world, const plan::TestPlan& plan)
    : world_(std::move(world)), plan_(plan), ongoing_(plan.checks.size()) {}

void Executor::run() {
  if (world_.log)
    for (const plan::PlannedCheck& check : plan_.checks)
      words_.push_back(check_words(blank_record(check, 0, world_.rank_hosts)));
  begun_ns_ = world_.clock->now_ns();
  const std::vector<std::size_t> kinds = plan::kinds_of(plan_);
  std::vector<plan::TimeLeft::Expected> expected;
  for (const plan::PlannedCheck& check : plan_.checks) {
    budget_ns_ += check.budget_ns;
    expected.push_back({check.all_repeats ? check.repeats : std::min(check.repeats, min_repeats),
                        check.budget_ns / check.repeats, kinds[expected.size()]});
  }
  time_left_ = plan::TimeLeft(expected);
  for (std::size_t i = 0; i < plan_.checks.size(); ++i)
    ongoing_[i].repeats = ongoing_[i].planned = plan_.checks[i].repeats;
  std::vector<std::size_t> judged, by_model, others, judged_computing, computing;
  for (std::size_t i = 0; i < plan_.checks.size(); ++i) {
    const plan::PlannedCheck& check = plan_.checks[i];
    const bool computes = !check.row->computes_for.empty();
    std::vector<std::size_t>& kind = computes              ? (is_judged(i) ? judged_computing : computing)
                                     : !is_judged(i)       ? others
                                     : check.against_model ? by_model
                                                           : judged;
    kind.push_back(i);
  }
  // Without a verdict to wait for: every repeat of everything, round by round.
  const auto rounds_of = [&](const std::vector<std::size_t>& kind) {
    std::vector<std::size_t> visits;
    for (int repeat = 0; repeat < max_repeats; ++repeat)
      for (const std::size_t index : kind)
        if (repeat < plan_.checks[index].repeats) visits.push_back(index);
    return visits;
  };
  std::vector<std::size_t> meanwhile = rounds_of(others);
  // One of each kind soon, so that it is known early how long all of it takes; but first what is judged.
  std::vector<std::size_t> firsts = first_of_each(others, kinds);
  std::erase_if(firsts, [&](std::size_t index) { return plan_.checks[index].row->own_time_ns > 0; });
  all_kinds_seen_ = firsts.empty();
  const auto visit_firsts = [&] {
    for (const std::size_t index : std::exchange(firsts, {})) {
      visit(index);
      meanwhile.erase(std::find(meanwhile.begin(), meanwhile.end(), index));
    }
    all_kinds_seen_ = true;
  };
  run_repeats(judged, meanwhile, visit_firsts);
  visit_firsts();
  // The model needs its groups' verdicts.
  run_repeats(by_model, meanwhile);
  for (const std::size_t index : meanwhile) visit(index);
  // Last what needs the others' times.
  meanwhile.clear();
  run_repeats(judged_computing, meanwhile);
  for (const std::size_t index : rounds_of(computing)) visit(index);
  finish_parked();
  if (world_.printer) world_.printer->close();
  if (!world_.log) return;
  if (measuring_us_ > 0.0)
    world_.log->set_overhead("verification_beside_measuring_percent",
                             100.0 * verification_us_ / measuring_us_);
  world_.log->set_overhead("checks_s", static_cast<double>(world_.clock->now_ns() - begun_ns_) / ns_per_s);
}

void Executor::run_repeats(const std::vector<std::size_t>& checks, std::vector<std::size_t>& meanwhile,
                           const std::function<void()>& after_least) {
  const auto open = [&] {
    return std::any_of(checks.begin(), checks.end(),
                       [&](std::size_t i) { return !ongoing_[i].finished && !ongoing_[i].parked; });
  };
  for (int repeat = 1; open(); ++repeat) {
    for (const std::size_t index : checks) visit(index);
    if (repeat == min_repeats && after_least) after_least();
    if (repeat < min_repeats || !open()) continue;
    // What still wants a verdict is close to its limit: other checks in between spread its repeats over more
    // of the run. In the order of the plan, for some need what earlier ones found.
    const std::size_t now = meanwhile.size() / static_cast<std::size_t>(max_repeats - min_repeats);
    for (std::size_t i = 0; i < now; ++i) visit(meanwhile[i]);
    meanwhile.erase(meanwhile.begin(), meanwhile.begin() + static_cast<std::ptrdiff_t>(now));
  }
}

/// Rank 0 says what comes now, and what would not be tested if the run ended here.
void Executor::announce(std::size_t index) {
  if (!world_.log) return;
  std::vector<std::string> remaining;
  std::size_t finished = 0;
  for (std::size_t i = 0; i < plan_.checks.size(); ++i) {
    finished += ongoing_[i].finished ? 1 : 0;
    if (i != index && ongoing_[i].repeats_done == 0 && !ongoing_[i].finished)
      remaining.push_back(plan_.checks[i].row->id + " " + words_[i]);
  }
  const plan::PlannedCheck& check = plan_.checks[index];
  world_.log->set_remaining(std::move(remaining));
  world_.log->begin(blank_record(check, 0, world_.rank_hosts));
  std::string what = words_[index];
  if (ongoing_[index].repeats_done > 0) what += fmt::format(", repeat {}", ongoing_[index].repeats_done + 1);
  world_.printer->start(static_cast<int>(finished) + 1, static_cast<int>(plan_.checks.size()), what, left());
}

Executor::Party& Executor::party_of(const plan::PlannedCheck& check) {
  const std::pair key{plan::votes_alone(check), check.groups};
  const auto known = parties_.find(key);
  if (known != parties_.end()) return known->second;
  return parties_.emplace(key, new_party(check)).first->second;
}

Executor::Party Executor::new_party(const plan::PlannedCheck& check) {
  Party party;
  int mine = -1, position = 0;
  for (std::size_t g = 0; g < check.groups.size(); ++g) {
    const std::vector<int>& ranks = check.groups[g];
    const auto here = std::find(ranks.begin(), ranks.end(), world_.world->rank());
    if (here == ranks.end()) continue;
    mine = static_cast<int>(g);
    position = static_cast<int>(here - ranks.begin());
  }
  party.index = mine;
  if (plan::votes_alone(check)) {
    party.group = world_.world->split(mine, position);
    return party;
  }
  party.everyone = world_.world->split(mine < 0 ? -1 : 0, world_.world->rank());
  if (party.everyone) {
    party.group = party.everyone->split(mine, world_.world->rank());
    party.clock = std::make_unique<control::HierarchicalClock>(*party.group, *world_.clock,
                                                               control::clock_identity(world_.host));
  }
  return party;
}

std::vector<double> Executor::computing_times(const plan::PlannedCheck& check) {
  std::vector<double> times_us(check.groups.size(), 0.0);
  if (check.row->computes_for.empty()) return times_us;
  if (world_.log) {
    for (std::size_t group = 0; group < check.groups.size(); ++group) {
      const CheckRecord mine = blank_record(check, group, world_.rank_hosts);
      for (const CheckRecord& one : measured_)
        if (one.id == check.row->computes_for && is_same_place(one, mine))
          times_us[group] = one.statistics.median.value_or(0.0);
    }
  }
  world_.world->broadcast(std::as_writable_bytes(std::span<double>(times_us)), 0);
  return times_us;
}

std::unique_ptr<Operation> Executor::make_operation(const plan::PlannedCheck& check, const Party& party,
                                                    const std::vector<double>& compute_us) {
  const auto group = static_cast<std::size_t>(party.index);
  if (!check.row->computes_for.empty() && compute_us[group] <= 0.0)
    throw Unavailable(fmt::format("{} was not measured here, so it is not known how long to compute",
                                  check.row->computes_for));
  OperationRequest request;
  request.world_ranks = check.groups[group];
  request.bytes = check.bytes;
  request.variant = check.variant;
  request.compute_us = compute_us[group];
  request.world_rank = world_.world->rank();
  request.host = world_.host;
  request.memory_limit_bytes = memory_share();
  std::unique_ptr<Operation> operation = check.row->make(request);
  if (world_.hooks->wrap)
    operation = world_.hooks->wrap(std::move(operation), check.row->id, request.world_rank);
  return operation;
}

std::vector<CheckRecord> Executor::measure(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party,
                                           const Sample& sample, const std::vector<double>& compute_us) {
  const bool repeated = check.repeats > 1;
  const bool is_gate = plan::is_judged(check);
  const bool first = ongoing.repeats_done == 0;
  const auto share = [&](std::uint64_t whole) {
    const auto over = static_cast<std::uint64_t>(is_gate ? min_repeats : check.repeats);
    return (whole + over - 1) / over;
  };
  SamplingPlan sampling;
  sampling.budget_ns = check.budget_ns / ongoing.planned;
  if (is_gate)
    sampling.min_samples =
        std::max(sampling.min_samples,
                 samples_of_each(ongoing.samples.values_us.size(), ongoing.repeats_done, ongoing.repeats));
  sampling.wanted_samples = share(check.wanted_samples);
  // The first repeats together give all the samples that are wanted; those after the first look are there
  // because more are needed, and take what their share of the budget gives. Beyond the planned end it is more
  // repeats that are needed, not longer ones.
  const bool takes_all =
      is_gate && ongoing.repeats_done >= min_repeats && ongoing.repeats_done < ongoing.planned;
  sampling.barrier_samples = takes_all ? 0 : share(check.barrier_samples);
  sampling.bytes = check.bytes;
  sampling.first_iteration = ongoing.next_iteration;
  sampling.verify_repeat = first ? world_.verify_repeat : 0;
  SamplingWorld world;
  world.group = party.group.get();
  world.everyone = party.everyone ? party.everyone.get() : party.group.get();
  world.clock = world_.clock;
  world.synchroniser = party.clock.get();
  world.progress = world_.progress;
  world.world_rank = world_.world->rank();
  world.host = world_.host;
  world.yield = world_.yield;

  const bool is_decided = ongoing.has_verdict;
  const auto enough = [&](const SampleSet& samples) {
    return (!takes_all || is_decided) && samples.values_us.size() >= sampling.wanted_samples;
  };
  const SamplingResult result = sample(sampling, world, enough);
  ongoing.next_iteration = result.next_iteration;

  std::vector<CheckRecord> records;
  if (result.error || result.mismatch) {
    ongoing.broken = true;
    if (party.group->rank() == 0) records = stopped_records(check, party.index, result);
    return records;
  }
  if (party.group->rank() != 0) return records;
  if (world_.log) {
    verification_us_ += result.samples.verification_us;
    measuring_us_ += result.samples.measuring_us;
  }
  if (ongoing.has_other_size) {
    ++ongoing.other_size;
  } else if (repeated) {
    ongoing.samples.append(result.samples);
  } else {
    ongoing.samples = result.samples;
  }
  return judged_so_far(check, ongoing, party.index, compute_us);
}

void Executor::visit(std::size_t index) {
  if (ongoing_[index].finished || ongoing_[index].parked) return;
  if (is_over_) {
    close(index, true);
    return;
  }
  const plan::PlannedCheck& check = plan_.checks[index];
  Ongoing& ongoing = ongoing_[index];
  const bool first = ongoing.repeats_done == 0;
  const std::int64_t began_ns = world_.clock->now_ns();
  world_.progress->enter_phase();
  announce(index);
  Party& party = party_of(check);
  if (first) {
    ongoing.compute_us = computing_times(check);
    // Before any rank of the host takes some of it.
    memory_left_ = memory_left_bytes("/");
    world_.world->barrier();
  } else {
    memory_left_ = 0;  // what was there once is there again
  }
  if (world_.counters) world_.counters->begin();
  if (world_.first_sample) {
    world_.first_sample();
    world_.first_sample = nullptr;
  }
  const bool was_broken = ongoing.broken;
  ongoing.points_to_fail = false;
  std::vector<CheckRecord> records =
      plan::votes_alone(check) ? repeat_timed(check, ongoing, party) : repeat(check, ongoing, party);
  ++ongoing.repeats_done;
  world_.progress->idle.store(true);
  world_.world->idle_barrier();
  world_.progress->idle.store(false);
  if (world_.counters) world_.counters->end(index);
  // Of all ranks: whether a group still wants its verdict, and whether it broke.
  const bool sound = party.group && !ongoing.broken, breaks = ongoing.broken && !was_broken;
  std::array<double, 5> state{is_open(records) ? 1.0 : 0.0, ongoing.broken ? 1.0 : 0.0, sound ? 1.0 : 0.0,
                              breaks ? 1.0 : 0.0, ongoing.points_to_fail && !ongoing.broken ? 1.0 : 0.0};
  world_.world->allreduce(state, ReduceOp::max);
  const bool open = state[0] > 0.0;
  // One broken group ends the check, but one that votes alone only its own measurement.
  const bool broken = plan::votes_alone(check) ? state[2] == 0.0 : state[1] > 0.0;
  // Rank 0 says whether to come back, and whether the records are wanted: a large cluster has thousands of
  // them.
  std::array<double, 6> order{};
  if (world_.log) {
    const std::int64_t spent_ns = world_.clock->now_ns() - began_ns;
    // The hunt for corruption has no budget.
    const bool hunts = first && world_.verify_repeat > 0;
    if (hunts) excused_ns_ += std::max<std::int64_t>(0, spent_ns - check.budget_ns / check.repeats);
    ongoing.spent_ns += hunts ? std::min(spent_ns, check.budget_ns / check.repeats) : spent_ns;
    ongoing.last_visit_ns = spent_ns;
    ongoing.any_points_to_fail = state[4] > 0.0;
    if (!broken) time_left_.visited(index, spent_ns);
    const int repeats = repeats_for(check, ongoing, spent_ns);
    if (repeats < ongoing.repeats) time_left_.at_most(index, repeats - ongoing.repeats_done);
    const bool overtime = is_overtime(check, ongoing);
    const bool parks = open && !broken && has_to_wait(check, ongoing, repeats, overtime);
    const bool wanted = ongoing.repeats_done < repeats && (check.all_repeats || open);
    const bool again = wanted && !broken && !overtime && !parks;
    const bool look =
        first || state[3] > 0.0 || look_after(policy_of(ongoing), ongoing.repeats_done).has_value();
    if (!again) time_left_.finished(index);
    // A FAIL wants more: see core/gate.hpp.
    if (parks && ongoing.any_points_to_fail)
      time_left_.more(index, std::max(0, fewest_repeats_of_a_fail - ongoing.repeats_done));
    note_estimate();
    order = {again ? 1.0 : 0.0,
             !again || look ? 1.0 : 0.0,
             wanted && overtime && !parks ? 1.0 : 0.0,
             spent_so_far_ns() > last_ns() ? 1.0 : 0.0,
             static_cast<double>(repeats),
             parks ? 1.0 : 0.0};
  }
  world_.world->broadcast(std::as_writable_bytes(std::span<double, 6>(order)), 0);
  is_over_ = order[3] > 0.0;
  const int repeats = static_cast<int>(order[4]);
  ongoing.planned = std::min(ongoing.planned, repeats);
  ongoing.repeats = repeats;
  ongoing.parked = order[5] > 0.0;
  ongoing.finished = order[0] == 0.0 && !ongoing.parked;
  if (ongoing.finished) ongoing.samples = {};
  if (order[1] > 0.0) tell(index, records, order[2] > 0.0);
}

/// Without measuring: what is there is told, and of what is not, why.
void Executor::close(std::size_t index, bool is_overtime) {
  const plan::PlannedCheck& check = plan_.checks[index];
  Ongoing& ongoing = ongoing_[index];
  ongoing.finished = true;
  ongoing.parked = false;
  if (world_.log) time_left_.finished(index);
  if (ongoing.repeats_done == 0) {
    if (!world_.log) return;
    const std::vector<CheckRecord> records = unmeasured_records(check);
    world_.log->add(std::span<const CheckRecord>(records));
    world_.printer->not_measured(gravest(records));
    return;
  }
  std::vector<CheckRecord> records;
  const Party& party = party_of(check);
  if (party.group && party.group->rank() == 0 && !ongoing.broken)
    records = judged_so_far(check, ongoing, party.index, ongoing.compute_us);
  ongoing.samples = {};
  tell(index, records, is_overtime);
}

void Executor::tell(std::size_t index, std::vector<CheckRecord> records, bool is_overtime) {
  const plan::PlannedCheck& check = plan_.checks[index];
  Ongoing& ongoing = ongoing_[index];
  records = gathered(records);
  if (world_.counters) world_.counters->tell(index, records);
  if (!world_.log) return;
  // What others are held against does not wait for a verdict.
  const bool teaches = (ongoing.finished || ongoing.parked) && !ongoing.learned;
  ongoing.learned = ongoing.learned || teaches;
  for (CheckRecord& record : records) {
    if (is_overtime && record.verdict == Verdict::inconclusive) record.reason += overtime_words(world_.yield);
    if (!teaches) continue;
    learn_from(record);
    if (is_computed_for(record.id) && check.variant == Variant{}) measured_.push_back(record);
  }
  world_.log->add(std::span<const CheckRecord>(records));
  if (ongoing.finished && !records.empty()) world_.printer->finish(gravest(records));
}

std::vector<CheckRecord> Executor::repeat(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party) {
  std::unique_ptr<Operation> operation;
  const auto failed = control::together(*world_.world, world_.host, [&] {
    if (party.group) operation = make_operation(check, party, ongoing.compute_us);
  });
  if (failed) {
    ongoing.broken = true;
    return world_.log ? std::vector<CheckRecord>{failed_record(check, 0, *failed)}
                      : std::vector<CheckRecord>{};
  }
  if (ongoing.repeats_done == 0) ongoing.target = target_for(check);
  if (!operation) return {};
  return measure(
      check, ongoing, party,
      [&](const SamplingPlan& plan, const SamplingWorld& world, const EnoughSamples& enough) {
        return run_sampler(*operation, plan, world, enough);
      },
      ongoing.compute_us);
}

std::vector<CheckRecord> Executor::repeat_timed(const plan::PlannedCheck& check, Ongoing& ongoing,
                                                Party& party) {
  if (!party.group || ongoing.broken) return {};
  std::unique_ptr<TimedOperation> operation;
  const auto failed = control::together(
      *party.group, world_.host,
      [&] {
        TimedRequest request;
        request.group = party.group.get();
        request.world_ranks = check.groups[static_cast<std::size_t>(party.index)];
        request.clock = world_.clock;
        request.bytes = check.bytes;
        request.variant = check.variant;
        request.memory_limit_bytes = memory_share();
        request.world_rank = world_.world->rank();
        request.host = world_.host;
        request.yield = world_.yield;
        operation = check.row->make_timed(request);
        if (world_.hooks->wrap_timed)
          operation = world_.hooks->wrap_timed(std::move(operation), check.row->id, request.world_rank);
      },
      world_.world->rank());
  const bool root = party.group->rank() == 0;
  std::vector<CheckRecord> records;
  if (failed) {
    ongoing.broken = true;
    if (root) records.push_back(failed_record(check, static_cast<std::size_t>(party.index), *failed));
  } else {
    if (ongoing.repeats_done == 0) ongoing.target = target_for(check);
    records = measure(
        check, ongoing, party,
        [&](const SamplingPlan& plan, const SamplingWorld& world, const EnoughSamples& enough) {
          SamplingResult result = run_timed_sampler(*operation, plan, world, enough);
          // Afterwards: what a library did is known only then.
          if (root) note_path(ongoing, operation->path());
          return result;
        },
        ongoing.compute_us);
  }
  return records;
}

std::vector<CheckRecord> Executor::gathered(const std::vector<CheckRecord>& mine) {
  std::string packed;
  for (const CheckRecord& record : mine) packed += report::check_to_json(record) + record_end;
  std::vector<CheckRecord> all;
  for (const std::string& lines : gather_strings(*world_.world, packed, 0))
    for (std::size_t at = 0; at < lines.size();) {
      const std::size_t end = lines.find(record_end, at);
      all.push_back(report::check_from_json(std::string_view(lines).substr(at, end - at), "a rank's record"));
      at = end + 1;
    }
  return all;
}

}  // namespace fabricheck::app
