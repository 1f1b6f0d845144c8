#include "app/executor.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "app/check_records.hpp"
#include "app/incident.hpp"
#include "app/memory_left.hpp"
#include "core/error.hpp"
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
  expect_times(kinds);
  const Visits visits = sorted_visits();
  std::vector<std::size_t> meanwhile = rounds_of(visits.others);
  // One of each kind soon, so that it is known early how long all of it takes; but first what is judged.
  std::vector<std::size_t> firsts = first_of_each(visits.others, kinds);
  std::erase_if(firsts, [&](std::size_t index) { return plan_.checks[index].row->own_time_ns > 0; });
  all_kinds_seen_ = firsts.empty();
  const auto visit_firsts = [&] {
    for (const std::size_t index : std::exchange(firsts, {})) {
      visit(index);
      meanwhile.erase(std::find(meanwhile.begin(), meanwhile.end(), index));
    }
    all_kinds_seen_ = true;
  };
  run_repeats(visits.judged, meanwhile, visit_firsts);
  visit_firsts();
  // The model needs its groups' verdicts.
  run_repeats(visits.by_model, meanwhile);
  for (const std::size_t index : meanwhile) visit(index);
  // Last what needs the others' times.
  meanwhile.clear();
  run_repeats(visits.judged_computing, meanwhile);
  for (const std::size_t index : rounds_of(visits.computing)) visit(index);
  finish_parked();
  if (world_.printer) world_.printer->close();
  note_overhead();
}

void Executor::expect_times(const std::vector<std::size_t>& kinds) {
  std::vector<plan::TimeLeft::Expected> expected;
  for (const plan::PlannedCheck& check : plan_.checks) {
    budget_ns_ += check.budget_ns;
    expected.push_back({check.all_repeats ? check.repeats : std::min(check.repeats, min_repeats),
                        check.budget_ns / check.repeats, kinds[expected.size()]});
  }
  time_left_ = plan::TimeLeft(expected);
  for (std::size_t i = 0; i < plan_.checks.size(); ++i)
    ongoing_[i].repeats = ongoing_[i].planned = plan_.checks[i].repeats;
}

Executor::Visits Executor::sorted_visits() const {
  Visits visits;
  for (std::size_t i = 0; i < plan_.checks.size(); ++i) {
    const plan::PlannedCheck& check = plan_.checks[i];
    const bool computes = !check.row->computes_for.empty();
    std::vector<std::size_t>& kind = computes ? (is_judged(i) ? visits.judged_computing : visits.computing)
                                     : !is_judged(i)       ? visits.others
                                     : check.against_model ? visits.by_model
                                                           : visits.judged;
    kind.push_back(i);
  }
  return visits;
}

std::vector<std::size_t> Executor::rounds_of(const std::vector<std::size_t>& checks) const {
  std::vector<std::size_t> visits;
  for (int repeat = 0; repeat < max_repeats; ++repeat)
    for (const std::size_t index : checks)
      if (repeat < plan_.checks[index].repeats) visits.push_back(index);
  return visits;
}

void Executor::note_overhead() {
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

void Executor::begin_visit(const plan::PlannedCheck& check, Ongoing& ongoing) {
  if (ongoing.repeats_done == 0) {
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
}

void Executor::visit(std::size_t index) {
  if (ongoing_[index].finished || ongoing_[index].parked) return;
  if (is_over_) {
    close(index, true);
    return;
  }
  const plan::PlannedCheck& check = plan_.checks[index];
  Ongoing& ongoing = ongoing_[index];
  const std::int64_t began_ns = world_.clock->now_ns();
  world_.progress->enter_phase();
  announce(index);
  Party& party = party_of(check);
  begin_visit(check, ongoing);
  const bool was_broken = ongoing.broken;
  ongoing.points_to_fail = false;
  std::vector<CheckRecord> records =
      plan::votes_alone(check) ? repeat_timed(check, ongoing, party) : repeat(check, ongoing, party);
  ++ongoing.repeats_done;
  world_.progress->idle.store(true);
  world_.world->idle_barrier();
  world_.progress->idle.store(false);
  if (world_.counters) world_.counters->end(index);
  const Vote all = vote(check, party, ongoing, was_broken, is_open(records));
  const Order order =
      shared(world_.log ? order_after(index, all, world_.clock->now_ns() - began_ns) : Order{});
  is_over_ = order.ends_run;
  ongoing.planned = std::min(ongoing.planned, order.repeats);
  ongoing.repeats = order.repeats;
  ongoing.parked = order.parks;
  ongoing.finished = !order.again && !order.parks;
  if (ongoing.finished) ongoing.samples = {};
  if (order.tells) tell(index, records, order.overtime);
}

Executor::Vote Executor::vote(const plan::PlannedCheck& check, const Party& party, const Ongoing& ongoing,
                              bool was_broken, bool is_open) {
  const bool sound = party.group && !ongoing.broken, breaks = ongoing.broken && !was_broken;
  std::array<double, 5> any{is_open ? 1.0 : 0.0, ongoing.broken ? 1.0 : 0.0, sound ? 1.0 : 0.0,
                            breaks ? 1.0 : 0.0, ongoing.points_to_fail && !ongoing.broken ? 1.0 : 0.0};
  world_.world->allreduce(any, ReduceOp::max);
  Vote vote;
  vote.open = any[0] > 0.0;
  // One broken group ends the check, but one that votes alone only its own measurement.
  vote.broken = plan::votes_alone(check) ? any[2] == 0.0 : any[1] > 0.0;
  vote.breaks = any[3] > 0.0;
  vote.points_to_fail = any[4] > 0.0;
  return vote;
}

Executor::Order Executor::order_after(std::size_t index, const Vote& vote, std::int64_t spent_ns) {
  const plan::PlannedCheck& check = plan_.checks[index];
  Ongoing& ongoing = ongoing_[index];
  const bool first = ongoing.repeats_done == 1;
  // The hunt for corruption has no budget.
  const bool hunts = first && world_.verify_repeat > 0;
  if (hunts) excused_ns_ += std::max<std::int64_t>(0, spent_ns - check.budget_ns / check.repeats);
  ongoing.spent_ns += hunts ? std::min(spent_ns, check.budget_ns / check.repeats) : spent_ns;
  ongoing.last_visit_ns = spent_ns;
  ongoing.any_points_to_fail = vote.points_to_fail;
  if (!vote.broken) time_left_.visited(index, spent_ns);
  Order order;
  order.repeats = repeats_for(check, ongoing, spent_ns);
  if (order.repeats < ongoing.repeats) time_left_.at_most(index, order.repeats - ongoing.repeats_done);
  const bool overtime = is_overtime(check, ongoing);
  order.parks = vote.open && !vote.broken && has_to_wait(check, ongoing, order.repeats, overtime);
  const bool wanted = ongoing.repeats_done < order.repeats && (check.all_repeats || vote.open);
  order.again = wanted && !vote.broken && !overtime && !order.parks;
  order.tells = !order.again || first || vote.breaks ||
                look_after(policy_of(ongoing), ongoing.repeats_done).has_value();
  order.overtime = wanted && overtime && !order.parks;
  if (!order.again) time_left_.finished(index);
  // A FAIL wants more: see core/gate.hpp.
  if (order.parks && ongoing.any_points_to_fail)
    time_left_.more(index, std::max(0, fewest_repeats_of_a_fail - ongoing.repeats_done));
  note_estimate();
  order.ends_run = spent_so_far_ns() > last_ns();
  return order;
}

Executor::Order Executor::shared(const Order& order) {
  const auto said = [](bool yes) { return yes ? 1.0 : 0.0; };
  std::array<double, 6> words{said(order.again),    said(order.tells), said(order.overtime),
                              said(order.ends_run), said(order.parks), static_cast<double>(order.repeats)};
  world_.world->broadcast(std::as_writable_bytes(std::span<double, 6>(words)), 0);
  return {words[0] > 0.0, words[1] > 0.0, words[2] > 0.0,
          words[3] > 0.0, words[4] > 0.0, static_cast<int>(words[5])};
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
