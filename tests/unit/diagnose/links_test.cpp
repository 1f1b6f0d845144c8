// Links that are up and less than they should be, and hardware that other tools found faulty.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kGpuName = "3D controller: NVIDIA Corporation GH100 [H100 SXM5 80GB] (rev a1)";
constexpr const char* kNicName = "Infiniband controller: Mellanox Technologies MT2910 Family [ConnectX-7]";

std::string lspci(const std::string& address, const std::string& name, const std::string& state) {
  return address + " " + name +
         "\n\t\tLnkCap:\tPort #0, Speed 32GT/s, Width x16, ASPM L1\n\t\tLnkSta:\tSpeed " + state + "\n";
}

TEST(Pcie, ADeviceWithFewerLanesThanItsLikeIsLikelyAFault) {
  const Diagnosis found = diagnosed(lspci("1b:00.0", kGpuName, "32GT/s, Width x8 (downgraded)") +
                                    lspci("43:00.0", kGpuName, "32GT/s, Width x16"));
  ASSERT_NE(finding(found, "pcie-width-reduced"), nullptr);
  EXPECT_EQ(finding(found, "pcie-width-reduced")->severity, Severity::bad);
  EXPECT_EQ(finding(found, "pcie-width-reduced")->confidence, "likely");
  EXPECT_EQ(finding(found, "pcie-width-reduced")->component.name, "1b:00.0");
}

TEST(Pcie, SlotsThatAreAllNarrowAreARemark) {
  EXPECT_FALSE(diagnosed(lspci("1b:00.0", kGpuName, "32GT/s, Width x8 (downgraded)") +
                         lspci("43:00.0", kGpuName, "32GT/s, Width x8 (downgraded)") +
                         lspci("18:00.0", kNicName, "32GT/s, Width x16"))
                   .has_fault);
}

TEST(Pcie, ASpeedIsAFaultOfANicThatIsFarBelow) {
  EXPECT_TRUE(diagnosed(lspci("18:00.0", kNicName, "8GT/s (downgraded), Width x16")).has_fault);
  EXPECT_FALSE(diagnosed(lspci("18:00.0", kNicName, "16GT/s (downgraded), Width x16")).has_fault)
      << "a slot of the generation before";
  EXPECT_FALSE(diagnosed(lspci("1b:00.0", kGpuName, "2.5GT/s (downgraded), Width x16")).has_fault)
      << "an idle GPU";
}

TEST(Pcie, OtherDevicesAreNotJudged) {
  EXPECT_FALSE(diagnosed(lspci("02:00.0", "Ethernet controller: Intel Corporation I350", "5GT/s, Width x1") +
                         lspci("1a:00.0", "Audio device: NVIDIA Corporation GA102", "2.5GT/s, Width x8"))
                   .has_fault);
}

TEST(SmiQuery, OfAHealthyGpuAccusesNobody) {
  EXPECT_THAT(slugs("GPU 00000000:1B:00.0\n    GPU Recovery Action : None\n    PCI\n        GPU Link Info\n"
                    "            PCIe Generation\n                Max : 5\n                Current : 1\n"
                    "            Link Width\n                Max : 16x\n                Current : 16x\n"
                    "    ECC Errors\n        Aggregate\n            SRAM Threshold Exceeded : No\n"
                    "    Fabric\n        State : Completed\n        Status : Success\n        Health\n"
                    "            Bandwidth : Full\n            Route Recovery in progress : False\n"
                    "            Route Unhealthy : False\n            Access Timeout Recovery : False\n"),
              testing::IsEmpty());
}

TEST(NvLinks, ThatSentThousandsAgainAreLikelyAFault) {
  const auto log = [](const char* replay, const char* crc) {
    return "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n\t Link 1: Replay Errors: " + std::string(replay) +
           "\n\t Link 1: Recovery Errors: 0\n\t Link 1: CRC Errors: " + crc + "\n";
  };
  EXPECT_EQ(first(log("51234", "99123")), "nvlink-errors");
  EXPECT_FALSE(diagnosed(log("3", "17")).has_fault);
}

TEST(Mlxlink, BitsThatStayWrongAreOfTheCable) {
  const auto log = [](const char* ratio) {
    return "Operational Info\n----------------\nState : Active\nPhysical Counters and BER Info\n"
           "Effective Physical BER : " +
           std::string(ratio) + "\n";
  };
  ASSERT_EQ(first(log("2E-08")), "cable-fault");
  EXPECT_EQ(finding(diagnosed(log("2E-08")), "cable-fault")->confidence, "likely");
  EXPECT_FALSE(diagnosed(log("15E-255")).has_fault);
}

TEST(Links, ThatIsGoneOnAHostOfTheJobIsLikelyWhyAllRanksWait) {
  const std::string job =
      "node2:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 2 localRanks 1 localRank 0\n";
  const std::string wait = "[rank0]:[E] Watchdog caught collective operation timeout\n";
  const auto down = [](const char* host) {
    return "Nov 28 10:20:01 " + std::string(host) + " kernel: mlx5_core 0000:18:00.0 ib0: Link down\n";
  };
  const Diagnosis found = diagnosed(job + wait + down("node2"));
  EXPECT_EQ(found.findings.front().slug, "ib-port-error");
  EXPECT_EQ(found.findings.front().confidence, "likely");
  EXPECT_EQ(finding(found, "collective-timeout")->caused_by, "ib-port-error");
  EXPECT_NE(first(job + wait + down("node9")), "ib-port-error") << "no host of the job's";
  EXPECT_NE(first(job + wait + down("node2") +
                  "Nov 28 10:20:09 node2 kernel: mlx5_core 0000:18:00.0 ib0: Link up\n"),
            "ib-port-error")
      << "it came back";
  EXPECT_FALSE(diagnosed(job + down("node2")).has_fault) << "nobody waits";
}

TEST(OtherTools, ThatFoundAGpuFaultyAreBelieved) {
  EXPECT_EQ(first("Tested 2 GPUs:\n\tGPU 0: OK\n\tGPU 1: FAULTY\n"), "wrong-results");
  EXPECT_FALSE(diagnosed("GPU 0: OK\nthe GPU 1: FAULTY state is shown in red\n").has_fault);
  EXPECT_EQ(
      first(
          "[CUDA_ERROR_ECC_UNCORRECTABLE] uncorrectable ECC error encountered in expression cuMemcpyAsync\n"),
      "gpu-hardware-error");
  EXPECT_EQ(first("INTERNAL: CUDA_ERROR_CONTAINED: Invalid access of peer GPU memory over nvlink or a "
                  "hardware error\n"),
            "gpu-hardware-error");
}

TEST(Programs, ThatAskForAGpuThatIsNotThereAreToldSo) {
  const Diagnosis found = diagnosed("[rank6]: RuntimeError: CUDA error: invalid device ordinal\n");
  ASSERT_EQ(found.findings.front().slug, "cuda-error");
  EXPECT_THAT(found.findings.front().advice, HasSubstr("CUDA_VISIBLE_DEVICES"));
  EXPECT_THAT(found.findings.front().meaning, HasSubstr("of the program"));
  EXPECT_THAT(slugs(found), Not(Contains("p2p-failed-container")));
}

TEST(Gdr, OfANetworkThatPlacesDataInGpuMemoryIsNotMissed) {
  const auto log = [](const std::string& network) {
    const std::string front = "a1:10:20 [0] NCCL INFO ";
    return front + "Using network " + network + "\n" + front +
           "Channel 00/0 : 3[1] -> 0[0] [receive] via NET/" + network + "/0\n";
  };
  EXPECT_THAT(slugs(log("GPUDirectTCPX_v7")), Not(Contains("gdr-not-used")));
  EXPECT_THAT(slugs(log("IB")), Contains("gdr-not-used"));
}

TEST(NvLinks, ThatJoinAllGpusButOneAreAFault) {
  const auto matrix = [](const char* third, const char* fourth) {
    return "\tGPU0\tGPU1\tGPU2\tGPU3\tNIC0\tCPU Affinity\tNUMA Affinity\tGPU NUMA ID\n"
           "GPU0\t X \tNV18\tNV18\tSYS\tPIX\t0-55\t0\tN/A\nGPU1\tNV18\t X \tNV18\tSYS\tNODE\t0-55\t0\tN/A\n"
           "GPU2\t" +
           std::string(third) + "\tNODE\t0-55\t0\tN/A\nGPU3\t" + fourth +
           "\tNODE\t0-55\t0\tN/A\nNIC0\tPIX\tNODE\tNODE\tNODE\t X\n";
  };
  const Diagnosis found = diagnosed(matrix("NV18\tNV18\t X \tSYS", "SYS\tSYS\tSYS\t X "));
  ASSERT_NE(finding(found, "nvlink-down"), nullptr);
  EXPECT_EQ(finding(found, "nvlink-down")->severity, Severity::bad);
  EXPECT_EQ(finding(found, "nvlink-down")->component.name, "GPU3");
  EXPECT_THAT(slugs(matrix("NV18\tNV18\t X \tNV4", "SYS\tSYS\tNV4\t X ")), Not(Contains("nvlink-down")))
      << "joined otherwise";
  EXPECT_THAT(slugs("\tGPU0\tGPU1\tGPU2\nGPU0\t X \tNV4\tSYS\nGPU1\tNV4\t X \tSYS\nGPU2\tSYS\tSYS\t X \n"),
              Not(Contains("nvlink-down")))
      << "a bridge joins two";
  EXPECT_THAT(slugs("\tGPU0\tGPU1\tGPU2\tGPU3\tGPU4\nGPU0\t X \tNV4\tNV4\tSYS\tNV4\n"
                    "GPU1\tNV4\t X \tNV4\tSYS\tNV4\nGPU2\tNV4\tNV4\t X \tSYS\tNV4\n"
                    "GPU3\tSYS\tSYS\tSYS\t X \tSYS\nGPU4\tNV4\tNV4\tNV4\tSYS\t X \n"),
              Not(Contains("nvlink-down")))
      << "the fifth GPU of a workstation drives its display";
}

TEST(OtherTools, TheirWordsOfGpusAndSwitchesCount) {
  EXPECT_EQ(first("$ nvidia-smi\nNo devices were found\n"), "gpu-driver-down");
  EXPECT_FALSE(diagnosed("adb: No devices were found on USB\n").has_fault);
  const Diagnosis found = diagnosed(
      "[Nov 28 2026 10:00:01] [ERROR] [tid 1120] detected NVSwitch fatal error 20034 on fid 0 on NVSwitch "
      "pci "
      "bus id 00000000:86:00.0 physical id 10 port 33\n");
  ASSERT_NE(finding(found, "nvswitch-sxid"), nullptr);
  EXPECT_EQ(finding(found, "nvswitch-sxid")->component.name, "00000000:86:00.0");
}

TEST(FabricManager, ThatDidNotStartIsLikelyAFault) {
  const std::string failed =
      "Feb 18 10:20:13 h7 systemd[1]: nvidia-fabricmanager.service: Failed with result 'timeout'.\n"
      "Feb 18 10:20:13 h7 systemd[1]: Failed to start NVIDIA fabric manager service.\n";
  ASSERT_EQ(first(failed), "fabric-manager-down");
  EXPECT_EQ(finding(diagnosed(failed), "fabric-manager-down")->confidence, "likely");
  EXPECT_FALSE(diagnosed(failed + "Feb 18 10:21:13 h7 systemd[1]: Started NVIDIA fabric manager service.\n")
                   .has_fault);
  EXPECT_FALSE(diagnosed(failed + "nv-fabricmanager: [NV_WARN_NOTHING_TO_DO]\n").has_fault) << "no NVSwitch";
}

}  // namespace
}  // namespace fabricheck::diagnose
