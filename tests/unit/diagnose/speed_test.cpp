#include "diagnose/expected_speed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::diagnose {
namespace {

/// Eight GPUs with 450 GB/s of NVLink and a NIC of 400 Gb/s each.
Host hgx(double nic_Gbps = 400.0) {
  Host host;
  host.name = "h1";
  for (int i = 0; i < 8; ++i) {
    const std::string bus = std::to_string(10 + i);
    const std::string root = "0000:" + bus;
    Gpu gpu;
    gpu.index = i;
    gpu.name = "NVIDIA H100 80GB HBM3";
    gpu.pci_address = "0000:" + bus + ":02.0";
    for (int link = 0; link < 18; ++link) {
      NvLink one;
      one.index = link;
      one.active = true;
      one.speed_GBps = 25.0;
      one.remote = "switch";
      gpu.nvlinks.push_back(one);
    }
    host.gpus.push_back(gpu);
    RdmaDevice nic;
    nic.name = "mlx5_" + std::to_string(i);
    nic.pci_address = "0000:" + bus + ":03.0";
    RdmaPort port;
    port.number = 1;
    port.state = "ACTIVE";
    port.link_layer = "InfiniBand";
    port.rate_Gbps = nic_Gbps;
    nic.ports.push_back(port);
    host.rdma_devices.push_back(nic);
    host.pci.push_back(
        {"0000:" + bus + ":00.0", "", root, "switch-upstream", "", "", {}, {}, {}, {}, {}, {}, {}, {}});
    host.pci.push_back(
        {gpu.pci_address, "0000:" + bus + ":00.0", root, "gpu", "", "", {}, {}, {}, {}, {}, {}, {}, {}});
    host.pci.push_back(
        {nic.pci_address, "0000:" + bus + ":00.0", root, "nic", "", "", {}, {}, {}, {}, {}, {}, {}, {}});
  }
  return host;
}

TEST(AllReduceBound, OfTwoNodesIsThatOfTheNicsForARing) {
  const auto bound = all_reduce_bound(hgx(), 2);
  ASSERT_TRUE(bound);
  EXPECT_DOUBLE_EQ(*bound->network_GBps, 400.0);
  EXPECT_DOUBLE_EQ(*bound->inside_GBps, 450.0);
  EXPECT_DOUBLE_EQ(bound->ring_GBps, 400.0);
  EXPECT_DOUBLE_EQ(bound->best_GBps, 400.0 * 2 * 15 / 16);  // a tree crosses between two nodes once each way
}

TEST(AllReduceBound, OfManyNodesIsThatOfTheNics) {
  const auto bound = all_reduce_bound(hgx(), 16);
  ASSERT_TRUE(bound);
  EXPECT_DOUBLE_EQ(bound->ring_GBps, 400.0);
  EXPECT_DOUBLE_EQ(bound->best_GBps, 400.0);
}

TEST(AllReduceBound, InsideANodeIsThatOfNvlinkAndMoreWithNvls) {
  const auto bound = all_reduce_bound(hgx(), 1);
  ASSERT_TRUE(bound);
  EXPECT_DOUBLE_EQ(bound->ring_GBps, 450.0);
  EXPECT_DOUBLE_EQ(bound->best_GBps, 450.0 * (2.0 * 7 / 8) / (1.0 + 1.0 / 8));
}

TEST(AllReduceBound, ASlowPcieLinkLimitsItsNic) {
  Host host = hgx();
  for (PciNode& node : host.pci)
    if (node.kind == "nic") node.link.max_speed_GTps = 16.0, node.link.width = 8;
  const auto bound = all_reduce_bound(host, 16);
  ASSERT_TRUE(bound);
  EXPECT_NEAR(bound->ring_GBps, 8 * 16.0 * 8 * (128.0 / 130.0) / 8, 1e-9);
}

TEST(AllReduceBound, OfLinksThatAreOnlyCountedIsNotThatOfPcie) {
  Host host = hgx();
  for (Gpu& gpu : host.gpus) {
    gpu.compute_capability = "9.0";
    for (NvLink& link : gpu.nvlinks) {
      link.speed_GBps.reset();
      link.active.reset();
    }
  }
  const auto bound = all_reduce_bound(host, 1);
  ASSERT_TRUE(bound);
  EXPECT_NEAR(*bound->inside_GBps, 20.6 * static_cast<double>(host.gpus[0].nvlinks.size()), 0.1);
  for (Gpu& gpu : host.gpus) gpu.compute_capability = "12.3";
  EXPECT_FALSE(all_reduce_bound(host, 1)) << "and of links that are not known there is none";
}

TEST(AllReduceBound, IsNotSaidWithoutFigures) {
  EXPECT_FALSE(all_reduce_bound(Host{}, 2));
  Host host = hgx();
  for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].rate_Gbps.reset();
  EXPECT_FALSE(all_reduce_bound(host, 2));
}

constexpr const char* kBenchmark =
    "./build/all_reduce_perf\n#  Rank  0 Group  0 Pid 1 on h1 device  0 [0x18] NVIDIA H100 80GB HBM3\n"
    "#  Rank  1 Group  0 Pid 1 on h2 device  0 [0x18] NVIDIA H100 80GB HBM3\n"
    "1073741824 268435456 float sum -1 43890 24.46 %s 0 43311 24.79 %s 0\n";

std::string benchmark(const std::string& busbw) {
  std::string text = kBenchmark;
  for (std::size_t at = text.find("%s"); at != std::string::npos; at = text.find("%s"))
    text.replace(at, 2, busbw);
  return text;
}

TEST(MeasuredSpeed, IsHeldAgainstTheTopology) {
  Observations seen;
  read_text(benchmark("45.86"), seen);
  observe_topology(seen, topology::merge_hosts({hgx()}), "topology.json");
  const Diagnosis slow = diagnose(seen);
  ASSERT_NE(finding(slow, "slower-than-topology"), nullptr);
  ASSERT_EQ(slow.checks.size(), 1U);
  EXPECT_DOUBLE_EQ(*slow.checks[0].value, 45.86);
  EXPECT_DOUBLE_EQ(slow.checks[0].counters.at("bound_ring_GBps"), 400.0);

  Observations good;
  read_text(benchmark("390.1"), good);
  observe_topology(good, topology::merge_hosts({hgx()}), "topology.json");
  EXPECT_EQ(finding(diagnose(good), "slower-than-topology"), nullptr);
}

}  // namespace
}  // namespace fabricheck::diagnose
