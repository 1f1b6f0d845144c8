// The runtime over cudart: what it makes of CUDA's answers and errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "device/cuda/device.hpp"
#include "device/cuda/handles.hpp"
#include "support/clocks.hpp"
#include "support/cudart/host_cudart.hpp"

namespace fabricheck::cuda {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace cudart = test::cudart;

constexpr std::int64_t deadline_ns = 1'000'000'000;

class CudartTest : public ::testing::Test {
 protected:
  void SetUp() override { cudart::use_machine(cudart::two_gpus()); }
  void TearDown() override {
    EXPECT_EQ(cudart::held(), 0U) << "something was not given back";
    cudart::use_machine(cudart::two_gpus());
  }

  std::string no_devices() {
    try {
      runtime_->devices();
      return "there are some";
    } catch (const Unavailable& reason) {
      return reason.what();
    }
  }
  static std::string refusal(const std::function<void()>& work) {
    try {
      work();
      return "nothing was thrown";
    } catch (const OutOfMemory& error) {
      return std::string("out of memory: ") + error.what();
    } catch (const CudaError& error) {
      return error.what();
    } catch (const Unavailable& error) {
      return std::string("unavailable: ") + error.what();
    }
  }
  void plant(const char* call, cudaError_t error) { cudart::machine().next_failure[call] = error; }

  std::unique_ptr<Runtime> runtime_ = open_runtime("node7");
};

TEST_F(CudartTest, TellsWhatTheGpusAre) {
  cudart::machine().gpus[1].has_dmabuf = false;
  const auto devices = runtime_->devices();
  ASSERT_EQ(devices.size(), 2U);
  EXPECT_EQ(devices[0].pci_address, "0000:5d:00.0");
  EXPECT_EQ(devices[1].pci_address, "0000:e1:00.0");
  EXPECT_EQ(devices[1].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(devices[1].major, 9);
  EXPECT_EQ(devices[1].multiprocessors, 132);
  EXPECT_EQ(devices[1].compute_mode, "default");
  EXPECT_TRUE(runtime_->open(0)->facts().dmabuf);
  EXPECT_FALSE(runtime_->open(1)->facts().dmabuf);
}

TEST_F(CudartTest, SaysWhyThereIsNoDevice) {
  cudart::machine().count_error = cudaErrorInsufficientDriver;
  cudart::machine().driver_version = 0;
  EXPECT_EQ(no_devices(), "no CUDA device on node7 (driver not loaded)");
  cudart::machine().driver_version = 11040;
  EXPECT_THAT(no_devices(), AllOf(HasSubstr("the driver can do CUDA 11.4"), HasSubstr("update the driver")));
  cudart::machine().count_error = cudaErrorSystemNotReady;
  EXPECT_THAT(no_devices(), HasSubstr("is nvidia-fabricmanager running?"));
  cudart::machine().count_error = cudaErrorNoDevice;
  EXPECT_THAT(no_devices(), HasSubstr("the driver shows none"));
  cudart::machine().count_error = cudaErrorECCUncorrectable;
  EXPECT_THAT(no_devices(), HasSubstr("cudaErrorECCUncorrectable"));
  cudart::machine().count_error = cudaSuccess;
  cudart::machine().gpus.clear();
  EXPECT_THAT(no_devices(), HasSubstr("the driver shows none"));
}

TEST_F(CudartTest, LeavesGpusOfOthersAlone) {
  cudart::machine().gpus[0].compute_mode = cudaComputeModeExclusiveProcess;
  cudart::machine().gpus[1].compute_mode = cudaComputeModeProhibited;
  EXPECT_THAT(refusal([&] { runtime_->open(0); }),
              AllOf(HasSubstr("unavailable: GPU 0 (0000:5d:00.0)"), HasSubstr("exclusive"),
                    HasSubstr("nvidia-smi -c 0")));
  EXPECT_THAT(refusal([&] { runtime_->open(1); }), HasSubstr("prohibited"));
}

TEST_F(CudartTest, AContextThatCannotBeMadeIsSaid) {
  plant("cudaFree", cudaErrorECCUncorrectable);
  EXPECT_THAT(refusal([&] { runtime_->open(1); }),
              AllOf(HasSubstr("making a context failed on GPU 1 (0000:e1:00.0)"), HasSubstr("ECC")));
}

/// CUDA keeps the last error for whoever asks next: a refusal that was dealt with must not be told again.
TEST_F(CudartTest, ARefusedAllocationIsToldOnceAndTheNextKernelIsNotBlamed) {
  const auto device = runtime_->open(0);
  const StreamHandle stream(*device, device->make_stream());
  EXPECT_THAT(refusal([&] { device->allocate(std::uint64_t{1} << 40); }),
              AllOf(HasSubstr("out of memory: cudaMalloc of 1 TiB"), HasSubstr("GPU 0 (0000:5d:00.0)"),
                    HasSubstr("1 GiB free")));
  plant("cudaHostAlloc", cudaErrorMemoryAllocation);
  EXPECT_THAT(refusal([&] { device->allocate_pinned(4096); }),
              AllOf(HasSubstr("out of memory: "), HasSubstr("could not be locked")));
  const MemoryHandle memory(*device, device->allocate(4096));
  device->access(Access::write, memory.get(), nullptr, nullptr, 4096, stream.get());
  EXPECT_EQ(*memory.get(), std::byte{0});
}

TEST_F(CudartTest, AFailedLaunchIsToldByTheCallThatMadeIt) {
  const auto device = runtime_->open(0);
  const StreamHandle stream(*device, device->make_stream());
  const MemoryHandle memory(*device, device->allocate(4096));
  plant("kernel", cudaErrorECCUncorrectable);
  EXPECT_THAT(
      refusal([&] { device->access(Access::write, memory.get(), nullptr, nullptr, 4096, stream.get()); }),
      HasSubstr("write failed on GPU 0"));
  device->access(Access::write, memory.get(), nullptr, nullptr, 4096, stream.get());
}

/// A kernel that touches what its GPU may not reach fails later, and with it all that follows on that GPU;
/// the others go on.
TEST_F(CudartTest, AnIllegalAddressIsToldByTheWaitAndKeepsToItsGpu) {
  test::TickingClock clock;
  const auto bad = runtime_->open(0), good = runtime_->open(1);
  const StreamHandle stream(*bad, bad->make_stream());
  const EventHandle event(*bad, bad->make_event());
  const MemoryHandle theirs(*good, good->allocate(4096));
  bad->access(Access::write, theirs.get(), nullptr, nullptr, 4096, stream.get());
  EXPECT_THAT(refusal([&] { wait_for(*bad, event.get(), clock, clock.now_ns() + deadline_ns); }),
              HasSubstr("work on the GPU failed on GPU 0 (0000:5d:00.0): an illegal memory access"));
  EXPECT_THAT(refusal([&] { bad->allocate(4096); }), HasSubstr("illegal memory access"));
  const StreamHandle other(*good, good->make_stream());
  const EventHandle done(*good, good->make_event());
  good->access(Access::write, theirs.get(), nullptr, nullptr, 4096, other.get());
  good->record(done.get(), other.get());
  EXPECT_TRUE(wait_for(*good, done.get(), clock, clock.now_ns() + deadline_ns));
}

TEST_F(CudartTest, PeerAccessIsAskedForOnceAndOnlyWhereThereIsSome) {
  const auto a = runtime_->open(0), b = runtime_->open(1);
  EXPECT_TRUE(a->allow_access_to(*b));
  EXPECT_TRUE(a->allow_access_to(*b)) << "that it is there already is no error";
  const StreamHandle stream(*a, a->make_stream());
  const MemoryHandle theirs(*b, b->allocate(4096));
  a->access(Access::write, theirs.get(), nullptr, nullptr, 4096, stream.get());
  EXPECT_EQ(*theirs.get(), std::byte{0});
  cudart::machine().reach.clear();
  EXPECT_FALSE(b->allow_access_to(*a));
}

TEST_F(CudartTest, AGraphThatCannotBeMadeLeavesNothingBehind) {
  const auto device = runtime_->open(0);
  const StreamHandle stream(*device, device->make_stream());
  const MemoryHandle memory(*device, device->allocate(4096));
  device->begin_capture(stream.get());
  device->set(memory.get(), 1, 4096, stream.get());
  plant("cudaGraphInstantiate", cudaErrorECCUncorrectable);
  EXPECT_THAT(refusal([&] { device->end_capture(stream.get()); }), HasSubstr("cudaGraphInstantiate failed"));
}

TEST_F(CudartTest, WhatWasGivenUpIsNotTouchedAgain) {
  const auto device = runtime_->open(0);
  const MemoryHandle memory(*device, device->allocate(4096));
  device->abandon();
  EXPECT_THAT(refusal([&] { device->memory_left(); }), HasSubstr("was given up"));
  device->release(memory.get());
  EXPECT_EQ(cudart::held(), 1U) << "CUDA would wait for the work that does not end";
  cudart::use_machine(cudart::two_gpus());
}

TEST_F(CudartTest, MemoryIsExportedForANicWhereTheDriverCan) {
  const auto device = runtime_->open(0);
  const MemoryHandle memory(*device, device->allocate(65536));
  const auto descriptor = device->export_dmabuf(memory.get(), 65536);
  ASSERT_TRUE(descriptor);
  EXPECT_EQ(::close(*descriptor), 0);
  cudart::machine().gpus[1].has_dmabuf = false;
  const auto without = runtime_->open(1);
  const MemoryHandle other(*without, without->allocate(65536));
  EXPECT_FALSE(without->export_dmabuf(other.get(), 65536));
}

}  // namespace
}  // namespace fabricheck::cuda
