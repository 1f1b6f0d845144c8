#include "core/timed_sampler.hpp"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"

namespace fabricheck {
namespace {

constexpr double batch_target_ns = 25e6;
constexpr std::uint64_t max_batch = 4096;
constexpr std::uint64_t warm_up_batch = 16;

class Run {
 public:
  Run(TimedOperation& operation, const SamplingPlan& plan, const SamplingWorld& world)
      : operation_(operation),
        plan_(plan),
        world_(world),
        root_(world.group->rank() == 0),
        least_(std::max<std::size_t>(1, operation.least_batch())),
        iteration_(plan.first_iteration) {}

  SamplingResult go(const EnoughSamples& enough) {
    warm_up();
    bool more = vote(true);
    if (more) operation_.compare_ranks();
    const std::int64_t begin_ns = now_ns();
    result_.samples.verification_us = 0.0;  // the warm-up's is not in what is measured from here on
    while (more) {
      record(batch(ordered(fitting(begin_ns))));
      bool wanted = false;
      if (root_) {
        const std::uint64_t n = result_.samples.values_us.size();
        const bool over = now_ns() - begin_ns >= plan_.budget_ns;
        wanted = n < plan_.max_samples && (n < plan_.min_samples || (!over && !enough(result_.samples)));
      }
      more = vote(wanted);
    }
    result_.samples.measuring_us =
        static_cast<double>(now_ns() - begin_ns) / 1000.0 - result_.samples.verification_us;
    if (!failed()) hunt_corruption();
    result_.next_iteration = iteration_;
    return std::move(result_);
  }

 private:
  std::int64_t now_ns() const { return world_.clock->now_ns(); }
  bool failed() const { return result_.error.has_value() || result_.mismatch.has_value(); }
  bool failed_here() const { return !error_.empty() || !mismatch_.empty(); }

  /// Whatever `work` throws is kept for the vote.
  template <class Work>
  void guarded(Work&& work) {
    if (failed_here()) return;
    const auto words = [&](const std::exception& error) {
      return fmt::format("rank {} on {}: {}", world_.world_rank, world_.host, error.what());
    };
    try {
      work();
    } catch (const Waited& waited) {
      error_ = words(waited);
      is_echo_ = is_wait_ = true;
    } catch (const Echo& echo) {
      error_ = words(echo);
      is_echo_ = true;
    } catch (const std::exception& error) {
      error_ = words(error);
    }
  }

  /// The first iteration pays for page tables, caches and the peer's being late; it is no sample.
  void warm_up() {
    batch(least_);
    const bool is_short = wall_ns_ * static_cast<double>(warm_up_batch) < batch_target_ns;
    if (const std::size_t more = ordered(is_short ? whole_batches(warm_up_batch) : 0); more > 0) batch(more);
  }

  std::uint64_t fitting(std::int64_t begin_ns) const {
    const double left_ns = std::max(0.0, static_cast<double>(plan_.budget_ns - (now_ns() - begin_ns)));
    const double each_ns = std::max(1.0, wall_ns_);
    const auto fits =
        static_cast<std::uint64_t>(std::min(batch_target_ns, std::max(left_ns, each_ns)) / each_ns);
    const std::uint64_t room = plan_.max_samples - std::min<std::uint64_t>(plan_.max_samples, taken());
    return whole_batches(std::min({fits, room, max_batch}));
  }
  std::uint64_t whole_batches(std::uint64_t count) const {
    return std::max<std::uint64_t>(1, count / least_) * least_;
  }
  std::uint64_t taken() const { return result_.samples.values_us.size(); }

  /// How many iterations is the root's to say.
  std::size_t ordered(std::uint64_t count) {
    world_.group->broadcast(std::as_writable_bytes(std::span<std::uint64_t, 1>(&count, 1)), 0);
    return count;
  }

  /// Runs `count` iterations; what they took is in mine_ then. Returns their number.
  std::size_t batch(std::size_t count) {
    mine_.assign(count, 0.0);
    const std::uint64_t first = iteration_;
    iteration_ += count;
    const std::int64_t t0 = now_ns();
    guarded([&] { operation_.prepare(first, count); });
    // All are ready, or none begins.
    std::array<double, 1> unready{failed_here() ? 1.0 : 0.0};
    world_.group->allreduce(unready, ReduceOp::max);
    if (unready[0] > 0.0) return count;
    const std::int64_t t1 = now_ns();
    world_.progress->enter_iteration(first);
    guarded([&] { operation_.run(first, mine_); });
    // Before the others are waited for: who is stuck in its part is behind them then.
    world_.progress->leave_iteration(iteration_ - 1);
    // Who only answers sleeps here, and leaves the cores and the memory to what is measured.
    world_.group->idle_barrier();
    const std::int64_t t2 = now_ns();
    guarded([&] { verify(first, count); });
    wall_ns_ = static_cast<double>(t2 - t1) / static_cast<double>(count);
    if (root_)
      result_.samples.verification_us +=
          static_cast<double>(t1 - t0 + now_ns() - t2) / 1000.0 + operation_.comparing_us();
    return count;
  }

  void verify(std::uint64_t first, std::size_t count) {
    const Verified verified = operation_.verify(first, count);
    verified_ += verified.messages;
    if (verified.mismatch) mismatch_ = mismatch_words(*verified.mismatch);
  }

  void record(std::size_t count) {
    if (root_) {
      maximum_.assign(count, 0.0);
      who_.assign(count, 0);
    }
    std::array<double, 2> here{static_cast<double>(verified_), failed_here() ? 1.0 : 0.0};
    world_.group->allreduce(here, ReduceOp::sum);
    world_.group->reduce_last(mine_, maximum_, who_, 0);
    if (!root_ || here[1] > 0.0) return;
    result_.samples.verified = static_cast<std::uint64_t>(here[0]);
    result_.samples.values_us.insert(result_.samples.values_us.end(), maximum_.begin(), maximum_.end());
    if (operation_.every_rank_times())
      for (const int rank : who_) ++result_.samples.last_count[rank];
  }

  /// True to go on. One rank's failure is the group's.
  bool vote(bool wanted) {
    std::array<double, 5> ballot{wanted && root_ ? 1.0 : 0.0, !error_.empty() && !is_echo_ ? 1.0 : 0.0,
                                 mismatch_.empty() ? 0.0 : 1.0, error_.empty() ? 0.0 : 1.0,
                                 !error_.empty() && !is_wait_ ? 1.0 : 0.0};
    world_.group->allreduce(ballot, ReduceOp::max);
    const bool cause = ballot[1] > 0.0, wrong = ballot[2] > 0.0, any = ballot[3] > 0.0;
    if (cause) {
      result_.error = first_text(is_echo_ ? std::string() : error_);
    } else if (wrong) {
      result_.mismatch = first_text(mismatch_);
    } else if (any) {
      const bool knows = ballot[4] > 0.0;
      result_.error = first_text(knows && is_wait_ ? std::string() : error_);
      if (!knows && world_.group->size() > 1)
        *result_.error += "; no rank knows more, so this one is not accused";
    }
    return !failed() && ballot[0] > 0.0;
  }

  std::string first_text(const std::string& mine) {
    std::string text;
    const std::vector<std::string> all = gather_strings(*world_.group, mine, 0);
    for (std::size_t rank = 0; rank < all.size() && text.empty(); ++rank) {
      text = all[rank];
      result_.culprit = static_cast<int>(rank);
    }
    world_.group->broadcast(std::as_writable_bytes(std::span<int, 1>(&result_.culprit, 1)), 0);
    return broadcast_string(*world_.group, text, 0);
  }

  /// Every iteration of these is verified as all others are, or alone where only one of a batch is; their
  /// times are not kept.
  void hunt_corruption() {
    for (std::uint64_t left = plan_.verify_repeat; left > 0;) {
      const double fits = operation_.verifies_each() ? batch_target_ns / std::max(1.0, wall_ns_) : 1.0;
      const std::size_t count = ordered(
          whole_batches(std::min({static_cast<std::uint64_t>(std::min(fits, 1e9)), left, max_batch})));
      batch(count);
      const std::uint64_t compared = operation_.verifies_each() ? count : 1;
      left -= std::min<std::uint64_t>(left, compared);
      if (root_) result_.samples.verified += compared;
      const bool goes_on = vote(left > 0);
      if (!failed()) world_.progress->verified.fetch_add(compared, std::memory_order_relaxed);
      if (!goes_on) break;
    }
  }

  TimedOperation& operation_;
  const SamplingPlan& plan_;
  const SamplingWorld& world_;
  const bool root_;
  const std::size_t least_;
  SamplingResult result_;
  std::uint64_t iteration_;
  std::uint64_t verified_{};
  double wall_ns_{};  ///< of one iteration, with what surrounds it
  std::string error_, mismatch_;
  bool is_echo_{}, is_wait_{};
  std::vector<double> mine_, maximum_;
  std::vector<int> who_;
};

}  // namespace

SamplingResult run_timed_sampler(TimedOperation& operation, const SamplingPlan& plan,
                                 const SamplingWorld& world, const EnoughSamples& enough) {
  return Run(operation, plan, world).go(enough);
}

}  // namespace fabricheck
