#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "node/gpu/cpu_place.hpp"
#include "node/gpu/operations.hpp"
#include "support/clocks.hpp"
#include "support/cuda/timed_run.hpp"

namespace fabricheck::node::gpu {
namespace {

using test::TimedRun;
using testing::HasSubstr;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;

class HostCopies : public testing::Test {
 protected:
  TimedRun measure(HostDirection direction, std::uint64_t bytes, bool latency = false,
                   HostMemory memory = HostMemory::near, const Clock* clock = nullptr) {
    const std::shared_ptr<cuda::Runtime> runtime =
        test::make_host_runtime({test::slow_gpu()}, faults_, account_);
    const auto setup = test::host_setup(runtime, 0);
    TimedRun run =
        test::timed_run({.bytes = bytes, .clock = clock, .memory_limit_bytes = host_limit_bytes_},
                        [&](const TimedRequest& request) {
                          return latency ? make_host_latency(setup, settings_, request, direction, memory)
                                         : make_host_copy(setup, settings_, request, direction, memory);
                        });
    EXPECT_TRUE(test::is_all_given_back(*account_));
    return run;
  }

  std::uint64_t host_limit_bytes_{};
  std::shared_ptr<Settings> settings_ = std::make_shared<Settings>();
  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::shared_ptr<test::HostAccount> account_ = std::make_shared<test::HostAccount>();
};

TEST_F(HostCopies, RatesAreTheModels) {
  for (const HostDirection direction :
       {HostDirection::to_gpu, HostDirection::from_gpu, HostDirection::both}) {
    const TimedRun run = measure(direction, 2 * MiB);
    ASSERT_FALSE(run.result.error) << *run.result.error;
    ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
    const double ways = direction == HostDirection::both ? 2.0 : 1.0;
    EXPECT_NEAR(run.rate(ways * 2.0 * static_cast<double>(MiB) / 1e3), ways * 0.52, ways * 0.026);
    EXPECT_EQ(run.text("host_memory"), "where this rank runs");
  }
}

TEST_F(HostCopies, WhereNearIsNotKnownNothingIsJudged) {
  EXPECT_EQ(measure(HostDirection::to_gpu, 2 * MiB).text("unjudged_because"), "") << "one NUMA node is near";
  settings_->numa.is_uniform = false;
  EXPECT_THAT(measure(HostDirection::to_gpu, 2 * MiB).text("unjudged_because"),
              HasSubstr("near the GPU is not known"));
  Host host;
  host.numa_nodes.resize(2);
  host.numa_nodes[0].cpus = "0-3";
  EXPECT_TRUE(numa_places(host, "").is_uniform);
  host.numa_nodes[1].cpus = "4-7";
  EXPECT_FALSE(numa_places(host, "").is_uniform);
}

TEST_F(HostCopies, LatencyIsOfOneCopyOfMany) {
  for (const HostDirection direction : {HostDirection::to_gpu, HostDirection::from_gpu}) {
    const TimedRun run = measure(direction, 8, true);
    ASSERT_FALSE(run.result.error) << *run.result.error;
    ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
    EXPECT_NEAR(*describe(run.result.samples.values_us).median, 2.0, 0.1);
    EXPECT_EQ(run.number("copies_per_sample"), 32.0);
  }
}

TEST_F(HostCopies, AFlippedBitIsFoundInEitherDirection) {
  faults_->flip_at = 3;  // filled, copied to the host, cleared: the copy back
  EXPECT_TRUE(measure(HostDirection::to_gpu, MiB).result.mismatch);
  *faults_ = {};
  faults_->flip_at = 1;
  const TimedRun run = measure(HostDirection::from_gpu, MiB);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration 0, element 131072"));
}

TEST_F(HostCopies, ShareOfTheHostsMemoryIsKept) {
  host_limit_bytes_ = MiB;
  const TimedRun run = measure(HostDirection::both, 2 * MiB);
  ASSERT_FALSE(run.result.error) << *run.result.error;
  EXPECT_THAT(run.text("made_smaller"), HasSubstr("512 KiB of 2 MiB"));
}

TEST_F(HostCopies, FarMemoryNeedsASecondNumaNode) {
  const TimedRun run = measure(HostDirection::to_gpu, MiB, false, HostMemory::far);
  EXPECT_TRUE(run.unavailable);
  EXPECT_THAT(run.thrown.front(), HasSubstr("no NUMA node with CPUs that is far from the GPU"));
}

TEST_F(HostCopies, FarMemoryIsTakenFromThereAndTheThreadComesBack) {
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  unsigned first = 0;
  while (!CPU_ISSET(first, &before)) ++first;
  settings_->numa = {0, "", 1, std::to_string(first)};
  EXPECT_EQ(measure(HostDirection::to_gpu, MiB, false, HostMemory::far).text("host_memory"),
            "NUMA node 1 (far)");
  {
    const OnCpus moved(std::to_string(first));
    EXPECT_TRUE(moved.is_there());
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    EXPECT_EQ(CPU_COUNT(&after), 1);
  }
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
}

TEST_F(HostCopies, CpusThatMayNotBeUsedAreSaid) {
  settings_->numa = {0, "", 1, "1022-1023"};
  const TimedRun run = measure(HostDirection::to_gpu, MiB, false, HostMemory::far);
  EXPECT_TRUE(run.unavailable);
  EXPECT_THAT(run.thrown.front(), HasSubstr("may not run on CPUs 1022-1023 of NUMA node 1"));
}

TEST_F(HostCopies, AStuckCopyEndsAtTheDeadline) {
  faults_->stuck_at = 1;
  const test::TickingClock clock;
  const TimedRun run = measure(HostDirection::from_gpu, MiB, false, HostMemory::near, &clock);
  ASSERT_TRUE(run.result.error);
  EXPECT_THAT(*run.result.error,
              HasSubstr("a copy between host and GPU on GPU 0 (0000:5d:00.0) did not end"));
}

}  // namespace
}  // namespace fabricheck::node::gpu
