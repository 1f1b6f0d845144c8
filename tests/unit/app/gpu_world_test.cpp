#include "app/gpu_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/gpu_options.hpp"
#include "app/probe_host.hpp"
#include "support/cuda/host_device.hpp"
#include "unit/topology/probe/sys_tree.hpp"

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
    facts.major = 9;
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
  const BusyGpus busy{{"0000:11:00.0", "is open in python3 (process 12)"}};
  EXPECT_EQ(choose_gpu(host, devices_of(host), 0, 2, false, busy).ordinal, 0);
  EXPECT_EQ(choose_gpu(host, devices_of(host), 1, 2, false, busy).unavailable,
            "GPU 1 (0000:11:00.0) of node7 is open in python3 (process 12): it is left alone");
}

TEST(GpuChoice, LeavesAloneMigAndExclusiveMode) {
  Host host = host_with(2);
  host.gpus[0].mig_enabled = true;
  std::vector<cuda::DeviceFacts> devices = devices_of(host);
  devices[1].compute_mode = "exclusive";
  EXPECT_THAT(choose_gpu(host, devices, 0, 2, false, {}).unavailable, HasSubstr("divided by MIG"));
  EXPECT_THAT(choose_gpu(host, devices, 1, 2, false, {}).unavailable, HasSubstr("exclusive compute mode"));
}

TEST(GpuChoice, TheRankWhoseGpuCudaDoesNotShowSaysSoAndTheOthersGoOn) {
  Host host = host_with(3);
  std::vector<cuda::DeviceFacts> two = devices_of(host);
  two.erase(two.begin() + 1);
  EXPECT_EQ(choose_gpu(host, two, 0, 3, false, {}).ordinal, 0);
  EXPECT_EQ(choose_gpu(host, two, 2, 3, false, {}).ordinal, 2);
  const GpuChoice missing = choose_gpu(host, two, 1, 3, false, {});
  EXPECT_TRUE(missing.is_missing);
  EXPECT_THAT(missing.unavailable, HasSubstr("CUDA_VISIBLE_DEVICES"));
  host.gpus[1].status = "not answering";
  host.gpus[1].problem = "GPU is lost";
  EXPECT_EQ(choose_gpu(host, two, 1, 3, false, {}).unavailable,
            "GPU 1 (0000:11:00.0) of node7 does not answer (GPU is lost)");
}

TEST(GpuChoice, OfAPartThatCudaShowsEachRankDrivesOne) {
  const Host host = host_with(8);
  std::vector<cuda::DeviceFacts> half = devices_of(host);
  half.erase(half.begin(), half.begin() + 4);
  for (int rank = 0; rank < 4; ++rank)
    EXPECT_EQ(choose_gpu(host, half, rank, 4, false, {}).ordinal, 4 + rank);
  EXPECT_EQ(choose_gpu(host, half, 5, 6, true, {}).ordinal, 5) << "six share four";
  const GpuChoice surplus = choose_gpu(host_with(2), devices_of(host_with(2)), 2, 3, false, {});
  EXPECT_TRUE(surplus.is_surplus);
}

TEST(GpuChoice, ATaskThatWasGivenOneGpuDrivesThatOne) {
  const Host all = host_with(4);
  Host leader_sees = all;
  leader_sees.gpus.resize(1);
  for (int rank = 0; rank < 4; ++rank) {
    cuda::DeviceFacts own = devices_of(all)[static_cast<std::size_t>(rank)];
    own.ordinal = 0;
    for (const Host* host : std::vector<const Host*>{&all, &leader_sees}) {
      const GpuChoice choice = choose_gpu(*host, {{own}}, rank, 4, false, {});
      EXPECT_EQ(choice.unavailable, "");
      EXPECT_EQ(choice.ordinal, 0);
      EXPECT_EQ(choice.ranks_per_gpu, 1);
    }
  }
  Host divided = all;
  divided.gpus[2].mig_enabled = true;
  EXPECT_THAT(choose_gpu(divided, {{devices_of(all)[2]}}, 2, 4, false, {}).unavailable,
              HasSubstr("divided by MIG"));
}

TEST(GpuChoice, AnArchitectureWithoutKernelsIsSaid) {
  const Host host = host_with(1);
  std::vector<cuda::DeviceFacts> volta = devices_of(host);
  volta[0].major = 7;
  EXPECT_THAT(choose_gpu(host, volta, 0, 1, false, {}).unavailable, HasSubstr("compute capability 7.0"));
}

ClusterTopology ranks_on(const std::vector<int>& hosts) {
  ClusterTopology topology;
  for (const int host : hosts) {
    RankPlace place;
    place.rank = static_cast<int>(topology.ranks.size());
    place.host = host;
    topology.ranks.push_back(place);
  }
  return topology;
}

TEST(SharedGpus, AreFoundByTheirAddressesOnOneHost) {
  RankGpu first;
  first.pci_address = "0000:18:00.0";
  RankGpu second = first;
  EXPECT_THAT(shared_because({first, second}, ranks_on({0, 0})),
              AllOf(HasSubstr("ranks 0 and 1"), HasSubstr("0000:18:00.0"), HasSubstr("--gpus-per-task=1")));
  EXPECT_EQ(shared_because({first, second}, ranks_on({0, 1})), "");
  second.pci_address = "0000:19:00.0";
  EXPECT_EQ(shared_because({first, second}, ranks_on({0, 0})), "");
  EXPECT_EQ(shared_because({RankGpu{}, RankGpu{}}, ranks_on({0, 0})), "");
  second = {};
  second.is_surplus = true;
  second.unavailable = "node7 has 1 GPU for 2 ranks";
  EXPECT_THAT(shared_because({first, second}, ranks_on({0, 0})), HasSubstr("node7 has 1 GPU for 2 ranks"));
}

TEST(DrivenGpus, AreThoseOfTheVariableAndAllWhereTheyAreTooFew) {
  using ::testing::ElementsAre;
  Host host = host_with(4);
  for (Gpu& gpu : host.gpus) gpu.uuid = "GPU-" + std::to_string(gpu.index) + "aaaa";
  EXPECT_THAT(driven_gpus(host, 4, {}), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(driven_gpus(host, 2, "2,3"), ElementsAre(2, 3));
  EXPECT_THAT(driven_gpus(host, 2, "GPU-3aaaa,GPU-1"), ElementsAre(1, 3));
  EXPECT_THAT(driven_gpus(host, 4, "MIG-1"), ElementsAre(0, 1, 2, 3)) << "not understood: all";
  host.gpus[1].status = "not answering";
  EXPECT_THAT(driven_gpus(host, 3, {}), ElementsAre(0, 2, 3));
  EXPECT_THAT(driven_gpus(host, 4, {}), ElementsAre(0, 1, 2, 3)) << "a rank was started for each";
  host.gpus[2].status = "hidden";
  EXPECT_THAT(driven_gpus(host, 4, {}), ElementsAre(0, 1, 3));
}

TEST(BusyGpus, AreOpenInAProcessWhetherOrNotItUsesThem) {
  const topology::SysTree tree;
  tree.file("proc/12/comm", "python3\n");
  tree.link("proc/12/fd/5", "/dev/nvidia3");
  tree.link("proc/12/fd/7", "/dev/nvidia-uvm");
  tree.file("proc/driver/nvidia/gpus/0000:5d:00.0/information", "Device Minor: \t 3\n");
  EXPECT_EQ(busy_gpus(tree.root()), (BusyGpus{{"0000:5d:00.0", "is open in python3 (process 12)"}}));
}

TEST(BusyGpusText, ComesBack) {
  const BusyGpus busy{{"0000:11:00.0", "is open in a b (process 1)"}, {"0000:12:00.0", "is open in c"}};
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
  const auto other = open_on({test::HostGpu{}, test::HostGpu{}});
  EXPECT_EQ(other->unavailable, "");
  EXPECT_THAT(other->problem, HasSubstr("is not among the 2 that CUDA shows"));
  for (const char* some : {"1", "0,1", "GPU-5a", "MIG-7"}) {
    ::setenv("CUDA_VISIBLE_DEVICES", some, 1);
    EXPECT_NE(open_on({})->problem, "") << some;
  }
  for (const char* hides_all : {"", "-1", "NoDevFiles"}) {
    ::setenv("CUDA_VISIBLE_DEVICES", hides_all, 1);
    const auto hidden = open_on({});
    EXPECT_EQ(hidden->problem, "") << hides_all;
    EXPECT_NE(hidden->unavailable, "") << hides_all;
  }
  ::unsetenv("CUDA_VISIBLE_DEVICES");
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

TEST(OpenGpu, LeavesAloneWhoseMemoryOthersHold) {
  const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime({test::HostGpu{}});
  const auto open = [&](bool share) {
    GpuOptions options;
    options.share = share;
    return open_gpu(runtime, host_with(0), 0, 1, {}, options, 1'000'000'000);
  };
  EXPECT_TRUE(open(false)->device);
  const std::unique_ptr<cuda::Device> other = runtime->open(0);
  std::byte* const held = other->allocate(std::uint64_t{16} << 20);
  const auto left = open(false);
  EXPECT_FALSE(left->device);
  EXPECT_THAT(left->unavailable, AllOf(HasSubstr("16 MiB of 64 MiB memory in use"), HasSubstr("left alone")));
  EXPECT_TRUE(open(true)->device) << "ranks that share hold some themselves";
  other->release(held);
}

/// CUDA shows a task of Slurm's one GPU, which it calls 0: words call it what the node does.
TEST(OpenGpu, IsCalledByItsNumberOnTheNode) {
  test::HostGpu own;
  own.facts.pci_address = "0000:11:00.0";
  const auto setup = open_gpu(test::make_host_runtime({own}), host_with(4), 2, 4, {}, {}, 1'000'000'000);
  ASSERT_TRUE(setup->device) << setup->unavailable << setup->problem;
  EXPECT_EQ(setup->device->facts().ordinal, 0);
  EXPECT_EQ(cuda::gpu_words(setup->device->facts()), "GPU 1 (0000:11:00.0)");
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
