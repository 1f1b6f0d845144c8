#include "core/timed_sampler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <stdexcept>

#include "core/progress.hpp"
#include "core/thread_communicator.hpp"
#include "support/sampling.hpp"

namespace fabricheck {
namespace {

constexpr int ranks = 3;

/// Each iteration takes 1 us; compare_ranks() waits for all, as it may.
class Compared final : public TimedOperation {
 public:
  Compared(Communicator& group, bool fails) : group_(group), fails_(fails) {}
  void run(std::uint64_t, std::span<double> times_us) override {
    if (fails_) throw std::runtime_error("planted fault");
    ++runs_;
    for (double& time_us : times_us) time_us = 1.0;
  }
  Verified verify(std::uint64_t, std::size_t) override { return {}; }
  void compare_ranks() override {
    group_.barrier();
    ++compared;
    runs_before = runs_;
  }

  int compared{}, runs_before{};

 private:
  Communicator& group_;
  bool fails_;
  int runs_{};
};

struct Seen {
  int compared{}, runs_before{};
  SamplingResult result;
};

std::array<Seen, ranks> sample(int failing_rank) {
  std::array<Seen, ranks> seen;
  run_ranks(ranks, [&](Communicator& world) {
    const SteadyClock clock;
    Progress progress;
    Compared operation(world, world.rank() == failing_rank);
    SamplingPlan plan;
    plan.budget_ns = 20'000'000'000;
    Seen& mine = seen[static_cast<std::size_t>(world.rank())];
    mine.result = run_timed_sampler(operation, plan, test::sampling_world(world, clock, progress, "n1"),
                                    test::at_least(10'000));
    mine.compared = operation.compared;
    mine.runs_before = operation.runs_before;
  });
  return seen;
}

TEST(TimedSampler, RanksCompareOnceWhenAllHaveRun) {
  const std::array<Seen, ranks> seen = sample(-1);
  for (const Seen& one : seen) {
    EXPECT_EQ(one.compared, 1);
    EXPECT_GE(one.runs_before, 1) << "what a library did is known after the first call";
    EXPECT_FALSE(one.result.error);
  }
  EXPECT_GE(seen[0].result.samples.values_us.size(), 10'000u);
}

TEST(TimedSampler, RanksDoNotCompareWhereOneHasFailed) {
  for (const Seen& one : sample(1)) {
    EXPECT_EQ(one.compared, 0);
    EXPECT_TRUE(one.result.error) << "and nobody waits for the one that failed";
  }
}

}  // namespace
}  // namespace fabricheck
