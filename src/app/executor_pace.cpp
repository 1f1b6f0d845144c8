// How often an Executor measures its checks, and how long that takes.
#include <algorithm>

#include "app/executor.hpp"

namespace fabricheck::app {
namespace {

/// What surrounds the samples may take longer than they do, but not without end.
constexpr std::int64_t most_budgets = 2;
constexpr std::int64_t overtime_ns = 1'000'000'000;
/// Each check is measured once even where that takes longer than planned, but no check begins after so long.
constexpr std::int64_t most_times_budget = 3;
constexpr std::int64_t slow_start_ns = 20'000'000'000;
/// Of the time it should take: when an estimate of the whole is worth keeping.
constexpr double told_early = 0.25;

}  // namespace

std::int64_t Executor::longest_of(const plan::PlannedCheck& check, const Ongoing& ongoing) {
  return (most_budgets * check.budget_ns + overtime_ns) * ongoing.repeats / ongoing.planned;
}

std::int64_t Executor::spent_so_far_ns() const { return world_.clock->now_ns() - begun_ns_ - excused_ns_; }

std::int64_t Executor::longest_ns() const { return budget_ns_ * 3 / 2 + overtime_ns; }

std::int64_t Executor::last_ns() const { return most_times_budget * budget_ns_ + slow_start_ns; }

std::optional<std::chrono::nanoseconds> Executor::left() const {
  const std::int64_t counted_ns = spent_so_far_ns();
  const auto left_ns = time_left_.left_ns(std::max<std::int64_t>(0, longest_ns() - counted_ns));
  if (!left_ns) return std::nullopt;
  return std::chrono::nanoseconds(std::min(*left_ns, std::max<std::int64_t>(0, last_ns() - counted_ns)));
}

/// What was told early is kept beside what it took, so that anybody sees how good it was.
void Executor::note_estimate() {
  const auto left_ns = left();
  if (estimate_told_ || !left_ns || !all_kinds_seen_) return;
  const std::chrono::duration<double> spent = std::chrono::nanoseconds(world_.clock->now_ns() - begun_ns_);
  const std::chrono::duration<double> whole = spent + *left_ns;
  if (spent < told_early * whole) return;
  estimate_told_ = true;
  world_.log->set_overhead("checks_estimated_s", whole.count());
  world_.log->set_overhead("checks_estimated_after_s", spent.count());
}

int Executor::repeats_for(const plan::PlannedCheck& check, const Ongoing& ongoing,
                          std::int64_t last_ns) const {
  // The first visit makes connections; the second shows what one takes.
  if (!plan::is_judged(check) || check.repeats <= min_repeats || ongoing.repeats_done != 2)
    return ongoing.repeats;
  Pace pace;
  pace.done = ongoing.repeats_done;
  pace.spent = static_cast<double>(ongoing.spent_ns);
  pace.last = static_cast<double>(last_ns);
  pace.limit = static_cast<double>(longest_of(check, ongoing));
  pace.samples = ongoing.samples.values_us.size();
  return repeats_within(pace, check.repeats);
}

bool Executor::is_overtime(const plan::PlannedCheck& check, const Ongoing& ongoing) const {
  // What goes on at the end was given its time.
  if (ongoing.resumed) return spent_so_far_ns() > last_ns();
  return ongoing.spent_ns > longest_of(check, ongoing) || spent_so_far_ns() > longest_ns();
}

bool Executor::has_to_wait(const plan::PlannedCheck& check, const Ongoing& ongoing, int repeats,
                           bool overtime) const {
  const int done = ongoing.repeats_done;
  if (!plan::is_judged(check) || done < min_repeats || done >= max_repeats) return false;
  const bool points = ongoing.any_points_to_fail;
  if (overtime) return points && done < fewest_repeats_of_a_fail;
  if (check.all_repeats && done < repeats && !ongoing.resumed) return false;
  return done == repeats || (points && done == min_repeats) ||
         (ongoing.resumed && done == fewest_repeats_of_a_fail);
}

std::vector<double> Executor::resumed_repeats(const std::vector<std::size_t>& waiting) const {
  std::vector<double> repeats;
  std::int64_t promised_ns = spent_so_far_ns();
  for (const std::size_t index : waiting) {
    const Ongoing& ongoing = ongoing_[index];
    const int next = ongoing.repeats_done < fewest_repeats_of_a_fail ? fewest_repeats_of_a_fail : max_repeats;
    const std::int64_t needs_ns = ongoing.last_visit_ns * (next - ongoing.repeats_done);
    const bool is_for_a_fail = ongoing.any_points_to_fail;
    const std::int64_t limit_ns = !is_for_a_fail                     ? budget_ns_
                                  : next == fewest_repeats_of_a_fail ? last_ns()
                                                                     : longest_ns();
    const bool goes_on = !is_over_ && promised_ns + needs_ns <= limit_ns;
    if (goes_on) promised_ns += needs_ns;
    repeats.push_back(goes_on ? next : 0.0);
  }
  return repeats;
}

void Executor::finish_parked() {
  for (;;) {
    std::vector<std::size_t> waiting;
    for (std::size_t i = 0; i < ongoing_.size(); ++i)
      if (ongoing_[i].parked) waiting.push_back(i);
    if (waiting.empty()) return;
    std::vector<double> repeats(waiting.size());
    if (world_.log) repeats = resumed_repeats(waiting);
    world_.world->broadcast(std::as_writable_bytes(std::span<double>(repeats)), 0);
    std::vector<std::size_t> resumed, nothing;
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      Ongoing& ongoing = ongoing_[waiting[i]];
      if (repeats[i] == 0.0) {
        close(waiting[i], false);
        continue;
      }
      const int wanted = static_cast<int>(repeats[i]);
      ongoing.parked = false;
      ongoing.resumed = true;
      ongoing.repeats = std::max(ongoing.repeats, wanted);
      if (world_.log) {
        time_left_.finished(waiting[i]);
        time_left_.more(waiting[i], wanted - ongoing.repeats_done);
      }
      resumed.push_back(waiting[i]);
    }
    run_repeats(resumed, nothing);
  }
}

}  // namespace fabricheck::app
