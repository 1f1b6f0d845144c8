#include "device/cuda/stopwatch.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/error.hpp"
#include "support/clocks.hpp"
#include "support/cuda/host_device.hpp"

namespace fabricheck::cuda {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr std::int64_t deadline_ns = 1'000'000;
constexpr std::uint64_t bytes = 1 << 20;

/// Two GPUs, the second three times slower in its own memory.
class TwoGpus : public ::testing::Test {
 protected:
  static std::vector<test::HostGpu> models() {
    test::HostGpu fast, slow;
    fast.operation_us = slow.operation_us = 0.0;
    fast.hbm_GBps = 3000.0;
    slow.hbm_GBps = 1000.0;
    slow.facts.pci_address = "0000:e1:00.0";
    return {fast, slow};
  }

  void time(std::span<double> times_us) {
    Stopwatch watch({first_.get(), second_.get()}, clock_, deadline_ns);
    watch.time(times_us, "writing", [&](std::size_t, std::size_t lane) {
      Device& device = lane == 0 ? *first_ : *second_;
      device.set(lane == 0 ? here_.get() : there_.get(), 1, bytes, watch.stream(lane));
    });
  }
  std::string failure() {
    std::vector<double> times_us(4);
    try {
      time(times_us);
      return "it went well";
    } catch (const Error& error) {
      return error.what();
    }
  }

  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::unique_ptr<Runtime> runtime_ = test::make_host_runtime(models(), faults_);
  std::unique_ptr<Device> first_ = runtime_->open(0), second_ = runtime_->open(1);
  MemoryHandle here_{*first_, first_->allocate(bytes)}, there_{*second_, second_->allocate(bytes)};
  test::TickingClock clock_;
};

TEST_F(TwoGpus, AnIterationLastsUntilTheSlowerOneHasEnded) {
  std::vector<double> times_us(5);
  time(times_us);
  for (const double time_us : times_us) EXPECT_NEAR(time_us, bytes / 1000.0 / 1e3, 1e-6);
}

TEST_F(TwoGpus, TheOneThatHangsIsNamedAndBothAreGivenUp) {
  faults_->stuck_at = 3;  // the second GPU's second
  EXPECT_THAT(failure(), AllOf(HasSubstr("writing on GPU 1 (0000:e1:00.0) did not end within 1 ms"),
                               HasSubstr("dmesg")));
  EXPECT_TRUE(first_->is_abandoned());
  EXPECT_TRUE(second_->is_abandoned());
}

TEST_F(TwoGpus, TheOneThatFailsIsNamed) {
  faults_->fail_at = 3;
  EXPECT_THAT(failure(), AllOf(HasSubstr("GPU 1 (0000:e1:00.0)"), HasSubstr("illegal memory access")));
}

}  // namespace
}  // namespace fabricheck::cuda
