#include "app/gpu_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/gpu_options.hpp"
#include "support/cuda/host_device.hpp"

namespace fabricheck::app {
namespace {

using ::testing::HasSubstr;

Host host_with(int gpus) {
  Host host;
  host.name = "node7";
  for (int i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.index = i;
    gpu.pci_address = "0000:" + std::to_string(10 + i) + ":00.0";
    host.gpus.push_back(gpu);
  }
  return host;
}

std::vector<cuda::DeviceFacts> devices_of(const Host& host) {
  std::vector<cuda::DeviceFacts> devices;
  for (const Gpu& gpu : host.gpus) {
    cuda::DeviceFacts facts;
    facts.ordinal = static_cast<int>(devices.size());
    facts.pci_address = gpu.pci_address;
    devices.push_back(facts);
  }
  return devices;
}

TEST(GpuChoice, FollowsThePciAddressNotTheOrder) {
  const Host host = host_with(4);
  std::vector<cuda::DeviceFacts> devices = devices_of(host);
  std::swap(devices[1], devices[2]);
  devices[1].ordinal = 1;
  devices[2].ordinal = 2;
  EXPECT_EQ(choose_gpu(host, devices, 1, 4, false, {}).ordinal, 2);
  EXPECT_EQ(choose_gpu(host, devices, 2, 4, false, {}).ordinal, 1);
}

TEST(GpuChoice, WithoutNvmlTakesCudasOrder) {
  const std::vector<cuda::DeviceFacts> devices = devices_of(host_with(2));
  EXPECT_EQ(choose_gpu(host_with(0), devices, 1, 2, false, {}).ordinal, 1);
  EXPECT_THAT(choose_gpu(host_with(0), {}, 0, 1, false, {}).unavailable,
              HasSubstr("no CUDA device on node7"));
}

TEST(GpuChoice, ARankWithoutAGpuSaysSoUnlessTheyShare) {
  const Host host = host_with(2);
  const GpuChoice alone = choose_gpu(host, devices_of(host), 2, 3, false, {});
  EXPECT_EQ(alone.ordinal, -1);
  EXPECT_EQ(alone.unavailable, "node7 has 2 GPUs for 3 ranks");
  const GpuChoice shared = choose_gpu(host, devices_of(host), 2, 3, true, {});
  EXPECT_EQ(shared.ordinal, 0);
  EXPECT_EQ(shared.ranks_per_gpu, 2);
}

TEST(GpuChoice, LeavesAloneWhatOthersUse) {
  const Host host = host_with(2);
  const BusyGpus busy{{"0000:11:00.0", "is used by python3 (process 12)"}};
  EXPECT_EQ(choose_gpu(host, devices_of(host), 0, 2, false, busy).ordinal, 0);
  EXPECT_EQ(choose_gpu(host, devices_of(host), 1, 2, false, busy).unavailable,
            "GPU 1 (0000:11:00.0) of node7 is used by python3 (process 12): it is left alone");
}

TEST(GpuChoice, LeavesAloneMigAndExclusiveMode) {
  Host host = host_with(2);
  host.gpus[0].mig_enabled = true;
  std::vector<cuda::DeviceFacts> devices = devices_of(host);
  devices[1].compute_mode = "exclusive";
  EXPECT_THAT(choose_gpu(host, devices, 0, 2, false, {}).unavailable, HasSubstr("divided by MIG"));
  EXPECT_THAT(choose_gpu(host, devices, 1, 2, false, {}).unavailable, HasSubstr("exclusive compute mode"));
}

TEST(GpuChoice, AGpuThatIsHiddenNamesTheVariable) {
  const Host host = host_with(2);
  const std::vector<cuda::DeviceFacts> one{devices_of(host)[0]};
  EXPECT_THAT(choose_gpu(host, one, 1, 2, false, {}).unavailable, HasSubstr("CUDA_VISIBLE_DEVICES"));
}

TEST(BusyGpusText, ComesBack) {
  const BusyGpus busy{{"0000:11:00.0", "is used by a b (process 1)"}, {"0000:12:00.0", "is used by c"}};
  EXPECT_EQ(busy_from_text(busy_to_text(busy)), busy);
  EXPECT_TRUE(busy_from_text(busy_to_text({})).empty());
}

TEST(OpenGpu, WhatNvmlShowsAndCudaDoesNotIsAProblemUnlessSomebodyHidIt) {
  const auto open_on = [](std::vector<test::HostGpu> gpus) {
    return open_gpu(test::make_host_runtime(std::move(gpus)), host_with(2), 0, 1, {}, {}, 1'000'000'000);
  };
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  const auto none = open_on({});
  EXPECT_EQ(none->unavailable, "");
  EXPECT_EQ(none->problem, "no CUDA device on node7 (driver not loaded)");
  const auto other = open_on({test::HostGpu{}});
  EXPECT_EQ(other->unavailable, "");
  EXPECT_THAT(other->problem, HasSubstr("is not among the 1 that CUDA shows"));
  ::setenv("CUDA_VISIBLE_DEVICES", "1", 1);
  const auto hidden = open_on({test::HostGpu{}});
  ::unsetenv("CUDA_VISIBLE_DEVICES");
  EXPECT_EQ(hidden->problem, "");
  EXPECT_THAT(hidden->unavailable, HasSubstr("CUDA_VISIBLE_DEVICES"));
}

std::shared_ptr<cuda::Setup> open_with(std::vector<test::HostGpu> gpus, const GpuOptions& options,
                                       std::shared_ptr<test::HostGpuFaults> faults = nullptr,
                                       int local_ranks = 1) {
  return open_gpu(test::make_host_runtime(std::move(gpus), std::move(faults)), host_with(0), 0, local_ranks,
                  {}, options, 1'000'000'000);
}

TEST(OpenGpu, TakesFourFifthsOfWhatIsFree) {
  const auto setup = open_with({test::HostGpu{}}, {});
  ASSERT_TRUE(setup->device) << setup->unavailable << setup->problem;
  EXPECT_NEAR(static_cast<double>(setup->memory_limit_bytes), 0.8 * (64 << 20), 1 << 20);
  EXPECT_THROW(cuda::allocate(*setup, 60 << 20), cuda::OutOfMemory) << "not above the limit";
  EXPECT_NO_THROW(cuda::allocate(*setup, 40 << 20));
}

TEST(OpenGpu, RanksThatShareTakeTheirPart) {
  GpuOptions options;
  options.share = true;
  const auto setup = open_with({test::HostGpu{}}, options, nullptr, 4);
  EXPECT_EQ(setup->ranks_per_gpu, 4);
  EXPECT_NEAR(static_cast<double>(setup->memory_limit_bytes), 0.2 * (64 << 20), 1 << 20);
}

TEST(OpenGpu, WithoutDriverIsUnavailableAndABrokenGpuAProblem) {
  const auto missing = open_with({}, {});
  EXPECT_EQ(missing->unavailable, "no CUDA device on node7 (driver not loaded)");
  EXPECT_THROW(cuda::device_of(missing), Unavailable);
  auto faults = std::make_shared<test::HostGpuFaults>();
  faults->open_error = 719;
  const auto broken = open_with({test::HostGpu{}}, {}, faults);
  EXPECT_TRUE(broken->unavailable.empty());
  try {
    cuda::device_of(broken);
    FAIL() << "a GPU that fails is no GPU that is not there";
  } catch (const Unavailable&) {
    FAIL() << "a GPU that fails must not be SKIPPED";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("cudaSetDevice failed on GPU 0"));
  }
}

TEST(FittingBytes, HalvesUntilItFits) {
  const auto setup = open_with({test::HostGpu{}}, {});
  EXPECT_EQ(cuda::fitting_bytes(*setup, 64 << 20, 1 << 20, 2), std::uint64_t{16} << 20);
  EXPECT_EQ(cuda::fitting_bytes(*setup, 64 << 20, 33 << 20, 2), 0u);
}

GpuOptions parsed(std::map<std::string, std::string> values, const std::set<std::string>& flags = {}) {
  return gpu_options(
      [&](const std::string& name) -> const std::string* {
        const auto found = values.find(name);
        return found == values.end() ? nullptr : &found->second;
      },
      [&](const std::string& name) { return flags.contains(name); });
}

std::string refusal(const std::map<std::string, std::string>& values) {
  try {
    parsed(values);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "";
}

TEST(GpuOptionsParsing, TakesASizeOrAShare) {
  EXPECT_EQ(parsed({}).memory_percent, 80);
  EXPECT_EQ(parsed({{"gpu-memory", "50%"}}).memory_percent, 50);
  EXPECT_EQ(parsed({{"gpu-memory", "16GiB"}}).memory_bytes, std::uint64_t{16} << 30);
  EXPECT_THAT(refusal({{"gpu-memory", "120%"}}), HasSubstr("between 1% and 95%"));
  EXPECT_THAT(refusal({{"gpu-memory", "x%"}}), HasSubstr("between 1% and 95%"));
  EXPECT_THAT(refusal({{"gpu-memory", "lots"}}), HasSubstr("--gpu-memory"));
  EXPECT_THAT(refusal({{"gpu-memory", "0"}}), HasSubstr("nothing to measure with"));
}

TEST(GpuOptionsParsing, BurnsForADuration) {
  EXPECT_EQ(parsed({{"burn", "10s"}}).burn, std::chrono::seconds(10));
  EXPECT_THAT(refusal({{"burn", "10"}}), HasSubstr("--burn"));
  EXPECT_THAT(refusal({{"burn", "10ms"}}), HasSubstr("between 1s and 30 days"));
  EXPECT_THAT(refusal({{"nccl", ""}}), HasSubstr("--nccl"));
}

}  // namespace
}  // namespace fabricheck::app
