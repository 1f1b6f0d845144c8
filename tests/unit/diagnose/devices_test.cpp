// What the kernel, lspci, ibstat and nvidia-smi say of devices: faults, and what healthy machines have, too.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kDown = "[ 9.0] mlx5_core 0000:18:00.0 ens1np0: Link down\n";
constexpr const char* kUp = "[ 9.1] mlx5_core 0000:18:00.0 ens1np0: Link up\n";

TEST(Links, ThatCameUpAreNoFault) {
  EXPECT_FALSE(diagnosed(std::string(kDown) + kUp).has_fault) << "as when a machine starts";
  EXPECT_FALSE(diagnosed("[ 1.0] ice 0000:4b:00.1 ens1f1: NIC Link is Down\n").has_fault)
      << "it may have no cable";
}

TEST(Links, ThatWereLostOrFlapAreAFault) {
  const Diagnosis lost = diagnosed(std::string(kUp) + kDown);
  ASSERT_NE(finding(lost, "link-flap"), nullptr);
  EXPECT_EQ(finding(lost, "link-flap")->severity, Severity::bad);
  EXPECT_THAT(finding(lost, "link-flap")->meaning, HasSubstr("did not come back"));
  EXPECT_EQ(finding(lost, "link-flap")->component.name, "0000:18:00.0");
  std::string flaps;
  for (int i = 0; i < 10; ++i) flaps += std::string(kDown) + kUp;
  const Diagnosis flapping = diagnosed(flaps);
  EXPECT_TRUE(flapping.has_fault);
  EXPECT_THAT(finding(flapping, "link-flap")->meaning, HasSubstr("10 times"));
}

TEST(Ports, OfAnotherLinkLayerAreNotTheFabrics) {
  const std::string fabric =
      "CA 'mlx5_0'\n\tPort 1:\n\t\tState: Active\n\t\tLink layer: InfiniBand\n"
      "CA 'mlx5_1'\n\tPort 1:\n\t\tState: Active\n\t\tLink layer: InfiniBand\n";
  const std::string beside =
      "CA 'mlx5_2'\n\tPort 1:\n\t\tState: Down\n\t\tPhysical state: Disabled\n\t\tLink layer: Ethernet\n";
  const Diagnosis found = diagnosed(fabric + beside);
  EXPECT_FALSE(found.has_fault);
  ASSERT_NE(finding(found, "port-down"), nullptr);
  EXPECT_THAT(finding(found, "port-down")->meaning, HasSubstr("whether this one should be"));
  EXPECT_TRUE(
      diagnosed(fabric +
                "CA 'mlx5_3'\n\tPort 1:\n\t\tState: Down\n\t\tPhysical state: Polling\n\t\tLink layer: "
                "InfiniBand\n")
          .has_fault);
  EXPECT_TRUE(diagnosed(beside).has_fault) << "nothing is up that it could be beside";
}

TEST(Ports, OfAnotherLinkLayerMayHaveASmallMtu) {
  const auto port = [](const char* name, const char* mtu, const char* layer) {
    return std::string("hca_id:\t") + name +
           "\n\t\t\tstate:\t\t\tPORT_ACTIVE (4)\n\t\t\tmax_mtu:\t\t4096 (5)\n" + "\t\t\tactive_mtu:\t\t" +
           mtu + "\n\t\t\tlink_layer:\t\t" + layer + "\n";
  };
  const std::string fabric =
      port("mlx5_0", "4096 (5)", "InfiniBand") + port("mlx5_2", "4096 (5)", "InfiniBand");
  EXPECT_FALSE(diagnosed(fabric + port("mlx5_1", "1024 (3)", "Ethernet")).has_fault);
  EXPECT_TRUE(diagnosed(fabric + port("mlx5_1", "1024 (3)", "InfiniBand")).has_fault);
}

TEST(NvLinks, OfCardsWithoutABridgeAreNoFault) {
  const std::string inactive = "\t Link 0: <inactive>\n\t Link 1: <inactive>\n";
  EXPECT_FALSE(diagnosed("GPU 0: NVIDIA GeForce RTX 3090 (UUID: GPU-1)\n" + inactive).has_fault);
  EXPECT_FALSE(diagnosed("GPU 0: NVIDIA A100 80GB PCIe (UUID: GPU-1)\n" + inactive).has_fault);
  const std::string active = "\t Link 0: 14.062 GB/s\n";
  EXPECT_FALSE(diagnosed("GPU 0: NVIDIA RTX A6000 (UUID: GPU-1)\n" + active +
                         "GPU 1: NVIDIA RTX A6000 (UUID: GPU-2)\n" + active +
                         "GPU 2: NVIDIA RTX A6000 (UUID: GPU-3)\n" + inactive)
                   .has_fault)
      << "a bridge joins two";
  EXPECT_FALSE(
      diagnosed("GPU 0: NVIDIA H100 NVL (UUID: GPU-1)\n" + active + "\t Link 1: <inactive>\n").has_fault);
  EXPECT_FALSE(diagnosed("GPU 0: NVIDIA GH200 144G HBM3e (UUID: GPU-1)\n" + inactive).has_fault);
  EXPECT_FALSE(diagnosed("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n" + inactive).has_fault)
      << "alone in a virtual machine";
}

TEST(NvLinks, OfWiredBoardsAreAFault) {
  const std::string inactive = "\t Link 0: <inactive>\n", active = "\t Link 0: 26.562 GB/s\n";
  const Diagnosis all = diagnosed("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n" + inactive +
                                  "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)\n" + inactive);
  EXPECT_TRUE(all.has_fault);
  const Diagnosis one = diagnosed("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n" + active +
                                  "GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-2)\n" + inactive);
  ASSERT_NE(finding(one, "nvlink-down"), nullptr);
  EXPECT_EQ(finding(one, "nvlink-down")->component.name, "GPU1");
  EXPECT_EQ(finding(one, "nvlink-down")->severity, Severity::bad);
}

TEST(NvLinks, ErrorCountersAreNoState) {
  EXPECT_THAT(slugs("GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\n\t Link 0: Replay Errors: 0\n"),
              Not(Contains("nvlink-down")));
}

TEST(SXids, ThatAreNonFatalAreRemarks) {
  const std::string data = "nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 22013, Data {0x2b, 0x2b}\n";
  const std::string words =
      "nvidia-nvswitch3: SXid (PCI:0000:04:00.0): 22013, Non-fatal, Link 44 Minion Link DLREQ "
      "interrupt\nnvidia-nvswitch3: SXid (PCI:0000:04:00.0): 22013, Severity 0 Engine instance 44\n";
  EXPECT_FALSE(diagnosed(data + words).has_fault);
  EXPECT_TRUE(diagnosed(data).has_fault) << "without its words nothing says that it is harmless";
}

std::string xid(int number, const char* rest) {
  return "NVRM: Xid (PCI:0000:86:00): " + std::to_string(number) + ", " + rest + "\n";
}

TEST(PcieErrors, ThatAreFatalNameTheDeviceThatHadThem) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.1] pcieport 0000:64:01.0: AER: Uncorrectable (Fatal) error message received from 0000:65:00.0\n"
      "[ 9.1] mlx5_core 0000:65:00.0: PCIe Bus Error: severity=Uncorrectable (Fatal), type=Transaction "
      "Layer\n");
  const Finding* found = finding(diagnosis, "pcie-fatal-error");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->component.name, "0000:65:00.0");
  EXPECT_EQ(found->evidence.size(), 2U);
}

TEST(PcieErrors, ThatWereCorrectedOrNotFatalAccuseNobody) {
  for (const char* line :
       {"pcieport 0000:64:01.0: AER: Corrected error received: 0000:65:00.0",
        "nvidia 0000:18:00.0: PCIe Bus Error: severity=Corrected, type=Physical Layer, (Receiver ID)",
        "pcieport 0000:00:01.0: PCIe Bus Error: severity=Uncorrected (Non-Fatal), type=Transaction Layer",
        "journalctl -k | grep 'severity=Uncorrected (Fatal)'"})
    EXPECT_FALSE(diagnosed(std::string(line) + "\n").has_fault) << line;
}

TEST(PcieErrors, OfADiskThatWasPulledAreARemark) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.1] pcieport 0000:00:01.4: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer\n"
      "[ 9.1] nvme 0000:02:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer\n");
  EXPECT_FALSE(diagnosis.has_fault);
  ASSERT_NE(finding(diagnosis, "pcie-fatal-error"), nullptr);
}

TEST(PcieErrors, ADeviceThatOtherLinesKnowIsNamed) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.0] pcieport 0000:64:01.0: DPC: containment event, status:0x000d, ERR_FATAL received from "
      "0000:65:00.0\n"
      "[ 9.1] mlx5_core 0000:65:00.0: Port module event: module 0, Cable plugged\n"
      "[ 9.2] mlx5_core 0000:65:00.0 ens1np0: Link down\n");
  ASSERT_NE(finding(diagnosis, "pcie-fatal-error"), nullptr);
  EXPECT_EQ(finding(diagnosis, "pcie-fatal-error")->severity, Severity::bad);
}

TEST(PcieErrors, TheFabricsDevicesComeFirst) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.1] ahci 0000:01:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction Layer\n"
      "[ 9.1] mlx5_core 0000:65:00.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction "
      "Layer\n");
  EXPECT_EQ(finding(diagnosis, "pcie-fatal-error")->component.name, "0000:65:00.0");
}

TEST(PcieErrors, OlderKernelsTellBusAndDeviceInOneNumber) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.1] pcieport 0000:00:02.0: AER: Uncorrected (Fatal) error received: id=0210\n"
      "[ 9.1] mlx5_core 0000:02:02.0: PCIe Bus Error: severity=Uncorrected (Fatal), type=Transaction "
      "Layer\n");
  EXPECT_EQ(finding(diagnosis, "pcie-fatal-error")->component.name, "0000:02:02.0");
  EXPECT_EQ(finding(diagnosis, "pcie-fatal-error")->evidence.size(), 2U);
}

TEST(NicFaults, OfMlx5sHealthAndFirmwareAreFound) {
  for (const char* line : {"mlx5_core 0000:18:00.0: poll_health:825:(pid 0): Fatal error 3 detected",
                           "mlx5_core 0000:18:00.0: print_health_info:430:(pid 0): Health issue observed, "
                           "firmware internal error, "
                           "severity(3) ERROR:",
                           "mlx5_core 0000:18:00.0: wait_func:1195:(pid 19): ENABLE_HCA(0x104) timeout. Will "
                           "cause a leak of a command "
                           "resource"}) {
    const Diagnosis diagnosis = diagnosed(std::string(line) + "\n");
    const Finding* found = finding(diagnosis, "ib-device-fatal");
    ASSERT_NE(found, nullptr) << line;
    EXPECT_EQ(found->component.name, "0000:18:00.0") << line;
  }
}

TEST(NicFaults, AreNotThoseOfOtherDevicesOrOfUnloading) {
  for (const char* line : {"megaraid_sas 0000:c1:00.0: Fatal error detected on device 5",
                           "usb 1-1: net device eth0: TX timeout detected",
                           "mlx5_core 0000:18:00.0: wait_func:1195:(pid 19): TEARDOWN_HCA(0x103) timeout. "
                           "Will cause a leak of a command "
                           "resource",
                           "mlx5_core 0000:18:00.0: poll_health:840:(pid 0): device's health counter moves"})
    EXPECT_FALSE(diagnosed(std::string(line) + "\n").has_fault) << line;
}

TEST(TxTimeouts, OfOtherNicsAreNotTheFabrics) {
  EXPECT_FALSE(diagnosed("NETDEV WATCHDOG: eno1 (tg3): transmit queue 0 timed out\n").has_fault);
  EXPECT_FALSE(
      diagnosed("tg3 0000:02:00.0 eno1: NETDEV WATCHDOG: CPU: 8: transmit queue 1 timed out 5120 ms\n")
          .has_fault);
}

TEST(TxTimeouts, AreFoundInTheWordsOfEachDriverAndKernel) {
  const std::pair<const char*, const char*> said[] = {
      {"NETDEV WATCHDOG: ens1np0 (mlx5_core): transmit queue 23 timed out", "ens1np0"},
      {"NETDEV WATCHDOG: eth2 (mlx4_core): transmit queue 5 timed out 5123 ms", "eth2"},
      {"ice 0000:b1:00.0 ens801f0np0: NETDEV WATCHDOG: CPU: 38: transmit queue 14 timed out 80692 ms",
       "0000:b1:00.0"},
      {"ice 0000:b1:00.0 ens801f0np0: tx_timeout: VSI_num: 6, Q 14, NTC: 0x0", "0000:b1:00.0"},
      {"mlx5_core 0000:18:00.0 ens1np0: TX timeout on queue: 3, SQ: 0x1, CQ: 0x2", "0000:18:00.0"}};
  for (const auto& [line, device] : said) {
    const Diagnosis diagnosis = diagnosed(std::string(line) + "\n");
    const Finding* found = finding(diagnosis, "nic-tx-timeout");
    ASSERT_NE(found, nullptr) << line;
    EXPECT_EQ(found->component.name, device) << line;
  }
}

TEST(Xids, ThatTheCatalogueIgnoresOrGivesToTheProgramAccuseNobody) {
  for (const int number : {37, 121, 137, 8, 96})
    EXPECT_FALSE(diagnosed(xid(number, "x")).has_fault) << number;
  EXPECT_FALSE(diagnosed(xid(154, "GPU recovery action changed from 0x1 (GPU Reset Required) to 0x0 (None)"))
                   .has_fault);
  EXPECT_TRUE(diagnosed(xid(154, "GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"))
                  .has_fault);
  EXPECT_FALSE(diagnosed(xid(145, "RLW_REMAP Nonfatal XC0 i0 Link 13")).has_fault);
  EXPECT_THAT(finding(diagnosed(xid(146, "Fatal")), "gpu-xid")->meaning, HasSubstr("an NVLink error"));
}

TEST(Xids, OfSeveralGpusNameEach) {
  const std::string log =
      "NVRM: Xid (PCI:0000:dc:00): 45, pid=1, Ch 1 caused by previous Xid 149\n"
      "NVRM: Xid (PCI:0000:ed:00): 45, pid=2, Ch 1 caused by previous Xid 145\n"
      "NVRM: Xid (PCI:0000:3d:00): 43, pid=3, Ch 1\n";
  std::vector<std::string> accused;
  for (const Finding& one : diagnosed(log).findings)
    if (one.severity != Severity::info) accused.push_back(one.component.name);
  EXPECT_THAT(accused, testing::ElementsAre("0000:dc:00", "0000:ed:00"));
  const Diagnosis remarks =
      diagnosed("NVRM: Xid (PCI:0000:3d:00): 43, pid=1\nNVRM: Xid (PCI:0000:db:00): 31, pid=2\n");
  EXPECT_EQ(finding(remarks, "gpu-xid")->component.name, "0000:3d:00 and 1 more");
}

TEST(Xids, AContextThatDidNotStopAfterAFaultOfTheProgramIsNotTheGpus) {
  const std::string fault = xid(13, "Graphics SM Warp Exception"),
                    timeout = xid(109, "errorString CTX SWITCH TIMEOUT");
  EXPECT_FALSE(diagnosed(fault + timeout).has_fault);
  EXPECT_THAT(finding(diagnosed(fault + timeout), "gpu-xid")->advice, HasSubstr("program first"));
  EXPECT_TRUE(diagnosed(timeout).has_fault);
  EXPECT_TRUE(diagnosed(timeout + fault).has_fault) << "it came first";
}

TEST(Xids, OfALinkMayBeOfItsOtherEnd) {
  const Diagnosis fatal = diagnosed(xid(149, "NETIR_LINK_EVT Fatal XC0 i0 Link 00 (0x025001c6)"));
  EXPECT_EQ(finding(fatal, "gpu-xid")->confidence, "likely");
  EXPECT_THAT(finding(fatal, "gpu-xid")->advice, HasSubstr("both ends"));
  const Diagnosis minor = diagnosed(xid(145, "RLW_RXPIPE Nonfatal XC0 i0 Link 13 (0x0409a0c2)"));
  EXPECT_FALSE(minor.has_fault);
  EXPECT_THAT(finding(minor, "gpu-xid")->advice, HasSubstr("Nothing at once"));
}

TEST(Xids, AreToldApart) {
  const Diagnosis program = diagnosed(xid(31, "pid=1, name=python, MMU Fault"));
  EXPECT_FALSE(program.has_fault);
  EXPECT_THAT(finding(program, "gpu-xid")->meaning, HasSubstr("XID 31: a page fault"));
  const Diagnosis lost =
      diagnosed(xid(45, "pid=1, caused by previous Xid 79") + xid(79, "GPU has fallen off"));
  EXPECT_EQ(finding(lost, "gpu-xid")->severity, Severity::fatal);
  EXPECT_EQ(finding(lost, "gpu-xid")->component.name, "0000:86:00");
  EXPECT_THAT(finding(lost, "gpu-xid")->meaning, HasSubstr("XID 79: the GPU fell off the PCIe bus"));
  EXPECT_TRUE(diagnosed(xid(999, "something new")).has_fault) << "what is not known is no remark";
}

constexpr const char* kBridge =
    "64:00.0 PCI bridge: Intel Corporation Device 347a (rev 04)\n"
    "\tBus: primary=64, secondary=65, subordinate=66, sec-latency=0\n"
    "\t\tACSCtl:\tSrcValid+ TransBlk- ReqRedir+ CmpltRedir+ UpstreamFwd+ EgressCtrl- DirectTrans-\n";

TEST(Acs, CountsOnBridgesAboveGpusAndNics) {
  EXPECT_FALSE(
      diagnosed(std::string(kBridge) + "65:00.0 Non-Volatile memory controller: Samsung\n").has_fault);
  EXPECT_TRUE(diagnosed(std::string(kBridge) + "65:00.0 Infiniband controller: Mellanox\n"
                                               "66:00.0 3D controller: NVIDIA Corporation GH100\n")
                  .has_fault);
  EXPECT_FALSE(
      diagnosed(std::string(kBridge) + "66:00.0 3D controller: NVIDIA Corporation AD102\n").has_fault)
      << "its traffic has no other way";
  EXPECT_FALSE(diagnosed(std::string(kBridge) + "65:00.0 Non-Volatile memory controller: Samsung\n" +
                         "0000:86:00.0 3D controller: NVIDIA Corporation GH100\n")
                   .has_fault);
}

TEST(Iommu, FaultsOfOtherDevicesAccuseNobody) {
  const std::string display = "DMAR: [DMA Read NO_PASID] Request device [00:02.0] fault addr 0x7000\n";
  EXPECT_FALSE(diagnosed(display).has_fault);
  EXPECT_FALSE(
      diagnosed("AMD-Vi: Event logged [IO_PAGE_FAULT device=03:00.3 domain=0x000f] xhci_hcd\n").has_fault);
  EXPECT_FALSE(
      diagnosed(xid(31, "MMU Fault") + "AMD-Vi: Event logged [IO_PAGE_FAULT device=86:00.3] xhci_hcd\n")
          .has_fault)
      << "the USB controller of the same card";
  EXPECT_TRUE(diagnosed("DMAR: [DMA Read NO_PASID] Request device [18:00.0] fault addr 0x7000\n"
                        "mlx5_core 0000:18:00.0 ens1np0: Link up\n")
                  .has_fault);
  EXPECT_TRUE(
      diagnosed(
          "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 86000 commId 0x65 - "
          "Init START\nAMD-Vi: Event logged [IO_PAGE_FAULT device=86:00.0 domain=0x000f]\n")
          .has_fault);
}

TEST(SmiQuery, OfAHealthyGpuFindsNothing) {
  const std::string query =
      "GPU 00000000:1B:00.0\n    Fabric\n        State         : Completed\n        Status        : Success\n"
      "    Remapped Rows\n        Correctable Error     : 3\n        Uncorrectable Error   : 0\n        "
      "Pending       : "
      "No\n        Remapping Failure Occurred : No\n    Retired Pages\n        Single Bit ECC  : 60\n        "
      "Pending "
      "Page Blacklist : No\n    ECC Errors\n        Volatile\n            SRAM Uncorrectable    : 0\n        "
      "Aggregate\n            SRAM Uncorrectable    : 4\n    Clocks Event Reasons\n        HW Thermal "
      "Slowdown : Not "
      "Active\n        SW Power Cap : Active\n";
  EXPECT_THAT(slugs(query), testing::IsEmpty());
  EXPECT_FALSE(
      diagnosed("GPU 00000000:1B:00.0\n    Fabric\n        State : N/A\n        Status : N/A\n").has_fault);
}

TEST(PortCounters, OfALosslessNetworkArePausesAndNoErrors) {
  EXPECT_THAT(slugs("NIC statistics:\n     rx_packets: 812\n     tx_prio3_pause: 9123123\n     "
                    "rx_discards_phy: 0\n     "
                    "np_cnp_sent: 77\n"),
              testing::IsEmpty());
  EXPECT_THAT(slugs("     rx_discards_phy: 12\n"), testing::IsEmpty()) << "without its tool's first line";
}

TEST(MlxLink, OfAGoodCableFindsNothing) {
  EXPECT_THAT(
      slugs("Operational Info\n----------------\nState                              : Active\n"
            "Troubleshooting Info\n--------------------\nRecommendation                     : No issue was "
            "observed\n"),
      testing::IsEmpty());
}

const std::string kFront = " NCCL INFO ";

std::string complete(const std::string& host, int ranks) {
  std::string log;
  for (int rank = 0; rank < ranks; ++rank) {
    const std::string front = host + ":10:20 [" + std::to_string(rank) + "]" + kFront;
    log += front + "Using network Socket\n" + front + "Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n" + front +
           "comm 0x5 rank " + std::to_string(rank) + " nranks " + std::to_string(ranks) + " cudaDev " +
           std::to_string(rank) + " busId 1c000 - Init COMPLETE\n";
  }
  return log;
}

TEST(Span, JobsOfOneNodeEachAreNotOneJobOfTwo) {
  EXPECT_FALSE(diagnosed(complete("n1", 2) + complete("n2", 2)).has_fault);
  EXPECT_TRUE(diagnosed(complete("n1", 2) + "n1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [send] via "
                                            "NET/Socket/0\n")
                  .has_fault);
}

TEST(Span, TornLinesAreNoHost) {
  const Observations seen =
      observed("g183:161264:166015g183:161258:166018 [1] NCCL INFO Using network Socket\n");
  for (const RankFacts& rank : seen.ranks) EXPECT_EQ(rank.host, 0);
}

TEST(Span, OneRanksLogWithoutAChannelBetweenNodesAccusesNobody) {
  const std::string front = "n1:10:20 [3]" + kFront;
  EXPECT_FALSE(diagnosed(front + "Using network Socket\n" + front +
                         "Channel 00 : 3[3] -> 0[0] via P2P/IPC\n" + front +
                         "comm 0x5 rank 3 nranks 4 cudaDev 3 nvmlDev 3 - Init COMPLETE\n")
                   .has_fault);
}

TEST(Gdr, IsMissedOnTheHostThatLacksIt) {
  const auto receive = [](const char* host, const char* path) {
    return std::string(host) + ":10:20 [0] NCCL INFO Channel 00/0 : 8[0] -> 0[0] [receive] via NET/IB/0" +
           path + "\n";
  };
  const Diagnosis found = diagnosed(receive("n1", "/GDRDMA") + receive("n2", ""));
  ASSERT_NE(finding(found, "gdr-not-used"), nullptr);
  EXPECT_EQ(finding(found, "gdr-not-used")->component.host, "n2");
  EXPECT_TRUE(found.has_fault);
  EXPECT_EQ(finding(diagnosed(receive("n1", "/GDRDMA") + receive("n2", "/GDRDMA") + receive("n2", "")),
                    "gdr-not-used"),
            nullptr);
}

// A file that holds two runs of one process number, or a line that names the network anew.
TEST(Gdr, AChannelBelongsToTheNetworkThatItsOwnLineNames) {
  const std::string socket =
      "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [receive] via NET/Socket/0\n";
  const std::string rdma = "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 8[0] [receive] via NET/IB/0\n";
  const std::string renamed = "a1:10:20 [0] NCCL INFO Using network IB\n";
  EXPECT_EQ(finding(diagnosed(socket + renamed), "gdr-not-used"), nullptr);
  const Diagnosis both = diagnosed(socket + rdma);
  ASSERT_NE(finding(both, "gdr-not-used"), nullptr);
  ASSERT_FALSE(finding(both, "gdr-not-used")->evidence.empty());
  EXPECT_EQ(finding(both, "gdr-not-used")->evidence.front().line, 2);
}

TEST(Sockets, TheFirstInterfaceIsTheOneThatControlConnectionsTake) {
  const auto log = [](const char* interfaces) {
    return std::string("a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB ") + interfaces +
           "\na1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 2 localRanks 1 localRank 0 MNNVL 0\n";
  };
  EXPECT_THAT(slugs(log("[0]ens5:10.1.1.1<0> [1]virbr0:192.168.122.1<0>")), Not(Contains("wrong-interface")));
  const Diagnosis found = diagnosed(log("[0]virbr0:192.168.122.1<0> [1]ens5:10.1.1.1<0>"));
  ASSERT_NE(finding(found, "wrong-interface"), nullptr);
  EXPECT_EQ(finding(found, "wrong-interface")->component.name, "[0]virbr0:192.168.122.1");
}

TEST(Sockets, ThatNcclAbortedAreAnEcho) {
  EXPECT_EQ(first("a1:10:20 [0] misc/socket.cc:1 NCCL WARN socketStartConnect: Connect to 10.1.1.2<40> "
                  "failed : Software "
                  "caused connection abort\n"),
            "remote-peer-lost");
  EXPECT_EQ(first("a1:10:20 [0] misc/socket.cc:1 NCCL WARN socketStartConnect: Connect to 127.0.0.1<40> "
                  "failed : Software "
                  "caused connection abort\n"),
            "wrong-interface");
}

TEST(Gdr, ADmabufThatIsRefusedHasItsOwnMend) {
  const Diagnosis found = diagnosed(
      "a1:10:20 [0] misc/ibvwrap.cc:1 NCCL WARN Call to ibv_reg_dmabuf_mr failed with error Operation not "
      "supported\n");
  ASSERT_NE(finding(found, "mr-registration-failed"), nullptr);
  EXPECT_THAT(finding(found, "mr-registration-failed")->advice, HasSubstr("NCCL_DMABUF_ENABLE=0 with"));
}

TEST(Ofi, APluginThatIsPassedOverIsNoFault) {
  EXPECT_FALSE(diagnosed("a1:10:20 [0] x.cc:1 NCCL WARN NET/OFI Only EFA provider is supported\n"
                         "a1:10:20 [0] NCCL INFO Using network IB\n")
                   .has_fault);
}

TEST(Ofi, APluginThatFailedIsWhySocketsAreUsed) {
  const Diagnosis diagnosis = diagnosed(
      "a1:10:20 [0] nccl_ofi_ofiutils_init_connection:274 NCCL WARN NET/OFI Couldn't open CQ. RC: -22\n"
      "a1:10:20 [0] NCCL INFO Using network Socket\n");
  ASSERT_NE(finding(diagnosis, "ofi-call-failed"), nullptr);
  EXPECT_EQ(finding(diagnosis, "ofi-call-failed")->severity, Severity::bad) << "NCCL went on";
}

TEST(Nvls, IsNotAccusedWhereCudaDoesNotStart) {
  const std::string start = "a1:10:20 [0] init.cc:263 NCCL WARN Cuda failure 'initialization error'\n";
  const std::string later =
      "a1:10:20 [0] transport/nvls.cc:157 NCCL WARN Cuda failure 1 'initialization error'\n";
  EXPECT_THAT(slugs(start + later), Not(Contains("nvls-failed")));
  EXPECT_THAT(slugs(start + later), Contains("cuda-error"));
}

TEST(Iommu, AFaultOfAGpuIsToldByItsDriver) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.1] nvidia 0000:07:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000d address=0x0 "
      "flags=0x0020]\n");
  ASSERT_NE(finding(diagnosis, "iommu-fault"), nullptr);
  EXPECT_EQ(finding(diagnosis, "iommu-fault")->severity, Severity::bad);
  EXPECT_EQ(finding(diagnosis, "iommu-fault")->component.name, "07:00.0");
}

TEST(Completions, ThatWereFlushedAccuseNoNic) {
  const Diagnosis diagnosis = diagnosed(
      "a1:10:20 [0] net_ib.cc:1007 NCCL WARN NET/IB : Got completion from peer 10.1.1.3<4> with error 5, "
      "opcode 0\n");
  ASSERT_NE(finding(diagnosis, "ib-work-request-error"), nullptr);
  EXPECT_EQ(finding(diagnosis, "ib-work-request-error")->confidence, "possible");
  EXPECT_EQ(finding(diagnosis, "ib-work-request-error")->component.host, "");
}

TEST(Interfaces, ThatLeadNowhereAreNamedWhereConnectionsTimeOut) {
  const std::string list =
      "a1:10:20 [0] NCCL INFO NET/Socket : Using [0]eno1:10.0.0.1<0> "
      "[1]veth25f2e72:fe80::380d:bfff:fe5b:54d2%veth25f2e72<0>\n"
      "a1:10:20 [0] NCCL INFO Using network Socket\n"
      "a1:10:20 [0] NCCL INFO Channel 00 : 0[18000] -> 1[18000] [receive] via NET/Socket/1\n";
  const Diagnosis diagnosis =
      diagnosed(list + "a1:10:20 [0] NCCL INFO Call to connect returned Connection timed out, retrying\n");
  ASSERT_NE(finding(diagnosis, "wrong-interface"), nullptr);
  EXPECT_THAT(finding(diagnosis, "wrong-interface")->component.name, HasSubstr("veth25f2e72"));
  EXPECT_THAT(slugs(list), Not(Contains("wrong-interface"))) << "it may not be used";
}

TEST(Interfaces, OfOpenMpiAreNamedToOpenMpi) {
  const Diagnosis diagnosis = diagnosed(
      "[n1][[38971,1],2][btl_tcp_endpoint.c:796:mca_btl_tcp_endpoint_complete_connect] connect() to "
      "172.17.0.1 failed: Connection refused (111)\n");
  ASSERT_NE(finding(diagnosis, "wrong-interface"), nullptr);
  EXPECT_THAT(finding(diagnosis, "wrong-interface")->advice, HasSubstr("btl_tcp_if_include"));
}

}  // namespace
}  // namespace fabricheck::diagnose
