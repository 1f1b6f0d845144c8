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
  return most_budgets * check.budget_ns * ongoing.repeats / ongoing.planned + overtime_ns;
}

std::int64_t Executor::longest_ns() const { return budget_ns_ * 3 / 2 + overtime_ns; }

std::int64_t Executor::last_ns() const { return most_times_budget * budget_ns_ + slow_start_ns; }

std::optional<std::chrono::nanoseconds> Executor::left() const {
  const std::int64_t counted_ns = world_.clock->now_ns() - begun_ns_ - excused_ns_;
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

int Executor::more_repeats(const plan::PlannedCheck& check, const Ongoing& ongoing, std::int64_t last_ns,
                           bool points_to_fail) const {
  if (!plan::is_judged(check) || ongoing.repeats_done < ongoing.repeats || ongoing.repeats >= max_repeats)
    return ongoing.repeats;
  const int more = 2 * ongoing.repeats;
  const std::int64_t spent_ns = world_.clock->now_ns() - begun_ns_ - excused_ns_;
  const std::int64_t others_ns = time_left_.left_ns().value_or(0);
  const std::int64_t limit_ns = points_to_fail ? longest_ns() : budget_ns_;
  return spent_ns + others_ns + last_ns * (more - ongoing.repeats) <= limit_ns ? more : ongoing.repeats;
}

}  // namespace fabricheck::app
