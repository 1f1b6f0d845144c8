#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "node/gpu/operations.hpp"
#include "support/clocks.hpp"
#include "support/cuda/timed_run.hpp"

namespace fabricheck::node::gpu {
namespace {

using test::TimedRun;
using testing::HasSubstr;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;

class MemoryRates : public testing::Test {
 protected:
  /// The account is looked at after the operation is gone.
  TimedRun measure(MemoryUse use, std::uint64_t bytes, const Clock* clock = nullptr) {
    test::HostGpu gpu = test::slow_gpu();
    gpu.facts.memory_bytes = memory_bytes_;
    const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime({gpu}, faults_, account_);
    const auto setup = test::host_setup(runtime, 0);
    setup->memory_limit_bytes = limit_bytes_;
    TimedRun run = test::timed_run({.bytes = bytes, .clock = clock}, [&](const TimedRequest& request) {
      return make_memory_rate(setup, request, use);
    });
    EXPECT_TRUE(test::is_all_given_back(*account_));
    return run;
  }
  double rate(const TimedRun& run, MemoryUse use, std::uint64_t bytes) {
    return run.rate(moved(use) * static_cast<double>(bytes) / 1e3);
  }

  std::uint64_t memory_bytes_{64 * MiB}, limit_bytes_{};
  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::shared_ptr<test::HostAccount> account_ = std::make_shared<test::HostAccount>();
};

TEST_F(MemoryRates, AreTheModels) {
  for (const MemoryUse use :
       {MemoryUse::copy, MemoryUse::read, MemoryUse::write, MemoryUse::triad, MemoryUse::copy_engine}) {
    const TimedRun run = measure(use, 4 * MiB);
    ASSERT_FALSE(run.result.error) << *run.result.error;
    ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
    EXPECT_NEAR(rate(run, use, 4 * MiB), 30.0, 1.5);
    EXPECT_GE(run.result.samples.verified, 1U);
    EXPECT_EQ(run.text("gpu"), "0000:5d:00.0");
    EXPECT_EQ(run.text("made_smaller"), "");
  }
}

TEST_F(MemoryRates, AFlippedBitIsFoundAndNamed) {
  faults_->flip_at = 1;  // the first pass, after the source was filled
  const TimedRun run = measure(MemoryUse::copy, 4 * MiB);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration 0, element 524288: expected"));
}

TEST_F(MemoryRates, AFlippedBitOfATriadIsShownAsANumber) {
  faults_->flip_at = 2;
  const TimedRun run = measure(MemoryUse::triad, 4 * MiB);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("element 524288"));
}

TEST_F(MemoryRates, MemoryThatWasReadIsCompared) {
  faults_->flip_at = 0;  // filling it
  EXPECT_TRUE(measure(MemoryUse::read, 4 * MiB).result.mismatch);
}

TEST_F(MemoryRates, RefusedMemoryMakesArraysSmallerAndSaysSo) {
  faults_->refuse_above_bytes = 4 * MiB;
  const TimedRun run = measure(MemoryUse::triad, 16 * MiB);
  ASSERT_FALSE(run.result.error) << *run.result.error;
  EXPECT_NEAR(rate(run, MemoryUse::triad, 16 * MiB), 30.0, 1.5);
  EXPECT_EQ(run.number("array_bytes"), static_cast<double>(4 * MiB));
  EXPECT_EQ(run.text("made_smaller"),
            "4 MiB of 16 MiB, for no more GPU memory was to be had; passed over 4 times");
}

TEST_F(MemoryRates, TheLimitOfTheUserHoldsForAllArraysTogether) {
  limit_bytes_ = 16 * MiB;
  const TimedRun run = measure(MemoryUse::triad, 16 * MiB);
  EXPECT_EQ(run.number("array_bytes"), static_cast<double>(4 * MiB));
  EXPECT_LE(account_->most_allocated_bytes, 16 * MiB + 4096);
}

TEST_F(MemoryRates, WithLessThanFourTimesTheCacheNothingIsMeasured) {
  faults_->refuse_above_bytes = 2 * MiB;
  const TimedRun run = measure(MemoryUse::copy, 16 * MiB);
  EXPECT_TRUE(run.unavailable);
  EXPECT_THAT(run.thrown.front(), HasSubstr("needs 2 x 4 MiB of memory on GPU 0 (0000:5d:00.0)"));
  EXPECT_TRUE(measure(MemoryUse::copy, MiB).unavailable);
}

TEST_F(MemoryRates, AStuckGpuEndsAtTheDeadlineAndIsNamed) {
  faults_->stuck_at = 1;
  const test::TickingClock clock;
  const std::int64_t begun_ns = clock.now_ns();
  const TimedRun run = measure(MemoryUse::copy, 4 * MiB, &clock);
  ASSERT_TRUE(run.result.error);
  EXPECT_THAT(*run.result.error, HasSubstr("rank 0 on n3: a pass over GPU memory on GPU 0 (0000:5d:00.0) did "
                                           "not end within 10.0 s"));
  EXPECT_LT(clock.now_ns() - begun_ns, 11'000'000'000);
}

TEST_F(MemoryRates, AFailingGpuIsNamed) {
  faults_->fail_at = 1;
  const TimedRun run = measure(MemoryUse::copy, 4 * MiB);
  ASSERT_TRUE(run.result.error);
  EXPECT_THAT(*run.result.error, HasSubstr("GPU 0 (0000:5d:00.0): an illegal memory access"));
}

TEST_F(MemoryRates, WithoutAGpuTheReasonIsTheSetups) {
  auto setup = std::make_shared<cuda::Setup>();
  setup->unavailable = "no CUDA device on n3 (driver not loaded)";
  const TimedRun run = test::timed_run({.bytes = 4 * MiB}, [&](const TimedRequest& request) {
    return make_memory_rate(setup, request, MemoryUse::copy);
  });
  EXPECT_TRUE(run.unavailable);
  EXPECT_EQ(run.thrown.front(), "no CUDA device on n3 (driver not loaded)");
}

}  // namespace
}  // namespace fabricheck::node::gpu
