#include "core/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "core/thread_communicator.hpp"
#include "support/clocks.hpp"

namespace fabricheck {
namespace {

using test::TickingClock;
using ::testing::HasSubstr;

/// Takes `usual_ns`, and `rare_ns` in one iteration of `every`.
class TakesTime final : public Operation {
 public:
  TakesTime(TickingClock& clock, std::int64_t usual_ns, std::int64_t rare_ns = 0, std::uint64_t every = 0)
      : clock_(clock), usual_ns_(usual_ns), rare_ns_(rare_ns), every_(every) {}
  void execute(std::uint64_t iteration) override {
    clock_.advance(every_ != 0 && iteration % every_ == 0 ? rare_ns_ : usual_ns_);
  }

 private:
  TickingClock& clock_;
  std::int64_t usual_ns_, rare_ns_;
  std::uint64_t every_;
};

struct Alone {
  TickingClock clock;
  SelfCommunicator self;
  SharedClock shared;
  Progress progress;
  SamplingWorld world() {
    SamplingWorld world;
    world.group = world.everyone = &self;
    world.clock = &clock;
    world.synchroniser = &shared;
    world.progress = &progress;
    return world;
  }
};

SamplingPlan plan_of(std::uint64_t wanted) {
  SamplingPlan plan;
  plan.budget_ns = 10'000'000'000;
  plan.wanted_samples = wanted;
  return plan;
}

EnoughSamples until(std::uint64_t n) {
  return [n](const SampleSet& samples) { return samples.values_us.size() >= n; };
}

TEST(Sampler, MeasuresFromTheCommonStartToTheEnd) {
  Alone alone;
  TakesTime operation(alone.clock, 3000);
  const auto result = run_sampler(operation, plan_of(1000), alone.world(), until(1000));
  EXPECT_GE(result.samples.values_us.size(), 1000u);
  EXPECT_NEAR(*describe(result.samples.values_us).median, 3.0, 0.1);
  EXPECT_EQ(result.samples.late_starts, 0u);
  EXPECT_EQ(result.samples.overruns, 0u);
}

TEST(Sampler, OneLongIterationIsOneLongSample) {
  Alone alone;
  TakesTime operation(alone.clock, 3000, 500'000, 300);
  const auto result = run_sampler(operation, plan_of(3000), alone.world(), until(3000));
  const auto long_ones = std::count_if(result.samples.values_us.begin(), result.samples.values_us.end(),
                                       [](double us) { return us > 100.0; });
  EXPECT_GE(long_ones, 9);
  EXPECT_LE(long_ones, 20) << "iterations that could not start in time must not count as slow";
  EXPECT_GT(result.samples.overruns, 0u) << "and they are said to be there";
}

TEST(Sampler, StopsAtItsBudgetWithWhatItHas) {
  Alone alone;
  TakesTime operation(alone.clock, 20'000'000);
  SamplingPlan plan = plan_of(1'000'000);
  plan.budget_ns = 1'000'000'000;
  const auto result = run_sampler(operation, plan, alone.world(), until(1'000'000));
  EXPECT_GE(result.samples.values_us.size(), 3u);
  EXPECT_LE(result.samples.values_us.size(), 60u);
}

TEST(Sampler, AtLeastMinSamplesEvenWithoutBudget) {
  Alone alone;
  TakesTime operation(alone.clock, 1000);
  SamplingPlan plan = plan_of(1000);
  plan.budget_ns = 0;
  EXPECT_GE(run_sampler(operation, plan, alone.world(), until(1000)).samples.values_us.size(),
            plan.min_samples);
}

TEST(Sampler, OverheadOfAnEmptyOperationIsSmallOnTheRealClock) {
  // A generous bound: the figure itself is printed in every run and belongs to benchmarks.
  EXPECT_LT(sampling_overhead_p50_ns(SteadyClock{}), 100'000.0);
}

/// 3 us to execute, `verify_ns` to compare; wrong in one iteration.
class Verified final : public Operation {
 public:
  Verified(TickingClock& clock, std::int64_t verify_ns, std::uint64_t wrong_at = ~0ULL)
      : clock_(clock), verify_ns_(verify_ns), wrong_at_(wrong_at) {}
  void execute(std::uint64_t) override { clock_.advance(3000); }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    clock_.advance(verify_ns_);
    if (iteration == wrong_at_) return Mismatch{0, "h0", iteration, 5, 1.0, 2.0};
    return std::nullopt;
  }
  bool verifies() const override { return true; }

 private:
  TickingClock& clock_;
  std::int64_t verify_ns_;
  std::uint64_t wrong_at_;
};

TEST(Sampler, VerificationCostsLessThanMeasuring) {
  for (const std::int64_t verify_ns : {100, 3000, 30'000, 300'000}) {
    Alone alone;
    Verified operation(alone.clock, verify_ns);
    const auto result = run_sampler(operation, plan_of(5000), alone.world(), until(5000));
    EXPECT_GT(result.samples.verified, 0u);
    EXPECT_GT(result.samples.verification_us, 0.0);
    EXPECT_LT(result.samples.verification_us, result.samples.measuring_us) << verify_ns;
  }
}

TEST(Sampler, HuntsForRareCorruptionBesideTheMeasurement) {
  Alone alone;
  Verified operation(alone.clock, 100, 9000);
  SamplingPlan plan = plan_of(200);
  plan.max_samples = 200;
  EXPECT_FALSE(run_sampler(operation, plan, alone.world(), until(200)).mismatch);
  plan.verify_repeat = 20'000;
  const auto result = run_sampler(operation, plan, alone.world(), until(200));
  ASSERT_TRUE(result.mismatch);
  EXPECT_THAT(*result.mismatch, HasSubstr("iteration 9000"));
  const std::uint64_t right = alone.progress.verified.load();
  EXPECT_GT(right, 0u) << "what was right before is known to the watchdog";
  EXPECT_LT(right, 9000u);
  alone.progress.enter_phase();
  EXPECT_EQ(alone.progress.verified.load(), 0u);
}

TEST(Sampler, ARepeatGoesOnWithOtherInputs) {
  Alone alone;
  TakesTime operation(alone.clock, 3000);
  SamplingPlan plan = plan_of(200);
  const auto first = run_sampler(operation, plan, alone.world(), until(200));
  plan.first_iteration = first.next_iteration;
  const auto second = run_sampler(operation, plan, alone.world(), until(200));
  EXPECT_GE(first.next_iteration, 200u);
  EXPECT_GE(second.next_iteration, first.next_iteration + 200);
}

/// An operation over threads: a barrier, with this rank's own misbehaviour.
class Together : public Operation {
 public:
  explicit Together(Communicator& communicator) : communicator_(communicator) {}
  void execute(std::uint64_t) override {
    communicator_.barrier();
    std::this_thread::sleep_for(delay);
  }
  void prepare(std::uint64_t iteration) override {
    if (iteration == throw_in_prepare) throw std::runtime_error("no RoCE v2 GID on mlx5_3");
  }
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    if (iteration == throw_in_verify) throw std::runtime_error("cannot read the result");
    if (iteration == wrong_at) return Mismatch{2, "h7", iteration, 5, 1.0, 2.0};
    return std::nullopt;
  }
  bool verifies() const override { return true; }

  std::uint64_t throw_in_prepare{~0ULL}, throw_in_verify{~0ULL}, wrong_at{~0ULL};
  std::chrono::microseconds delay{0};

 private:
  Communicator& communicator_;
};

struct RankResult {
  SamplingResult result;
  int rank{};
};

std::vector<SamplingResult> sample_together(int ranks, const std::function<void(Together&, int)>& misbehave,
                                            std::uint64_t wanted = 200) {
  std::vector<SamplingResult> results(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& world) {
    SteadyClock clock;
    SharedClock shared;
    Progress progress;
    SamplingWorld sampling;
    sampling.group = sampling.everyone = &world;
    sampling.clock = &clock;
    sampling.synchroniser = &shared;
    sampling.progress = &progress;
    sampling.world_rank = world.rank();
    sampling.host = "h" + std::to_string(world.rank());
    sampling.yield = true;
    Together operation(world);
    misbehave(operation, world.rank());
    SamplingPlan plan = plan_of(wanted);
    plan.budget_ns = 60'000'000'000;  // generous: `wanted` ends it, on a busy machine later
    results[static_cast<std::size_t>(world.rank())] = run_sampler(operation, plan, sampling, until(wanted));
  });
  return results;
}

TEST(SamplerTogether, HealthyRanksGiveSamplesAtTheRootAlone) {
  // Few: three ranks wait for each other by turns, also where two cores are busy and a sanitizer slows each.
  const auto results = sample_together(
      3, [](Together&, int) {}, 40);
  EXPECT_GE(results[0].samples.values_us.size(), 40u);
  EXPECT_TRUE(results[1].samples.values_us.empty());
  EXPECT_GE(results[0].samples.verified, 40u);
  EXPECT_FALSE(results[0].error);
}

TEST(SamplerTogether, NamesTheRankThatEndsLast) {
  const auto results = sample_together(
      3,
      [](Together& operation, int rank) {
        if (rank == 2) operation.delay = std::chrono::milliseconds(10);
      },
      20);
  std::uint64_t all = 0;
  for (const auto& [rank, count] : results[0].samples.last_count) all += count;
  EXPECT_EQ(all, results[0].samples.values_us.size());
  EXPECT_GT(results[0].samples.last_count.at(2) * 2, all);
}

TEST(SamplerTogether, AGroupThatHasAllItsSamplesStaysInStepWithASlowerOne) {
  std::array<SamplingResult, 2> results;
  run_ranks(2, [&](Communicator& world) {
    const auto group = world.split(world.rank(), 0);
    // Time that each group's operation makes itself: one is full after its first batch, the other takes ten.
    TickingClock clock;
    SharedClock shared;
    Progress progress;
    SamplingWorld sampling;
    sampling.group = group.get();
    sampling.everyone = &world;
    sampling.clock = &clock;
    sampling.synchroniser = &shared;
    sampling.progress = &progress;
    sampling.world_rank = world.rank();
    sampling.host = "h";
    sampling.yield = true;
    TakesTime operation(clock, world.rank() == 0 ? 1000 : 3'000'000);
    SamplingPlan plan = plan_of(20);
    plan.max_samples = 20;
    results[static_cast<std::size_t>(world.rank())] =
        run_sampler(operation, plan, sampling, [](const SampleSet&) { return false; });
  });
  for (const SamplingResult& result : results) {
    EXPECT_FALSE(result.error);
    EXPECT_GE(result.samples.values_us.size(), 20u);
    EXPECT_LT(result.samples.values_us.size(), 60u) << "one at a time while it waits for the other";
  }
}

TEST(SamplerTogether, AThrowInPrepareIsEveryRanksAndNobodyHangs) {
  const auto results = sample_together(4, [](Together& operation, int rank) {
    if (rank == 2) operation.throw_in_prepare = 70;
  });
  for (const SamplingResult& result : results) {
    ASSERT_TRUE(result.error);
    EXPECT_EQ(*result.error, "rank 2 on h2: no RoCE v2 GID on mlx5_3");
  }
}

TEST(SamplerTogether, AThrowDuringWarmUpToo) {
  const auto results = sample_together(2, [](Together& operation, int rank) {
    if (rank == 1) operation.throw_in_verify = 0;
  });
  for (const SamplingResult& result : results)
    EXPECT_EQ(result.error.value_or(""), "rank 1 on h1: cannot read the result");
}

TEST(SamplerTogether, AWrongElementIsEveryRanksWithRankIndexExpectedGot) {
  const auto results = sample_together(3, [](Together& operation, int rank) {
    if (rank == 1) operation.wrong_at = 60;
  });
  for (const SamplingResult& result : results)
    EXPECT_EQ(result.mismatch.value_or(""), "rank 2 on h7: iteration 60, element 5: expected 1, got 2");
}

TEST(SamplerTogether, AnErrorIsTheCauseOfTheWrongResultsItMakes) {
  for (const SamplingResult& result : sample_together(3, [](Together&operation, int rank) {
         if (rank == 2) operation.throw_in_prepare = 60;
         if (rank != 2) operation.wrong_at = 60;
       })) {
    EXPECT_TRUE(result.error);
    EXPECT_FALSE(result.mismatch) << "no rank may be accused of what another one's error did";
  }
}

TEST(SamplerTogether, AThrowInsideTheTimedPartIsThrownOn) {
  class Dying final : public Operation {
   public:
    explicit Dying(bool die) : die_(die) {}
    void execute(std::uint64_t iteration) override {
      if (die_ && iteration == 20) throw std::runtime_error("connection reset");
    }

   private:
    bool die_;
  };
  try {
    run_ranks(2, [](Communicator& world) {
      SteadyClock clock;
      SharedClock shared;
      Progress progress;
      SamplingWorld sampling;
      sampling.group = sampling.everyone = &world;
      sampling.clock = &clock;
      sampling.synchroniser = &shared;
      sampling.progress = &progress;
      sampling.world_rank = world.rank();
      sampling.host = "h";
      sampling.yield = true;
      Dying operation(world.rank() == 1);
      SamplingPlan plan = plan_of(500);
      run_sampler(operation, plan, sampling, until(500));
    });
    FAIL() << "the exception was swallowed";
  } catch (const OutOfStep& error) {
    EXPECT_THAT(error.what(), HasSubstr("rank 1 on h failed inside iteration 20: connection reset"));
  }
}

}  // namespace
}  // namespace fabricheck
