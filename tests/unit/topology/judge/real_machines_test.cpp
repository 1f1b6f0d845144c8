// Healthy machines that look ill at first sight, and ill ones that must not pass for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/platform_machines.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

Judged devices(const Host& host) { return judge_devices(merge_hosts({host})); }

Judged consistency(std::vector<Host> hosts) { return judge_consistency(merge_hosts(std::move(hosts))); }

PciNode& node_at(Host& host, const std::string& address) {
  for (PciNode& node : host.pci)
    if (node.address == address) return node;
  throw std::out_of_range(address);
}

void expect_only_info(const Judged& judged, const std::string& slug) {
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  ASSERT_EQ(judged.findings.size(), 1U) << judged.check.reason;
  EXPECT_EQ(judged.findings[0].slug, slug);
  EXPECT_EQ(judged.findings[0].severity, Severity::info);
}

/// `number` cards, of which those of each pair are joined by this many of `links` NVLinks.
Host bridged_cards(int number, int links, const std::vector<int>& active) {
  Host host = sample::host(0);
  host.gpus.resize(static_cast<std::size_t>(number));
  std::erase_if(host.pci, [](const PciNode& node) { return node.kind == "nvswitch"; });
  for (std::size_t i = 0; i < host.gpus.size(); ++i) {
    Gpu& gpu = host.gpus[i];
    gpu.name = "NVIDIA H100 NVL";
    gpu.fabric.reset();
    gpu.nvlinks.clear();
    for (int link = 0; link < links; ++link) {
      const bool is_active = link < active[i / 2];
      gpu.nvlinks.push_back({link, is_active, 4, 26.562, is_active ? "gpu" : "",
                             is_active ? host.gpus[i ^ 1U].pci_address : ""});
    }
  }
  return host;
}

TEST(VirtualMachines, BridgesThatTheHypervisorMakesUpAreNotJudged) {
  Host host = sample::host(0);
  host.environment.hypervisor = "KVM";
  for (RdmaDevice& nic : host.rdma_devices) nic.virtual_function = true;
  // QEMU's port says x1 at 2.5 GT/s above a virtual function, which tells no link of its own.
  node_at(host, "0000:15:00.0").link = {{}, {}, 32.0, 16};
  node_at(host, "0000:14:00.0").link = {2.5, 1, 16.0, 32};
  const Judged judged = devices(host);
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_THAT(judged.findings, IsEmpty());
  host.environment.hypervisor = "none";
  EXPECT_EQ(devices(host).check.verdict, Verdict::fail) << "on bare metal a port is believed";
}

TEST(VirtualMachines, AMadeUpPortDoesNotHideThatAGpuHasFewerLanesThanItsSiblings) {
  Host host = sample::host(0);
  host.environment.hypervisor = "KVM";
  node_at(host, "0000:12:00.0").link = {2.5, 1, 2.5, 1};
  host.gpus[0].pcie.width = 8;
  const Judged judged = devices(host);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU0 of node0: PCIe width x8 of x16"));
}

TEST(VirtualMachines, LanesThatTheSlotMayNotHaveAreNotDecided) {
  Host host = sample::host(0);
  host.environment.hypervisor = "Amazon EC2";
  for (Gpu& gpu : host.gpus) gpu.pcie.width = 8;
  node_at(host, "0000:15:00.0").link.speed_GTps = 16;
  const Judged judged = devices(host);
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << judged.check.reason;
  EXPECT_THAT(judged.findings, IsEmpty());
  EXPECT_THAT(judged.check.reason, HasSubstr("PCIe x8 of x16, and a virtual machine does not show its slot"));
  EXPECT_THAT(judged.check.reason, HasSubstr("mlx5_0 of node0: PCIe 16 of 32 GT/s"));
}

TEST(Mig, GpusThatAreSplitUseNoNvLink) {
  Host host = sample::host(0);
  for (Gpu& gpu : host.gpus) {
    gpu.mig_enabled = true;
    for (NvLink& link : gpu.nvlinks) link.active = false;
  }
  const Judged judged = devices(host);
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU[0-7] of node0: its NVLinks, which MIG does not use"));
  Expectation expected;
  expected.nvlinks_per_gpu = 18;
  expected.nvlink_islands = 1;
  const Judged asked = judge_expectation(merge_hosts({host}), expected);
  EXPECT_EQ(asked.check.verdict, Verdict::inconclusive) << asked.check.reason;
}

TEST(Bridges, APairWithoutOneIsNotAccused) {
  const Judged judged = devices(bridged_cards(4, 12, {12, 0}));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU[2-3] of node0: 0 of 12 NVLinks are active"));
  EXPECT_EQ(devices(bridged_cards(4, 12, {12, 12})).check.verdict, Verdict::pass);
}

TEST(Bridges, LinksThatNoBridgeOfTheHostUsesAreNotDecided) {
  const Judged judged = devices(bridged_cards(4, 18, {12, 12}));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << judged.check.reason;
  EXPECT_THAT(judged.findings, IsEmpty());
}

TEST(Bridges, APairWithFewerLinksThanAnotherIsAtFault) {
  const Judged judged = devices(bridged_cards(4, 12, {12, 8}));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 8.0);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU2 NVLink"));
}

TEST(Fabric, AnIncorrectConfigurationIsAFault) {
  Host host = sample::host(0);
  host.gpus[1].fabric->health_mask = 0x400;  // no partition
  const Judged judged = devices(host);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPU1 of node0: NVLink fabric health: its configuration is"));
  host.gpus[1].fabric->health_mask = 0x1aa;  // asked, and nothing is wrong
  EXPECT_EQ(devices(host).check.verdict, Verdict::pass);
}

TEST(CloudConsistency, AnEthernetFunctionBesideInfiniBandComesAndGoes) {
  std::vector<Host> hosts = sample::hosts(8);
  for (Host& host : hosts) {
    host.environment.hypervisor = "Microsoft Hyper-V";
    for (RdmaDevice& nic : host.rdma_devices) {
      nic.virtual_function = true;
      nic.ports[0].link_layer = "InfiniBand";
    }
    RdmaDevice beside = sample::nic(8, 0);
    beside.virtual_function = true;
    beside.pci_address = fmt::format("{:04x}:00:02.0", 0xa000 + (&host - hosts.data()));
    beside.ports[0].rate_Gbps = 40;
    host.rdma_devices.push_back(beside);
  }
  EXPECT_THAT(consistency(hosts).findings, IsEmpty());
  const Expectation expected = expectation_from(hosts[0]);
  ASSERT_EQ(expected.nics.size(), 1U);
  EXPECT_EQ(expected.nics[0].count, 8);
  hosts[5].rdma_devices.pop_back();
  expect_only_info(consistency(hosts), "nic-beside-missing");
  hosts[5].rdma_devices.pop_back();
  const Judged lost = consistency(hosts);
  EXPECT_EQ(lost.check.verdict, Verdict::fail);
  EXPECT_THAT(lost.check.reason, HasSubstr("node5: RDMA NICs: 7 instead of 8"));
}

TEST(Settings, WhatIsNotInTheWayIsNoFault) {
  std::vector<Host> hosts = sample::hosts(8);
  hosts[3].environment.iommu = "off";
  expect_only_info(consistency(hosts), "iommu-mode-mismatch");
  for (Host& host : hosts) host.environment.iommu = "translated";
  hosts[3].environment.iommu = "passthrough";
  expect_only_info(consistency(hosts), "iommu-mode-mismatch");
  hosts = sample::hosts(8);
  for (std::size_t i = 0; i < 7; ++i) hosts[i].pci[2].acs = true;
  expect_only_info(consistency(hosts), "acs-off");
}

TEST(Settings, DmabufThatIsNotKnownIsNotCalledMissing) {
  std::vector<Host> hosts = sample::hosts(8);
  hosts[3].environment.modules.erase("nvidia_peermem");
  hosts[3].environment.dmabuf.reset();
  const Judged judged = consistency(hosts);
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr("not known on node3: GPUDirect RDMA by"));
}

TEST(Ports, SizesOfAPortThatIsDownMeanNothing) {
  std::vector<Host> hosts = sample::hosts(8);
  for (Host& host : hosts) host.rdma_devices[7].ports[0].state = "DOWN";
  hosts[2].rdma_devices[7].ports[0].net_mtu_bytes = 1500;
  EXPECT_THAT(consistency(hosts).findings, IsEmpty());
}

TEST(Ports, TheMtuOfIpoverIbIsNotThatOfRdma) {
  std::vector<Host> hosts = sample::hosts(8);
  for (Host& host : hosts)
    for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].link_layer = "InfiniBand";
  hosts[2].rdma_devices[7].ports[0].net_mtu_bytes = 2044;
  expect_only_info(consistency(hosts), "ipoib-mtu-mismatch");
}

TEST(Memory, WhatTheKernelKeepsAndWhatGpusBringIsNoLostModule) {
  std::vector<Host> hosts = sample::hosts(8);
  for (std::size_t i = 0; i < hosts.size(); ++i)
    for (int node = 0; node < 4; ++node)
      hosts[i].numa_nodes.push_back({node + 2, "", std::uint64_t{i == 3 && node == 2 ? 0U : 186U} << 30});
  hosts[4].numa_nodes[0].memory_bytes -= std::uint64_t{32} << 30;  // 1.6 %
  EXPECT_THAT(consistency(hosts).findings, IsEmpty());
  hosts[4].numa_nodes[0].memory_bytes -= std::uint64_t{64} << 30;
  EXPECT_EQ(consistency(hosts).check.verdict, Verdict::fail);
}

TEST(Layouts, AnotherMainboardHasTheSameNicsInAnotherOrder) {
  std::vector<Host> hosts = sample::hosts(9);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    RdmaDevice storage = sample::nic(8, static_cast<int>(i));
    storage.board = "MT_0000000765";
    storage.pci_address = "0000:f0:00.0";
    storage.ports[0].rate_Gbps = 200;
    auto& nics = hosts[i].rdma_devices;
    const bool other_unit = i >= 6;
    nics.insert(other_unit ? nics.begin() : nics.end(), storage);
    if (!other_unit) continue;
    for (RdmaDevice& nic : nics) nic.pci_address[3] = '1';
  }
  const Judged judged = consistency(hosts);
  for (const Finding& finding : judged.findings)
    EXPECT_EQ(finding.slug.find("nic-rate") == 0 || finding.slug.find("nic-board") == 0, false)
        << judged.check.reason;
  hosts[7].rdma_devices[4].ports[0].rate_Gbps = 200;
  EXPECT_THAT(consistency(hosts).check.reason, HasSubstr("rate 200 Gb/s instead of 400 Gb/s"));
}

Judged platform(const Host& host) { return judge_platform(merge_hosts({host}), machines::built_in(), ""); }

TEST(OtherMachines, FourGpusJoinedDirectlyAreNoHalfOfEight) {
  Host host = machines::machine("node1", "NVIDIA H100 80GB HBM3", 4, 18, "10de:2330");
  for (std::size_t i = 0; i < 4; ++i)
    for (std::size_t link = 0; link < 18; ++link) {
      host.gpus[i].nvlinks[link].remote = "gpu";
      host.gpus[i].nvlinks[link].remote_pci_address = host.gpus[(i + 1 + link / 6) % 4].pci_address;
    }
  const Judged judged = platform(host);
  EXPECT_EQ(judged.check.verdict, Verdict::skipped) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr("another machine than dgx-h100"));
  host.gpus.pop_back();
  EXPECT_EQ(platform(host).check.verdict, Verdict::fail) << "links lead to one that is gone";
}

TEST(OtherMachines, AVirtualMachineMayHaveBeenGivenAPart) {
  for (const int gpus : {1, 2, 4, 16}) {
    Host part = machines::machine("node1", "NVIDIA A100-SXM4-40GB", gpus, 12, "10de:20b0");
    part.environment.hypervisor = "KVM";
    part.environment.product = "Google Compute Engine";
    const Judged judged = platform(part);
    EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << judged.check.reason;
    EXPECT_THAT(judged.findings, IsEmpty());
  }
  Host lost = machines::machine("node1", "NVIDIA A100-SXM4-40GB", 7, 12, "10de:20b0");
  lost.environment.hypervisor = "KVM";
  EXPECT_EQ(platform(lost).check.verdict, Verdict::fail) << "nobody cuts it into seven";
}

TEST(OtherMachines, ALoginNodeAmongGpuNodesLostNothing) {
  std::vector<Host> hosts = sample::hosts(8);
  Host& login = hosts[0];
  login.environment.product = "PowerEdge R650";
  login.gpus.clear();
  login.gpu_driver.clear();
  login.cuda_version.clear();
  login.pci.clear();
  login.rdma_devices.resize(1);
  login.rdma_devices[0].ids = "15b3:101b";
  login.rdma_devices[0].firmware = "20.41.1000";
  login.numa_nodes.resize(1);
  expect_only_info(consistency(hosts), "other-machine");
  EXPECT_THAT(consistency(hosts).check.reason, HasSubstr("node0: has no GPU and is a PowerEdge R650"));
  for (const char* product : {"NVIDIA DGXH100", "To Be Filled By O.E.M.", ""}) {
    login.environment.product = product;
    EXPECT_EQ(consistency(hosts).check.verdict, Verdict::fail) << "one that lost all its GPUs: " << product;
  }
}

TEST(OtherMachines, APortThatIsDownIsNoNicPort) {
  Host host = machines::h100("node1");
  machines::add_nics(host, 8, 400);
  host.rdma_devices[3].ports[0].state = "DOWN";
  const Judged judged = judge_platform(merge_hosts({host}), machines::built_in(), "dgx-h100");
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("7 of the 8 NIC ports"));
}

}  // namespace
}  // namespace fabricheck::topology
