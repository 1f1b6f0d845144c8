#include "core/timed_sampler.hpp"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <stdexcept>
#include <vector>

#include "core/error.hpp"
#include "core/progress.hpp"
#include "core/thread_communicator.hpp"
#include "support/clocks.hpp"
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

/// Fails as `fail` says on each rank.
class FailsAs final : public TimedOperation {
 public:
  explicit FailsAs(std::function<void()> fail) : fail_(std::move(fail)) {}
  void run(std::uint64_t, std::span<double>) override { fail_(); }
  Verified verify(std::uint64_t, std::size_t) override { return {}; }

 private:
  std::function<void()> fail_;
};

std::string error_of(const std::function<void(int rank)>& fail) {
  std::string said;
  run_ranks(ranks, [&](Communicator& world) {
    const SteadyClock clock;
    Progress progress;
    FailsAs operation([&] { fail(world.rank()); });
    SamplingPlan plan;
    plan.budget_ns = 1'000'000'000;
    const auto result = run_timed_sampler(operation, plan, test::sampling_world(world, clock, progress, "n1"),
                                          test::at_least(1));
    if (world.rank() == 0) said = result.error.value_or("none");
  });
  return said;
}

TEST(TimedSampler, TheBestWordsOfAllRanksAreTold) {
  EXPECT_EQ(error_of([](int rank) {
              if (rank == 2) throw Error("its link went down");
              if (rank == 1) throw Echo("the other one failed");
              throw Waited("did not end");
            }),
            "rank 2 on n1: its link went down");
  EXPECT_EQ(error_of([](int rank) {
              if (rank == 1) throw Echo("NCCL reports: remote error");
              throw Waited("did not end");
            }),
            "rank 1 on n1: NCCL reports: remote error");
  EXPECT_EQ(error_of([](int) { throw Waited("did not end"); }),
            "rank 0 on n1: did not end; no rank knows more, so this one is not accused");
}

/// Compares within run().
class ComparesMeanwhile final : public TimedOperation {
 public:
  void run(std::uint64_t, std::span<double> times_us) override {
    ++runs;
    for (double& time_us : times_us) time_us = 1.0;
  }
  Verified verify(std::uint64_t, std::size_t) override { return {1, std::nullopt}; }
  double comparing_us() const override { return 5.0; }
  void compare_ranks() override { runs = 0; }

  int runs{};
};

TEST(TimedSampler, ComparingWithinARunIsVerification) {
  const test::TickingClock clock(0);  // all time is what the operation tells
  Progress progress;
  SelfCommunicator self;
  ComparesMeanwhile operation;
  SamplingPlan plan;
  plan.budget_ns = 1'000'000'000;
  const auto result = run_timed_sampler(operation, plan, test::sampling_world(self, clock, progress, "n1"),
                                        test::at_least(10'000));
  ASSERT_GT(operation.runs, 1);
  EXPECT_DOUBLE_EQ(result.samples.verification_us, 5.0 * operation.runs) << "the warm-up's does not count";
}

/// Where its rank is for the watchdog whenever it begins to wait for the others.
class Watched final : public Communicator {
 public:
  explicit Watched(const Progress& progress) : progress_(progress) {}
  int rank() const override { return self_.rank(); }
  int size() const override { return self_.size(); }
  void barrier() override {}
  void idle_barrier() override { steps.push_back(progress_.step.load()); }
  void broadcast(std::span<std::byte>, int) override {}
  void allreduce(std::span<double>, ReduceOp) override {}
  void reduce_last(std::span<const double> mine, std::span<double> maximum, std::span<int> who,
                   int root) override {
    self_.reduce_last(mine, maximum, who, root);
  }
  std::vector<Bytes> gather(std::span<const std::byte> mine, int root) override {
    return self_.gather(mine, root);
  }
  void send(std::span<const std::byte>, int) override {}
  void receive(std::span<std::byte>, int) override {}
  std::unique_ptr<Communicator> split(int color, int key) override { return self_.split(color, key); }

  std::vector<std::uint64_t> steps;

 private:
  SelfCommunicator self_;
  const Progress& progress_;
};

TEST(TimedSampler, WhoWaitsForTheOthersHasLeftItsPart) {
  const test::TickingClock clock;
  Progress progress;
  Watched group(progress);
  ComparesMeanwhile operation;
  SamplingPlan plan;
  plan.budget_ns = 1'000'000'000;
  run_timed_sampler(operation, plan, test::sampling_world(group, clock, progress, "n1"), test::at_least(100));
  ASSERT_FALSE(group.steps.empty());
  for (const std::uint64_t step : group.steps)
    EXPECT_TRUE(step > 0 && step % 2 == 0) << "step " << step << " is inside an iteration: it looks stuck";
}

}  // namespace
}  // namespace fabricheck
