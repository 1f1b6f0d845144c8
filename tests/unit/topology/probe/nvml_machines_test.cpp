// The machines of tests/fixtures/nvml, asked through the stand-in as the real library is.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>

#include "unit/topology/probe/nvml_machine.hpp"

namespace fabricheck::topology {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;
using ::testing::SizeIs;

/// The eight H100s and four NVSwitches on PCI.
class NvmlMachines : public NvmlMachine {
 protected:
  static constexpr std::array kGpus{"0000:18:00.0", "0000:2a:00.0", "0000:3a:00.0", "0000:5d:00.0",
                                    "0000:9a:00.0", "0000:ab:00.0", "0000:ba:00.0", "0000:db:00.0"};
  void baseboard() {
    int minor = 0;
    for (const char* const address : kGpus) {
      gpu_on_pci(address, "nvidia");
      driver_entry(address, minor++);
    }
    for (const char* const address : {"0000:07:00.0", "0000:08:00.0", "0000:09:00.0", "0000:0a:00.0"}) {
      tree_.pci(address, "0x10de", "0x068000");
    }
  }
  std::vector<std::string> with_problem(const Host& host) {
    std::vector<std::string> found;
    for (const Gpu& gpu : host.gpus) {
      if (gpu.status != "answers") found.push_back(std::to_string(gpu.index) + " " + gpu.status);
    }
    return found;
  }
};

TEST_F(NvmlMachines, H100WithEverything) {
  baseboard();
  replay("h100x8.json");
  const Host host = probe();
  EXPECT_THAT(host.unknown, IsEmpty());
  EXPECT_EQ(host.gpu_driver, "550.90.07");
  EXPECT_EQ(host.cuda_version, "12.4");
  ASSERT_THAT(host.gpus, SizeIs(8));
  Gpu gpu;
  gpu.index = 5;
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.uuid = "GPU-00000000-0000-4000-8000-000000000005";
  gpu.pci_address = "0000:ab:00.0";
  gpu.numa_node = 0;
  gpu.memory_bytes = 85520809984;
  gpu.compute_capability = "9.0";
  gpu.vbios = "96.00.A5.00.01";
  gpu.pcie = {32.0, 16, 32.0, 16};
  constexpr std::array kSwitches{"0000:07:00.0", "0000:08:00.0", "0000:09:00.0", "0000:0a:00.0"};
  for (int link = 0; link < 18; ++link) {
    gpu.nvlinks.push_back(
        {link, true, 4, 26.562, "switch", kSwitches.at(static_cast<std::size_t>(link) % 4)});
  }
  gpu.fabric = GpuFabric{"completed", "Success", "", std::nullopt, 2};
  gpu.ecc_enabled = true;
  gpu.mig_enabled = false;
  gpu.persistence_mode = true;
  gpu.power_limit_W = 700;
  gpu.default_power_limit_W = 700;
  gpu.max_sm_clock_MHz = 1980;
  gpu.max_memory_clock_MHz = 2619;
  gpu.bar1_bytes = 137438953472;
  GpuHealth health;
  health.ecc_corrected = health.ecc_uncorrected = 0;
  health.ecc_corrected_lifetime = health.ecc_uncorrected_lifetime = 0;
  health.remapped_rows_corrected = health.remapped_rows_uncorrected = 0;
  health.remap_pending = health.remap_failed = false;
  health.throttle_reasons = {"gpu-idle"};
  health.sm_clock_MHz = 345;
  health.memory_clock_MHz = 2619;
  health.temperature_C = 27;
  health.power_W = 71.213;
  health.pcie_replays = 0;
  gpu.health = health;
  EXPECT_EQ(host.gpus[5], gpu);
  EXPECT_EQ(forks_, 1);
}

TEST_F(NvmlMachines, LinkDown) {
  baseboard();
  replay("link_down.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  for (const Gpu& gpu : host.gpus) {
    ASSERT_THAT(gpu.nvlinks, SizeIs(18));
    for (const NvLink& link : gpu.nvlinks) {
      EXPECT_EQ(link.active, !(gpu.index == 5 && link.index == 7)) << gpu.index << " " << link.index;
    }
    EXPECT_THAT(gpu.health->nvlink_errors, SizeIs(gpu.index == 5 ? 1 : 0));
  }
  EXPECT_EQ(host.gpus[5].nvlinks[7].speed_GBps, std::nullopt);
  EXPECT_EQ(host.gpus[5].nvlinks[7].version, 4);
  EXPECT_THAT(host.gpus[5].health->nvlink_errors, ElementsAre(NvLinkErrors{7, 3, 1, 12, 0}));
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(NvmlMachines, MissingGpuIsThereAndNotAnswering) {
  baseboard();
  replay("gpu_missing.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_THAT(with_problem(host), ElementsAre("7 not answering"));
  EXPECT_EQ(host.gpus[7].pci_address, "0000:5d:00.0");
  EXPECT_THAT(host.gpus[7].problem, HasSubstr("/dev/nvidia3"));
}

TEST_F(NvmlMachines, MissingGpuOfASlurmJobIsHidden) {
  baseboard();
  tree_.remove("dev/nvidia3");
  replay("gpu_missing.json");
  const Host host = probe();
  EXPECT_THAT(with_problem(host), ElementsAre("7 hidden"));
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(NvmlMachines, LostGpuKeepsItsPlace) {
  baseboard();
  replay("gpu_lost.json");
  const Host host = probe();
  EXPECT_THAT(with_problem(host), ElementsAre("3 not answering"));
  EXPECT_EQ(host.gpus[3].pci_address, "0000:5d:00.0");
  EXPECT_THAT(host.gpus[3].problem, HasSubstr("GPU is lost"));
}

TEST_F(NvmlMachines, EccErrors) {
  replay("ecc_errors.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(host.gpus[1].health->ecc_corrected, 41U);
  EXPECT_EQ(host.gpus[1].health->ecc_uncorrected, 2U);
  EXPECT_EQ(host.gpus[1].health->ecc_corrected_lifetime, 57U);
  EXPECT_EQ(host.gpus[1].health->ecc_uncorrected_lifetime, 6U);
  EXPECT_EQ(host.gpus[2].health->remapped_rows_corrected, 3);
  EXPECT_EQ(host.gpus[2].health->remapped_rows_uncorrected, 1);
  EXPECT_EQ(host.gpus[2].health->remap_pending, true);
  EXPECT_EQ(host.gpus[2].health->remap_failed, false);
  EXPECT_EQ(host.gpus[6].health->remap_failed, true);
  EXPECT_EQ(host.gpus[0].health->ecc_uncorrected, 0U);
}

TEST_F(NvmlMachines, FabricManagerDown) {
  replay("fabric_manager_down.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  for (const Gpu& gpu : host.gpus) {
    EXPECT_EQ(gpu.fabric->state, "not-started");
    EXPECT_EQ(gpu.fabric->status, "");
    EXPECT_THAT(gpu.nvlinks, AllOf(SizeIs(18), Each(Field(&NvLink::active, Optional(false)))));
  }
}

TEST_F(NvmlMachines, BriefTellsWhatAGpuIsJudgedBy) {
  baseboard();
  for (const char* const machine :
       {"h100x8.json", "link_down.json", "ecc_errors.json", "fabric_manager_down.json"}) {
    replay(machine);
    options_.brief = false;
    const Host full = probe();
    options_.brief = true;
    const Host brief = probe();
    ASSERT_EQ(brief.gpus.size(), full.gpus.size()) << machine;
    for (std::size_t i = 0; i < full.gpus.size(); ++i) {
      const Gpu& one = full.gpus[i];
      const Gpu& other = brief.gpus[i];
      EXPECT_EQ(other.status, one.status) << machine;
      EXPECT_EQ(other.name, one.name);
      EXPECT_EQ(other.pci_address, one.pci_address);
      EXPECT_EQ(other.pcie.width, one.pcie.width);
      EXPECT_EQ(other.pcie.max_speed_GTps, one.pcie.max_speed_GTps);
      EXPECT_EQ(other.mig_enabled, one.mig_enabled);
      EXPECT_EQ(other.fabric, one.fabric) << machine;
      ASSERT_EQ(other.health.has_value(), one.health.has_value());
      EXPECT_EQ(other.health->ecc_uncorrected, one.health->ecc_uncorrected) << machine;
      EXPECT_EQ(other.health->remap_pending, one.health->remap_pending) << machine;
      EXPECT_EQ(other.health->throttle_reasons, one.health->throttle_reasons) << machine;
      ASSERT_EQ(other.nvlinks.size(), one.nvlinks.size());
      for (std::size_t link = 0; link < one.nvlinks.size(); ++link)
        EXPECT_EQ(other.nvlinks[link].active, one.nvlinks[link].active) << machine << " GPU " << i;
    }
  }
}

TEST_F(NvmlMachines, BriefAsksAnOlderDriverLinkByLink) {
  baseboard();
  replay("link_down.json");
  options_.brief = true;
  options_.nvml_library = STANDIN_NVML_R450;
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_THAT(host.gpus[0].nvlinks, SizeIs(18));
  EXPECT_THAT(host.gpus[0].nvlinks, Each(Field(&NvLink::active, Optional(true))));
}

TEST_F(NvmlMachines, AProbeOfALiveMachineTellsEachNicBeforeItIsRead) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  std::vector<std::string> said;
  std::vector<std::string> unknown;
  EXPECT_THAT(probe_rdma(tree_.root(), unknown, [&](const std::string& name) { said.push_back(name); }),
              SizeIs(1));
  EXPECT_THAT(said, ElementsAre("mlx5_0"));
}

TEST_F(NvmlMachines, HangKeepsTheGpusBeforeIt) {
  baseboard();
  replay("hangs.json");
  options_.nvml_deadline = 5s;
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  EXPECT_THAT(with_problem(host), ElementsAre("3 not answering", "4 not answering", "5 not answering",
                                              "6 not answering", "7 not answering"));
  for (std::size_t index = 0; index < 3; ++index) EXPECT_THAT(host.gpus.at(index).nvlinks, SizeIs(18));
  EXPECT_EQ(host.gpus[3].problem, "NVML did not return within 5 s (nvmlDeviceGetTemperature)");
  EXPECT_EQ(host.gpus[3].name, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(host.gpus[3].vbios, "96.00.A5.00.01");
  EXPECT_THAT(host.gpus[6].problem, AllOf(HasSubstr("not reached"), HasSubstr("GPU 3")));
  EXPECT_EQ(host.gpus[6].pci_address, "0000:ba:00.0");
}

TEST_F(NvmlMachines, AHangAfterTheFirstGpuIsFoundByTheShorterLimit) {
  baseboard();
  replay("hangs.json");
  options_.nvml_start = 30s;
  options_.nvml_silence = 3s;
  const Host host = probe();
  EXPECT_THAT(host.gpus.at(0).nvlinks, SizeIs(18));
  EXPECT_EQ(host.gpus.at(3).problem, "NVML did not return within 3 s (nvmlDeviceGetTemperature)");
}

TEST_F(NvmlMachines, UntilThenTheLongerOneHoldsForWhateverHangs) {
  baseboard();
  options_.nvml_start = 1500ms;
  options_.nvml_silence = 100ms;
  for (const char* const call :
       {R"({"call": "nvmlInit_v2"})", R"({"call": "nvmlDeviceGetName", "gpu": 0})"}) {
    replay_text(fmt::format(R"({{"base": "h100x8.json", "hang": {}}})", call));
    EXPECT_THAT(probe().unknown, ElementsAre(HasSubstr("NVML did not return within 1.5 s"))) << call;
  }
}

TEST_F(NvmlMachines, AHiddenGpuDoesNotEndTheLongerOne) {
  baseboard();
  options_.nvml_start = 4s;
  options_.nvml_silence = 100ms;
  replay_text(R"({"base": "h100x8.json", "count": 2,
                  "overrides": {"0": {"returns": {"nvmlDeviceGetHandleByIndex_v2": 4}}},
                  "hang": {"call": "nvmlDeviceGetName", "gpu": 1}})");
  const Host host = probe();
  EXPECT_EQ(host.gpus.at(1).problem, "NVML did not return within 4 s (nvmlDeviceGetName)");
}

TEST_F(NvmlMachines, GpusThatAnsweredBeforeTheHangAreSeenWithoutPci) {
  replay("hangs.json");
  options_.nvml_deadline = 4s;
  const Host host = probe();
  EXPECT_THAT(host.gpus, SizeIs(8));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("did not return")));
  EXPECT_THAT(host.unknown, Not(Contains(HasSubstr("GPUs are not seen"))));
}

TEST_F(NvmlMachines, ShortDeadlineReturns) {
  baseboard();
  replay("hangs.json");
  options_.nvml_deadline = 300ms;
  const auto start = std::chrono::steady_clock::now();
  const Host host = probe();
  EXPECT_LT(std::chrono::steady_clock::now() - start, 30s);
  EXPECT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(host.gpus[3].status, "not answering");
}

TEST_F(NvmlMachines, AnyCallMayHang) {
  options_.nvml_deadline = 5s;
  replay_text(R"({"base": "h100x8.json", "count": 2,
                  "hang": {"call": "nvmlDeviceGetNvLinkRemotePciInfo_v2", "gpu": 1, "link": 4}})");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(2));
  EXPECT_EQ(host.gpus[0].status, "answers");
  EXPECT_EQ(host.gpus[1].status, "not answering");
  EXPECT_THAT(host.gpus[1].nvlinks, SizeIs(4));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("nvmlDeviceGetNvLinkRemotePciInfo_v2 for GPU 1")));
}

TEST_F(NvmlMachines, CrashKeepsTheGpusBeforeIt) {
  replay_text(R"({"base": "h100x8.json", "crash": {"call": "nvmlDeviceGetRemappedRows", "gpu": 4}})");
  const Host host = probe();
  EXPECT_THAT(with_problem(host), ElementsAre("4 state not known", "5 state not known", "6 state not known",
                                              "7 state not known"));
  EXPECT_THAT(host.gpus[4].problem,
              AllOf(HasSubstr("NVML ended with"), HasSubstr("(nvmlDeviceGetRemappedRows)")));
  EXPECT_EQ(host.gpus[4].pcie.speed_GTps, 32);
}

TEST_F(NvmlMachines, R535HasNoHealthOfTheFabric) {
  replay("old_driver.json");
  for (const char* const library : {STANDIN_NVML, STANDIN_NVML_R535}) {
    options_.nvml_library = library;
    const Host host = probe();
    ASSERT_THAT(host.gpus, SizeIs(8));
    EXPECT_EQ(host.gpu_driver, "535.183.06");
    EXPECT_EQ(host.gpus[0].fabric->state, "completed");
    EXPECT_EQ(host.gpus[0].fabric->health_mask, std::nullopt);
    EXPECT_EQ(host.gpus[0].health->throttle_reasons, std::vector<std::string>{"gpu-idle"});
    EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("has no nvmlDeviceGetGpuFabricInfoV")));
  }
}

TEST_F(NvmlMachines, R450IsHelpedOutByPciAndTheTable) {
  baseboard();
  replay("link_down.json");
  options_.nvml_library = STANDIN_NVML_R450;
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(host.gpus[0].health->throttle_reasons, std::vector<std::string>{"gpu-idle"});
  EXPECT_EQ(host.gpus[0].fabric, std::nullopt);
  EXPECT_THAT(host.gpus[0].nvlinks, SizeIs(18));
  EXPECT_EQ(host.gpus[0].nvlinks[1], (NvLink{1, true, 4, 26.562, "switch", "0000:08:00.0"}));
  EXPECT_THAT(host.gpus[5].health->nvlink_errors, ElementsAre(NvLinkErrors{7, 3, 1, 12, 0}));
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("nvmlDeviceGetGpuFabricInfo,"),
                                        HasSubstr("nvmlDeviceGetNvLinkRemoteDeviceType")));
}

TEST_F(NvmlMachines, PcieNarrow) {
  replay("pcie_narrow.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(host.gpus[2].pcie, (PcieLink{32.0, 8, 32.0, 16}));
  EXPECT_EQ(host.gpus[2].health->pcie_replays, 4711U);
  EXPECT_EQ(host.gpus[3].pcie.width, 16);
}

TEST_F(NvmlMachines, Mig) {
  replay("mig.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(host.gpus[0].mig_enabled, true);
  EXPECT_EQ(host.gpus[0].health->remap_failed, std::nullopt);
  EXPECT_EQ(host.gpus[0].health->ecc_uncorrected, std::nullopt);
  EXPECT_THAT(host.unknown, IsEmpty()) << "what a GPU in this mode does not have is no news";
}

TEST_F(NvmlMachines, Gb200InItsClique) {
  replay("gb200.json");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(4));
  EXPECT_THAT(host.unknown, IsEmpty());
  const Gpu& gpu = host.gpus[3];
  EXPECT_EQ(gpu.pci_address, "0019:01:00.0");
  EXPECT_EQ(gpu.fabric,
            (GpuFabric{"completed", "Success", "3b6dd6f1-e54a-4f2c-9a01-c7d21f0e8855", 32766, 426}));
  ASSERT_THAT(gpu.nvlinks, SizeIs(18));
  EXPECT_EQ(gpu.nvlinks[17], (NvLink{17, true, 5, 53.125, "switch", ""}));
  EXPECT_EQ(gpu.bar1_bytes, std::nullopt);
}

TEST_F(NvmlMachines, PcieCardWithoutNvlinkIsNoNews) {
  replay_text(
      R"({"base": "h100x8.json", "count": 1, "gpu": {"name": "NVIDIA L40S", "nvlinks": null, "fabric": null}})");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(1));
  EXPECT_THAT(host.gpus[0].nvlinks, IsEmpty());
  EXPECT_EQ(host.gpus[0].fabric, std::nullopt);
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST_F(NvmlMachines, LinksToAnotherGpu) {
  replay_text(R"({"base": "h100x8.json", "count": 2,
                  "gpu": {"nvlinks": {"count": 4, "remote_type": 0, "remote_pci": ["00000000:2A:00.0"]}}})");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(2));
  ASSERT_THAT(host.gpus[0].nvlinks, SizeIs(4));
  EXPECT_EQ(host.gpus[0].nvlinks[3].remote, "gpu");
  EXPECT_EQ(host.gpus[0].nvlinks[3].remote_pci_address, "0000:2a:00.0");
}

TEST_F(NvmlMachines, VirtualMachineThatWasGivenNoSwitch) {
  replay_text(R"({"base": "h100x8.json", "count": 1, "lacks": ["nvmlDeviceGetNvLinkRemoteDeviceType"],
                  "gpu": {"nvlinks": {"remote_pci": ["FFFFFFFF:FFFF:FF.F"]}}})");
  const Host host = probe();
  ASSERT_THAT(host.gpus, SizeIs(1));
  EXPECT_EQ(host.gpus[0].nvlinks.at(0).remote, "switch");
  EXPECT_EQ(host.gpus[0].nvlinks.at(0).remote_pci_address, "");
}

TEST_F(NvmlMachines, AnErrorIsSaidOnceForAllGpus) {
  replay_text(R"({"base": "h100x8.json", "gpu": {"returns": {"nvmlDeviceGetPowerUsage": 999}}})");
  const Host host = probe();
  EXPECT_THAT(host.unknown,
              ElementsAre(AllOf(HasSubstr("nvmlDeviceGetPowerUsage"), HasSubstr("GPUs 0, 1, 2"))));
  EXPECT_EQ(host.gpus.at(0).health->power_W, std::nullopt);
  EXPECT_THAT(with_problem(host), IsEmpty());
}

TEST_F(NvmlMachines, StandInWithoutMachineSaysSo) {
  replay("no_such_machine.json");
  const Host host = probe();
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("no_such_machine.json cannot be read")));
}

}  // namespace
}  // namespace fabricheck::topology
