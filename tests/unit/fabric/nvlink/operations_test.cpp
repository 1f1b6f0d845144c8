#include "fabric/nvlink/operations.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fabric/nvlink/catalog.hpp"
#include "support/clocks.hpp"
#include "support/cuda/timed_run.hpp"

namespace fabricheck::nvlink {
namespace {

using test::TimedRun;
using testing::HasSubstr;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
constexpr PairUse by_copy_engine{}, both_ways{.by_kernel = false, .both_ways = true},
    by_kernel{.by_kernel = true, .both_ways = false};

class GpuPairs : public testing::Test {
 protected:
  void SetUp() override { gpus_ = {test::slow_gpu("0000:1b:00.0"), test::slow_gpu("0000:5d:00.0")}; }
  using Make = std::function<std::unique_ptr<TimedOperation>(const std::shared_ptr<const cuda::Setup>&,
                                                             const TimedRequest&)>;

  TimedRun measure(const Make& make, std::uint64_t bytes, const Clock* clock = nullptr) {
    const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime(gpus_, faults_, account_);
    const std::vector<std::shared_ptr<const cuda::Setup>> setups{test::host_setup(runtime, first_),
                                                                 test::host_setup(runtime, second_)};
    TimedRun run =
        test::timed_run({.ranks = 2, .bytes = bytes, .clock = clock}, [&](const TimedRequest& request) {
          return make(setups[static_cast<std::size_t>(request.world_rank)], request);
        });
    EXPECT_TRUE(test::is_all_given_back(*account_));
    return run;
  }
  TimedRun copy(PairUse use, std::uint64_t bytes, const Clock* clock = nullptr) {
    return measure(
        [use](const auto& setup, const auto& request) { return make_pair_copy(setup, request, use); }, bytes,
        clock);
  }

  std::vector<test::HostGpu> gpus_;
  int first_{0}, second_{1};
  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::shared_ptr<test::HostAccount> account_ = std::make_shared<test::HostAccount>();
};

TEST_F(GpuPairs, RatesAreTheModels) {
  for (const PairUse use :
       {by_copy_engine, both_ways, by_kernel, PairUse{.by_kernel = true, .both_ways = true}}) {
    const TimedRun run = copy(use, 4 * MiB);
    ASSERT_FALSE(run.result.error) << *run.result.error;
    ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
    const double ways = use.both_ways ? 2.0 : 1.0;
    EXPECT_NEAR(run.rate(ways * 4.0 * static_cast<double>(MiB) / 1e3), ways * 3.9, ways * 0.195);
    EXPECT_EQ(run.text("gpu_from"), "0000:1b:00.0");
    EXPECT_EQ(run.text("gpu_to"), "0000:5d:00.0");
    EXPECT_EQ(run.text("access"), "peer");
    EXPECT_GE(run.result.samples.verified, 1U);
  }
}

TEST_F(GpuPairs, TheOtherOrderIsTheOtherWay) {
  std::swap(first_, second_);
  const TimedRun run = copy(by_copy_engine, MiB);
  EXPECT_EQ(run.text("gpu_from"), "0000:5d:00.0");
  EXPECT_EQ(run.text("gpu_to"), "0000:1b:00.0");
}

TEST_F(GpuPairs, LatencyIsOfOneRead) {
  const TimedRun run =
      measure([](const auto& setup, const auto& request) { return make_pair_latency(setup, request); }, 0);
  ASSERT_FALSE(run.result.error) << *run.result.error;
  ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
  EXPECT_NEAR(*describe(run.result.samples.values_us).median, 1.0, 0.05);  // twice a read at home
}

TEST_F(GpuPairs, AReadThatLedElsewhereIsFound) {
  faults_->flip_at = 1;  // what the first chase left
  const TimedRun run =
      measure([](const auto& setup, const auto& request) { return make_pair_latency(setup, request); }, 0);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration 0, element 4095: expected 69632"));
}

TEST_F(GpuPairs, AFlippedBitIsFoundAndNamed) {
  faults_->flip_at = 2;  // filled, cleared, copied
  const TimedRun run = copy(by_copy_engine, MiB);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration 0, element 131072: expected"));
  *faults_ = {};
  faults_->flip_at = 5;  // the copy back: both are filled and cleared before, and one copy goes forth
  EXPECT_TRUE(copy(both_ways, MiB).result.mismatch);
}

TEST_F(GpuPairs, RefusedMemoryMakesCopiesSmallerAndSaysSo) {
  faults_->refuse_above_bytes = MiB;
  const TimedRun run = copy(by_copy_engine, 4 * MiB);
  ASSERT_FALSE(run.result.error) << *run.result.error;
  EXPECT_NEAR(run.rate(4.0 * static_cast<double>(MiB) / 1e3), 3.9, 0.195);
  EXPECT_EQ(run.text("made_smaller"), "1 MiB of 4 MiB, for no more GPU memory was to be had; copied 4 times");
  faults_->refuse_above_bytes = 4096;
  const TimedRun none = copy(by_copy_engine, 4 * MiB);
  EXPECT_TRUE(none.unavailable);
  EXPECT_THAT(none.thrown.front(), HasSubstr("GPU 0 (0000:1b:00.0) has 64 MiB of memory free"));
  EXPECT_EQ(none.thrown.back(), "rank 0 of the group could not go on: " + none.thrown.front());
}

TEST_F(GpuPairs, TwoRanksOnOneGpuAreRefusedByBoth) {
  second_ = 0;
  const TimedRun run = copy(by_copy_engine, MiB);
  EXPECT_TRUE(run.unavailable);
  EXPECT_EQ(run.thrown.front(), "both ranks use one GPU (0000:1b:00.0): start one rank per GPU");
  EXPECT_EQ(run.thrown.back(), run.thrown.front());
}

TEST_F(GpuPairs, AGpuThatTheProcessDoesNotSeeIsSaid) {
  std::vector<std::shared_ptr<const cuda::Setup>> setups;
  for (const test::HostGpu& gpu : gpus_)
    setups.push_back(test::host_setup(test::make_host_runtime({gpu}, faults_, account_), 0));
  const TimedRun run = test::timed_run({.ranks = 2, .bytes = MiB}, [&](const TimedRequest& request) {
    return make_pair_copy(setups[static_cast<std::size_t>(request.world_rank)], request, by_copy_engine);
  });
  EXPECT_TRUE(run.unavailable);
  EXPECT_THAT(run.thrown.front(), HasSubstr("does not see the GPU at 0000:5d:00.0"));
  EXPECT_THAT(run.thrown.front(), HasSubstr("CUDA_VISIBLE_DEVICES"));
  EXPECT_EQ(run.thrown.back(), "rank 0 of the group could not go on: " + run.thrown.front());
}

TEST_F(GpuPairs, ARankWithoutAGpuIsTheReasonForBoth) {
  auto without = std::make_shared<cuda::Setup>();
  without->unavailable = "no CUDA device on n3 (driver not loaded)";
  const auto runtime = std::shared_ptr<cuda::Runtime>(test::make_host_runtime(gpus_, faults_, account_));
  const auto with = test::host_setup(runtime, 0);
  const TimedRun run = test::timed_run({.ranks = 2, .bytes = MiB}, [&](const TimedRequest& request) {
    return make_pair_copy(request.world_rank == 1 ? without : with, request, by_copy_engine);
  });
  EXPECT_EQ(run.thrown.back(), "no CUDA device on n3 (driver not loaded)");
  EXPECT_EQ(run.thrown.front(), "rank 1 of the group could not go on: " + run.thrown.back());
}

TEST_F(GpuPairs, WithoutPeerAccessCopiesGoThroughTheHostAndKernelsNot) {
  for (test::HostGpu& gpu : gpus_) gpu.peers_reach = false;
  EXPECT_EQ(copy(by_copy_engine, MiB).text("access"), "through the host");
  const TimedRun kernel = copy(by_kernel, MiB);
  EXPECT_TRUE(kernel.unavailable);
  EXPECT_THAT(kernel.thrown.front(),
              HasSubstr("GPU 0 (0000:1b:00.0) cannot reach the memory of GPU 1 (0000:5d:00.0)"));
}

TEST_F(GpuPairs, AStuckCopyEndsAtTheDeadlineAndNamesTheGpu) {
  faults_->stuck_at = 2;
  // One clock for both ranks would be no clock: only the one that works looks at it while it waits.
  const SteadyClock real;
  const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime(gpus_, faults_, account_);
  std::vector<std::shared_ptr<cuda::Setup>> setups{test::host_setup(runtime, 0),
                                                   test::host_setup(runtime, 1)};
  for (const auto& setup : setups) setup->deadline_ns = 50'000'000;
  const TimedRun run =
      test::timed_run({.ranks = 2, .bytes = MiB, .clock = &real}, [&](const TimedRequest& request) {
        return make_pair_copy(setups[static_cast<std::size_t>(request.world_rank)], request, by_copy_engine);
      });
  ASSERT_TRUE(run.result.error);
  EXPECT_THAT(*run.result.error,
              HasSubstr("rank 0 on n3: a copy between two GPUs on GPU 0 (0000:1b:00.0) did "
                        "not end within 50 ms"));
  EXPECT_TRUE(test::is_all_given_back(*account_));
}

TEST(PairCatalog, HasFiveChecks) {
  const std::vector<CheckRow> rows = catalog();
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows[0].id, "nvlink.pair.bandwidth");
  EXPECT_EQ(rows[1].id, "nvlink.pair.bidirectional");
  EXPECT_EQ(rows[2].id, "nvlink.pair.kernel");
  EXPECT_EQ(rows[3].id, "nvlink.pair.kernel_bidirectional");
  EXPECT_EQ(rows[4].id, "nvlink.pair.latency");
  for (const CheckRow& row : rows) {
    EXPECT_EQ(row.scopes, std::vector<Scope>{Scope::gpu_pair});
    EXPECT_EQ(row.both_orders, !is_both_ways(row.id));
    EXPECT_FALSE(row.description.empty());
  }
  EXPECT_DOUBLE_EQ(rows[0].rate_times_us(1000), 1.0);
  for (const std::size_t both : {1, 3}) {
    EXPECT_TRUE(is_both_ways(rows[both].id));
    EXPECT_DOUBLE_EQ(rows[both].rate_times_us(1000), 2.0);
  }
}

}  // namespace
}  // namespace fabricheck::nvlink
