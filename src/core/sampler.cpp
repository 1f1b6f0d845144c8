#include "core/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <thread>
#include <vector>

#include <fmt/format.h>

namespace fabricheck {
namespace {

constexpr double batch_target_ns = 25e6;
constexpr std::uint64_t max_batch = 1024;
constexpr std::uint64_t first_batch = 128;
constexpr std::int64_t sleep_beyond_ns = 300'000;
constexpr std::int64_t wake_early_ns = 150'000;
constexpr std::uint64_t barrier_batch = 500;
constexpr double max_lead_ns = 20e6;
constexpr double max_around_ns = 500e6;
constexpr std::int64_t resynchronise_after_ns = 250'000'000;
constexpr std::uint64_t verify_all_up_to_bytes = 65536;
constexpr std::uint64_t verify_one_in = 8;
/// Less than what lies between two iterations anyway.
constexpr double free_around_ns = 2000.0;

/// What the root tells its group at the head of a batch.
struct BatchOrder {
  double start_common_ns{};
  double window_ns{};  ///< from one start to the next
  double around_ns{};  ///< more of it where inputs are made or results compared in between
  std::uint64_t iterations{};
};

class Run {
 public:
  Run(Operation& operation, const SamplingPlan& plan, const SamplingWorld& world)
      : operation_(operation),
        plan_(plan),
        world_(world),
        root_(world.group->rank() == 0),
        least_verify_every_(!operation.verifies()                  ? 0
                            : plan.bytes <= verify_all_up_to_bytes ? 1
                                                                   : verify_one_in),
        iteration_(plan.first_iteration) {}

  SamplingResult go(const EnoughSamples& enough) {
    synchronise();
    warm_up();
    bool more = vote(true);
    const std::int64_t begin_ns = world_.clock->now_ns();
    while (more) {
      if (world_.clock->now_ns() - synchronised_ns_ > resynchronise_after_ns) resynchronise_due_ = true;
      batch();
      bool wanted = false;
      if (root_) {
        const std::uint64_t n = result_.samples.values_us.size();
        const bool over = world_.clock->now_ns() - begin_ns >= plan_.budget_ns;
        wanted = n < plan_.max_samples && (n < plan_.min_samples || (!over && !enough(result_.samples)));
      }
      more = vote(wanted);
    }
    result_.samples.measuring_us =
        static_cast<double>(world_.clock->now_ns() - begin_ns) / 1000.0 - result_.samples.verification_us;
    if (!failed()) barrier_starts();
    if (!failed()) hunt_corruption();
    result_.next_iteration = iteration_;
    return std::move(result_);
  }

 private:
  bool failed() const { return result_.error.has_value() || result_.mismatch.has_value(); }

  void synchronise() {
    common_ = world_.synchroniser->synchronise();
    synchronised_ns_ = world_.clock->now_ns();
    resynchronise_due_ = false;
    std::array<double, 1> error{common_.error_us};
    world_.group->allreduce(error, ReduceOp::max);
    result_.samples.clock_error_us = std::max(result_.samples.clock_error_us, error[0]);
  }

  /// Local work around an iteration: whatever it throws is kept for the vote.
  template <class Work>
  void guarded(Work&& work) {
    if (!local_error_.empty()) return;
    try {
      work();
    } catch (const std::exception& error) {
      local_error_ = fmt::format("rank {} on {}: {}", world_.world_rank, world_.host, error.what());
    }
  }

  /// Nothing but the operation, for it stands between two readings of the clock; enter_iteration() goes
  /// before.
  void execute(std::uint64_t iteration) {
    try {
      operation_.execute(iteration);
    } catch (const std::exception& error) {
      throw OutOfStep(fmt::format("rank {} on {} failed inside iteration {}: {}", world_.world_rank,
                                  world_.host, iteration, error.what()));
    }
  }

  void prepare(std::uint64_t iteration) {
    guarded([&] { operation_.prepare(iteration); });
  }

  void verify(std::uint64_t iteration) {
    guarded([&] {
      if (mismatch_text_.empty()) {
        if (const auto wrong = operation_.verify(iteration)) mismatch_text_ = mismatch_words(*wrong);
      }
    });
  }

  /// Untimed iterations with a barrier start; tells how long one takes, work around it included.
  void warm_up() {
    double estimate_ns = 0.0, around_ns = 0.0, usual_around_ns = 0.0;
    const auto round = [&](std::uint64_t count) {
      double fastest_ns = 1e18;
      std::vector<double> arounds_ns;
      for (std::uint64_t i = 0; i < count; ++i, ++iteration_) {
        const std::int64_t t0 = world_.clock->now_ns();
        prepare(iteration_);
        const std::int64_t t1 = world_.clock->now_ns();
        world_.progress->enter_iteration(iteration_);
        world_.group->barrier();
        const std::int64_t t2 = world_.clock->now_ns();
        execute(iteration_);
        const std::int64_t t3 = world_.clock->now_ns();
        world_.progress->leave_iteration(iteration_);
        verify(iteration_);
        const std::int64_t t4 = world_.clock->now_ns();
        fastest_ns = std::min(fastest_ns, static_cast<double>(t3 - t2));
        arounds_ns.push_back(static_cast<double>(t1 - t0 + t4 - t3));
      }
      // The window has room for the slowest; how often to compare follows from the usual, which no outlier
      // moves.
      std::sort(arounds_ns.begin(), arounds_ns.end());
      std::array<double, 3> times{fastest_ns, arounds_ns.back(), quantile_of_sorted(arounds_ns, 0.5)};
      world_.group->allreduce(times, ReduceOp::max);
      estimate_ns = times[0];
      around_ns = times[1];
      usual_around_ns = times[2];
    };
    round(1);
    if (estimate_ns + around_ns < 50e6) round(estimate_ns < 1e6 ? 50 : 2);
    latency_ns_ = estimate_ns;
    // Comparing may not cost more than measuring: where one comparison takes as long as several iterations,
    // that many go by unverified. All ranks know the same times, so they choose alike.
    if (least_verify_every_ != 0) {
      const double iterations = std::ceil((usual_around_ns - free_around_ns) / std::max(1.0, estimate_ns));
      verify_every_ =
          std::max(least_verify_every_, static_cast<std::uint64_t>(std::clamp(iterations, 1.0, 1000.0)));
    }
    window_ns_ = 3.0 * estimate_ns + 5000.0;
    around_ns_ = 1.5 * around_ns;
  }

  std::int64_t wait_until(std::int64_t local_ns) const {
    std::int64_t now = world_.clock->now_ns();
    while (now < local_ns) {
      // Far off, sleeping leaves the core to ranks that share it; near, only looking again is exact.
      if (local_ns - now > sleep_beyond_ns) {
        world_.clock->sleep_ns(local_ns - now - wake_early_ns);
      } else if (world_.yield) {
        std::this_thread::yield();
      }
      now = world_.clock->now_ns();
    }
    return now;
  }

  BatchOrder order() {
    BatchOrder order;
    if (root_) {
      const double verified_share =
          verify_every_ == 0 ? 0.0 : std::min(1.0, 2.0 / static_cast<double>(verify_every_));
      const double fits = std::floor(batch_target_ns / (window_ns_ + verified_share * around_ns_));
      // A group that has them all still takes part while another one wants more: one by one.
      const std::uint64_t taken = result_.samples.values_us.size();
      const std::uint64_t left =
          std::max<std::uint64_t>(1, plan_.max_samples - std::min(plan_.max_samples, taken));
      order.iterations =
          std::clamp<std::uint64_t>(static_cast<std::uint64_t>(fits), 1, std::min(batch_limit_, left));
      order.window_ns = window_ns_;
      order.around_ns = around_ns_;
      order.start_common_ns = common_.to_common_ns(world_.clock->now_ns()) + lead_ns_;
    }
    world_.group->broadcast(std::as_writable_bytes(std::span<BatchOrder, 1>(&order, 1)), 0);
    return order;
  }

  void batch() {
    // Whether to synchronise again is the root's to say: every rank must make the same calls.
    std::array<double, 1> again{root_ && resynchronise_due_ ? 1.0 : 0.0};
    world_.group->allreduce(again, ReduceOp::max);
    if (again[0] > 0.0) synchronise();

    const std::int64_t begun_ns = world_.clock->now_ns();
    const BatchOrder now = order();
    const std::size_t n = now.iterations;
    // ends first, then starts: one reduction for both, 2 n values whatever the number of ranks.
    mine_.assign(2 * n, 0.0);
    if (root_) starts_us_.assign(n, 0.0);
    double start_common_ns = now.start_common_ns;
    bool was_verified = false;
    for (std::size_t i = 0; i < n; ++i, ++iteration_) {
      const bool verified = verify_every_ != 0 && iteration_ % verify_every_ == 0;
      if (i > 0) start_common_ns += now.window_ns;
      if (verified || was_verified) start_common_ns += now.around_ns;
      if (root_) starts_us_[i] = (start_common_ns - now.start_common_ns) / 1000.0;
      was_verified = verified;
      if (verified) {
        const std::int64_t begun = world_.clock->now_ns();
        prepare(iteration_);
        if (root_) spend_on_verification(begun);
      }
      world_.progress->enter_iteration(iteration_);
      const std::int64_t start = wait_until(common_.to_local_ns(start_common_ns));
      execute(iteration_);
      const std::int64_t end = world_.clock->now_ns();
      world_.progress->leave_iteration(iteration_);
      mine_[i] = (common_.to_common_ns(end) - start_common_ns) / 1000.0;
      mine_[n + i] = (common_.to_common_ns(start) - start_common_ns) / 1000.0;
      if (verified) {
        verify(iteration_);
        if (root_) {
          ++result_.samples.verified;
          spend_on_verification(end);
        }
      }
    }
    if (root_) {
      maximum_.assign(2 * n, 0.0);
      who_.assign(2 * n, 0);
    }
    world_.group->reduce_last(mine_, maximum_, who_, 0);
    if (!root_) return;
    account(n);
    // Where ranks wait for a core a batch takes far longer than it should: shorter ones end nearer to the
    // budget.
    const bool slow = static_cast<double>(world_.clock->now_ns() - begun_ns) > 4.0 * batch_target_ns;
    batch_limit_ =
        slow ? std::max<std::uint64_t>(8, batch_limit_ / 4) : std::min(max_batch, 2 * batch_limit_);
  }

  void spend_on_verification(std::int64_t begun_ns) {
    result_.samples.verification_us += static_cast<double>(world_.clock->now_ns() - begun_ns) / 1000.0;
  }

  void account(std::size_t n) {
    SampleSet& samples = result_.samples;
    std::vector<double> batch_us, service_us;
    const double tolerance_us = std::max(0.25, 0.05 * latency_ns_ / 1000.0);
    std::size_t late = 0, overtaken = 0;
    double previous_end_us = -1e300;
    for (std::size_t i = 0; i < n; ++i) {
      const double start_us = starts_us_[i];
      const bool overrun = previous_end_us > start_us;
      service_us.push_back(start_us + maximum_[i] - std::max(previous_end_us, start_us));
      previous_end_us = start_us + maximum_[i];
      if (overrun) {
        // The one before had not ended: these ranks did not start together, so this is no latency from a
        // common start. One long iteration is one long sample, as it is for a program that runs its
        // collectives one after the other.
        ++samples.overruns;
        continue;
      }
      if (i + 1 < n && previous_end_us > starts_us_[i + 1]) ++overtaken;
      if (maximum_[n + i] > tolerance_us) ++late;
      batch_us.push_back(maximum_[i]);
      ++samples.last_count[who_[i]];
    }
    samples.values_us.insert(samples.values_us.end(), batch_us.begin(), batch_us.end());
    samples.late_starts += late;

    // A window too short makes the next start late; one too long only costs time, and does not help against a
    // rank that lost its core for milliseconds. So it grows only up to a multiple of what the operation
    // itself takes.
    if (maximum_[n] > tolerance_us) lead_ns_ = std::min(max_lead_ns, 2.0 * lead_ns_);
    std::sort(batch_us.begin(), batch_us.end());
    std::sort(service_us.begin(), service_us.end());
    latency_ns_ = 1000.0 * quantile_of_sorted(service_us, 0.5);
    const double widest_ns = 20.0 * latency_ns_ + 20e3;
    const std::size_t kept = batch_us.size();
    if ((late + overtaken) * 20 > kept) {
      window_ns_ *= 1.5;
      around_ns_ = std::min(1.5 * around_ns_, max_around_ns);
    } else if ((late + overtaken) * 100 <= kept) {
      window_ns_ = std::max(0.9 * window_ns_, 1000.0 * quantile_of_sorted(batch_us, 0.99) + 2000.0);
    }
    window_ns_ = std::min(window_ns_, widest_ns);
  }

  /// Closes a batch: true to go on. Any rank's failure is every rank's.
  bool vote(bool wanted) {
    std::array<double, 3> ballot{wanted && root_ ? 1.0 : 0.0, local_error_.empty() ? 0.0 : 1.0,
                                 mismatch_text_.empty() ? 0.0 : 1.0};
    world_.everyone->allreduce(ballot, ReduceOp::max);
    if (ballot[1] > 0.0) result_.error = first_text(local_error_);
    // A rank that could not prepare its input makes the others' results wrong: the error is the cause.
    if (ballot[1] == 0.0 && ballot[2] > 0.0) result_.mismatch = first_text(mismatch_text_);
    return !failed() && ballot[0] > 0.0;
  }

  std::string first_text(const std::string& mine) {
    std::string text;
    const std::vector<std::string> all = gather_strings(*world_.everyone, mine, 0);
    for (std::size_t rank = 0; rank < all.size() && text.empty(); ++rank) {
      text = all[rank];
      result_.culprit = static_cast<int>(rank);
    }
    world_.everyone->broadcast(std::as_writable_bytes(std::span<int, 1>(&result_.culprit, 1)), 0);
    return broadcast_string(*world_.everyone, text, 0);
  }

  /// Each rank's own time after a barrier: what OSU's programs print, and the slowest rank's view of it.
  void barrier_starts() {
    // Their count is the root's to say, too: at most a quarter of the budget.
    std::uint64_t n = 0;
    if (root_) {
      const double fit = 0.25 * static_cast<double>(plan_.budget_ns) / std::max(1000.0, 2.0 * latency_ns_);
      n = std::min(plan_.barrier_samples, static_cast<std::uint64_t>(fit));
    }
    world_.group->broadcast(std::as_writable_bytes(std::span<std::uint64_t, 1>(&n, 1)), 0);
    if (n == 0) return;
    const std::int64_t begun_ns = world_.clock->now_ns();
    mine_.clear();
    double sum_us = 0.0;
    while (n > 0) {
      const std::uint64_t now = std::min(n, barrier_batch);
      for (std::uint64_t i = 0; i < now; ++i, ++iteration_) {
        world_.progress->enter_iteration(iteration_);
        world_.group->barrier();
        const std::int64_t start = world_.clock->now_ns();
        execute(iteration_);
        mine_.push_back(static_cast<double>(world_.clock->now_ns() - start) / 1000.0);
        world_.progress->leave_iteration(iteration_);
        sum_us += mine_.back();
      }
      // Ranks that wait for a core take far longer than the estimate said.
      if (root_) n = 2 * (world_.clock->now_ns() - begun_ns) > plan_.budget_ns ? 0 : n - now;
      world_.group->broadcast(std::as_writable_bytes(std::span<std::uint64_t, 1>(&n, 1)), 0);
    }
    const std::size_t taken = mine_.size();
    std::array<double, 1> mean{sum_us / static_cast<double>(taken)};
    world_.group->allreduce(mean, ReduceOp::sum);
    if (root_) {
      maximum_.assign(taken, 0.0);
      who_.assign(taken, 0);
    }
    world_.group->reduce_last(mine_, maximum_, who_, 0);
    if (!root_) return;
    result_.samples.osu_mean_us = mean[0] / world_.group->size();
    result_.samples.barrier_us = maximum_;
  }

  /// Untimed iterations, every one verified, in batches closed by a vote.
  void hunt_corruption() {
    if (least_verify_every_ == 0) return;
    const double each_ns = std::max(1000.0, latency_ns_ + around_ns_);
    std::uint64_t left = plan_.verify_repeat;
    // All groups vote together, so their batches are the same.
    std::array<double, 1> fits{
        std::clamp(std::floor(batch_target_ns / each_ns), 1.0, static_cast<double>(max_batch))};
    world_.everyone->allreduce(fits, ReduceOp::min);
    const auto batch = static_cast<std::uint64_t>(fits[0]);
    while (left > 0) {
      const std::uint64_t n = std::min(batch, left);
      for (std::uint64_t i = 0; i < n; ++i, ++iteration_) {
        prepare(iteration_);
        world_.progress->enter_iteration(iteration_);
        execute(iteration_);
        world_.progress->leave_iteration(iteration_);
        verify(iteration_);
      }
      if (root_) result_.samples.verified += n;
      left -= n;
      const bool goes_on = vote(left > 0);
      if (!failed()) world_.progress->verified.fetch_add(n, std::memory_order_relaxed);
      if (!goes_on) break;
    }
  }

  Operation& operation_;
  const SamplingPlan& plan_;
  const SamplingWorld& world_;
  const bool root_;
  const std::uint64_t least_verify_every_;
  std::uint64_t verify_every_{};  ///< 0: never
  SamplingResult result_;
  CommonClock common_;
  std::int64_t synchronised_ns_{};
  bool resynchronise_due_{};
  std::uint64_t iteration_;
  double latency_ns_{};
  double window_ns_{};
  double around_ns_{};
  double lead_ns_{100e3};
  std::uint64_t batch_limit_{first_batch};
  std::string local_error_, mismatch_text_;
  std::vector<double> mine_, maximum_, starts_us_;
  std::vector<int> who_;
};

class EmptyOperation final : public Operation {
 public:
  void execute(std::uint64_t) override {}
};

}  // namespace

SamplingResult run_sampler(Operation& operation, const SamplingPlan& plan, const SamplingWorld& world,
                           const EnoughSamples& enough) {
  return Run(operation, plan, world).go(enough);
}

double sampling_overhead_p50_ns(const Clock& clock) {
  EmptyOperation empty;
  SelfCommunicator self;
  SharedClock shared;
  Progress progress;
  SamplingPlan plan;
  plan.budget_ns = 20'000'000;
  plan.max_samples = 4096;
  SamplingWorld world;
  world.group = world.everyone = &self;
  world.clock = &clock;
  world.synchroniser = &shared;
  world.progress = &progress;
  const SamplingResult result =
      run_sampler(empty, plan, world, [](const SampleSet& s) { return s.values_us.size() >= 2048; });
  return 1000.0 * *describe(result.samples.values_us).median;
}

}  // namespace fabricheck
