#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/draw/draw.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/model/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

Host make_host(const std::string& name) {
  Host host;
  host.name = name;
  host.kernel = "6.8.0";
  host.cpu_model = "Fast CPU 9000";
  host.cores = 4;
  host.hardware_threads = 8;
  host.numa_nodes = {{0, "0-1,4-5", 512 * kGiB}, {1, "2-3,6-7", 512 * kGiB}};
  host.gpu_driver = "550.90.07";
  machines::add_gpu(host, "0000:18:00.0", 0, "Fake GPU");
  machines::add_gpu(host, "0000:3b:00.0", std::nullopt, "Fake GPU").memory_bytes.reset();
  machines::add_nic(host, "0000:19:00.0", 1, 400, "Ethernet");
  RdmaPort& port = host.rdma_devices[0].ports[0];
  port.active_mtu_bytes.reset();
  port.gids = {{0, "fe80:0000:0000:0000:ba59:9fff:fe12:3456", "IB/RoCE v1", "ens1"},
               {1, "fe80:0000:0000:0000:ba59:9fff:fe12:3456", "RoCE v2", "ens1"},
               {2, "0000:0000:0000:0000:0000:ffff:0a00:0001", "IB/RoCE v1", "ens1"},
               {3, "0000:0000:0000:0000:0000:ffff:0a00:0001", "RoCE v2", "ens1"}};
  return host;
}

std::vector<Host> make_hosts(int count) {
  std::vector<Host> hosts;
  for (int i = 1; i <= count; ++i) hosts.push_back(make_host("node" + std::to_string(i)));
  return hosts;
}

/// The hosts with this many ranks on each.
ClusterTopology cluster_of(std::vector<Host> hosts, int ranks_per_host = 1) {
  ClusterTopology cluster = merge_hosts(std::move(hosts));
  for (int host = 0; host < static_cast<int>(cluster.hosts.size()); ++host)
    for (int local = 0; local < ranks_per_host; ++local)
      cluster.ranks.push_back({static_cast<int>(cluster.ranks.size()), host, local, "0-7", std::nullopt});
  return cluster;
}

std::string tree_of(Host host) { return draw_tree(merge_hosts({std::move(host)})); }

TEST(DrawTree, DrawsEqualHostsOnce) {
  EXPECT_EQ(draw_tree(cluster_of(make_hosts(8), 2)),
            "8 hosts, 16 ranks\n"
            "\n"
            "node[1-8]  (8 equal hosts)  2 ranks on each\n"
            "  Fast CPU 9000, 4 cores, 8 hardware threads\n"
            "  Linux 6.8.0, NVIDIA driver 550.90.07\n"
            "  NUMA node 0  CPUs 0-1,4-5  512 GiB\n"
            "    GPU 0  Fake GPU  0000:18:00.0  80.0 GiB\n"
            "  NUMA node 1  CPUs 2-3,6-7  512 GiB\n"
            "    NIC mlx5_0  0000:19:00.0  board MT_0000000838  firmware 28.39.1002  rail 0 for GPU0 only "
            "over SYS\n"
            "      port 1  Ethernet  ACTIVE  400 Gb/s  1 usable RoCE v2 GID (index 3)\n"
            "  NUMA node not known\n"
            "    GPU 1  Fake GPU  0000:3b:00.0\n");
}

TEST(DrawTree, OneDifferentHostStandsOut) {
  auto hosts = make_hosts(4);
  hosts[2].gpus[1].status = "not answering";
  hosts[2].gpus[1].problem = "GPU is lost (15)";
  hosts[2].unknown = {"NVML: GPU 1: GPU is lost (15)"};
  const std::string text = draw_tree(cluster_of(hosts));
  EXPECT_THAT(text, HasSubstr("4 hosts, 4 ranks, 2 different kinds\n"));
  EXPECT_THAT(text, HasSubstr("node[1-2,4]  (3 equal hosts)  1 rank on each\n"));
  EXPECT_THAT(text, HasSubstr("\nnode3  1 rank\n  differs from the largest kind: GPU1: NOT ANSWERING: GPU is "
                              "lost (15)\n"));
  EXPECT_THAT(text, HasSubstr("GPU 1  NOT ANSWERING: GPU is lost (15)  Fake GPU  0000:3b:00.0\n"));
  EXPECT_THAT(text, HasSubstr("  could not be found out:\n    - NVML: GPU 1: GPU is lost (15)\n"));
}

TEST(DrawTree, LargestKindComesFirst) {
  auto hosts = make_hosts(5);
  hosts[0].gpu_driver = "535.104.05";
  const std::string text = draw_tree(cluster_of(hosts));
  EXPECT_LT(text.find("node[2-5]"), text.find("\nnode1 "));
  EXPECT_THAT(text, HasSubstr("differs from the largest kind: driver 535.104.05 instead of 550.90.07\n"));
}

TEST(DrawTree, DifferencesThatMatterUnfold) {
  const auto with = [](auto change) {
    auto hosts = make_hosts(2);
    change(hosts[1]);
    return draw_tree(cluster_of(hosts));
  };
  const std::string equal = "node[1-2]";
  ASSERT_THAT(with([](Host&) {}), HasSubstr(equal));
  EXPECT_THAT(with([](Host& host) { host.rdma_devices[0].firmware = "28.40.1000"; }), Not(HasSubstr(equal)));
  EXPECT_THAT(with([](Host& host) { host.rdma_devices[0].ports[0].state = "DOWN"; }), Not(HasSubstr(equal)));
  EXPECT_THAT(with([](Host& host) { host.numa_nodes[1].memory_bytes = 480 * kGiB; }), Not(HasSubstr(equal)));
  EXPECT_THAT(with([](Host& host) {
                host.gpus[0].health = GpuHealth{};
                host.gpus[0].health->ecc_uncorrected = 3;
              }),
              HasSubstr("      3 uncorrected ECC errors (!)\n"));
  EXPECT_THAT(with([](Host& host) { host.rdma_devices[0].ports[0].gids[3].address = "fe80:1"; }),
              HasSubstr("no usable RoCE v2 GID (2 link-local only)"));
  ClusterTopology cluster = cluster_of(make_hosts(2));
  cluster.ranks.pop_back();
  EXPECT_THAT(draw_tree(cluster), HasSubstr("node2  0 ranks"));
}

TEST(DrawTree, WhatIsAHostsOwnDoesNotUnfold) {
  auto hosts = make_hosts(2);
  hosts[1].numa_nodes[0].memory_bytes -= kGiB;
  hosts[1].gpus[0].uuid = "GPU-other";
  hosts[1].gpus[0].health = GpuHealth{};
  hosts[1].gpus[0].health->temperature_C = 61;
  hosts[1].rdma_devices[0].ports[0].gids[3].address = "0000:0000:0000:0000:0000:ffff:0a00:0002";
  for (std::size_t i = 0; i < 2; ++i)
    hosts[i].rdma_devices[0].ports[0].neighbour = Neighbour{fmt::format("leaf{}", i + 1), "1", "LLDP"};
  const std::string text = draw_tree(cluster_of(hosts));
  EXPECT_THAT(text, HasSubstr("node[1-2]"));
  EXPECT_THAT(text, HasSubstr("cabled to leaf[1-2]\n"));
}

TEST(DrawTree, SaysWhenNoRoceV2GidCanBeUsed) {
  Host host = make_host("node1");
  auto& port = host.rdma_devices[0].ports[0];
  port.gids.pop_back();
  EXPECT_THAT(tree_of(host), HasSubstr("no usable RoCE v2 GID (1 link-local only)"));
  port.gids.clear();
  EXPECT_THAT(tree_of(host), HasSubstr("400 Gb/s  no usable RoCE v2 GID\n"));
  port.link_layer = "InfiniBand";
  EXPECT_THAT(tree_of(host), Not(HasSubstr("RoCE")));
}

TEST(DrawTree, NothingKnownIsStillATree) {
  ClusterTopology cluster;
  EXPECT_EQ(draw_tree(cluster), "0 hosts\n");
  Host bare;
  bare.name = "bare";
  cluster = merge_hosts({bare});
  cluster.ranks.push_back({0, 7, 0, "", std::nullopt});  // a host that is not there
  EXPECT_EQ(draw_tree(cluster),
            "1 host, 1 rank\n"
            "\n"
            "bare  0 ranks\n"
            "  CPU model not known, cores not known, hardware threads not known\n"
            "  Linux release not known\n"
            "  no GPU\n"
            "  no RDMA NIC\n");
}

TEST(DrawTree, WhatAFileDoesNotTellIsNotSaid) {
  Host host = make_host("");
  host.source = "NCCL XML";
  host.rdma_devices[0].ports[0].gids.clear();
  host.rdma_devices[0].ports[0].state.clear();
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("\n(host without a name)\n"));
  EXPECT_THAT(text, HasSubstr("  read from NCCL XML\n"));
  EXPECT_THAT(text, HasSubstr("port 1  Ethernet  400 Gb/s\n"));
}

TEST(DrawTree, WhatAFileHasNotIsNotToldRatherThanNotThere) {
  Host host = machines::dgx_h100();
  host.source = "NCCL XML";
  host.numa_nodes[0].cpus.clear();
  for (Gpu& gpu : host.gpus) gpu.status = "not asked";
  for (RdmaDevice& nic : host.rdma_devices) nic.ports.clear();
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("  read from NCCL XML, which tells no state of GPUs\n"));
  EXPECT_THAT(text, HasSubstr("  NUMA node 0  CPUs not told  "));
  EXPECT_THAT(text, Not(HasSubstr("NOT ASKED")));
  EXPECT_THAT(text, Not(HasSubstr("no port")));
  Host empty;
  empty.source = "hwloc XML";
  EXPECT_THAT(tree_of(empty), HasSubstr("  no GPU told by the file\n  no RDMA NIC told by the file\n"));
  empty.source = "live";
  empty.unknown = {"PCI: /sys/bus/pci/devices cannot be read (no such file)"};
  EXPECT_THAT(tree_of(empty), HasSubstr("  GPUs not known\n  RDMA NICs not known\n"));
}

TEST(DrawTree, SwitchThatIsSlowerThanWhatIsUnderItIsMarked) {
  Host host = machines::dgx_h100();
  const auto node = std::find_if(host.pci.begin(), host.pci.end(),
                                 [](const PciNode& one) { return one.address == "0000:11:00.0"; });
  ASSERT_NE(node, host.pci.end());
  node->link = {5, 16, std::nullopt, std::nullopt};
  EXPECT_THAT(tree_of(host),
              HasSubstr("PCI switch 0000:11:00.0  5 GT/s x16 (!) below the devices under it\n"));
  node->link.speed_GTps = 32;
  EXPECT_THAT(tree_of(host), Not(HasSubstr("below the devices")));
}

TEST(DrawTree, OneIsNotSeveral) {
  Host host = machines::dgx_h100();
  host.gpus[0].health = GpuHealth{};
  host.gpus[0].health->nvlink_errors = {{2, std::nullopt, 1, std::nullopt, std::nullopt},
                                        {3, std::nullopt, 2, std::nullopt, std::nullopt}};
  host.gpus[0].fabric = GpuFabric{"not-started", "", "", std::nullopt, std::nullopt};
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("NVLink 2: 1 recovery (!)\n"));
  EXPECT_THAT(text, HasSubstr("NVLink 3: 2 recoveries (!)\n"));
  EXPECT_THAT(text, HasSubstr("fabric not started (!)\n"));
}

TEST(DrawTree, MachineWithoutGpuStaysShort) {
  EXPECT_EQ(tree_of(machines::small_vm()),
            "1 host\n"
            "\n"
            "runner\n"
            "  virtual machine (KVM), in a container (docker)\n"
            "  AMD EPYC 7763 64-Core Processor, 2 cores, 4 hardware threads\n"
            "  Linux 6.1.0-18-cloud-amd64\n"
            "  NUMA node 0  CPUs 0-3  16.0 GiB\n"
            "  no GPU\n"
            "  no RDMA NIC\n"
            "  could not be found out:\n"
            "    - NVML: libnvidia-ml.so.1 is not on this host\n");
}

TEST(DrawTree, DgxH100) {
  Host host = machines::dgx_h100();
  host.environment.modules = {{"nvidia_peermem", ""}};
  host.environment.dmabuf = true;
  host.environment.iommu = "passthrough";
  host.pci[2].acs = true;
  host.rdma_devices[0].ports[0].net_device = "ib0";
  host.rdma_devices[0].ports[0].net_mtu_bytes = 4092;
  host.rdma_devices[0].ports[0].neighbour = Neighbour{"leaf-r0-01", "1", "ibnetdiscover"};
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("  NVIDIA DGXH100, bare metal\n"));
  EXPECT_THAT(text, HasSubstr("NVIDIA driver 550.90.07, CUDA up to 12.4\n"));
  EXPECT_THAT(text,
              HasSubstr("GPUDirect: nvidia_peermem loaded; dmabuf possible; ACS sends peer-to-peer traffic "
                        "through the CPU at 0000:12:00.0 (!); IOMMU passthrough\n"));
  EXPECT_THAT(text,
              HasSubstr("    PCI switch 0000:11:00.0  32 GT/s x16\n"
                        "      GPU 0  NVIDIA H100 80GB HBM3  0000:13:00.0  80.0 GiB  PCIe 32 GT/s x16\n"
                        "        18 of 18 NVLinks active, 478 GB/s one way\n"
                        "      NIC mlx5_0  0000:14:00.0  board MT_0000000838  firmware 28.39.1002  PCIe 32 "
                        "GT/s x16  rail 0 for GPU0\n"
                        "        port 1  InfiniBand  ACTIVE  400 Gb/s  ib0  MTU 4092, RDMA MTU 4096  cabled "
                        "to leaf-r0-01\n"));
  EXPECT_THAT(text, HasSubstr("  NVLink joins all 8 GPUs (NV18)\n  4 NVSwitches\n"));
  EXPECT_THAT(text, HasSubstr("  no rail: mlx5_[8-9] (serves no GPU best: management or storage?)\n"));
}

TEST(DrawTree, LinksBelowWhatIsPossibleAreMarked) {
  Host host = machines::dgx_h100();
  host.gpus[0].pcie.width = 8;
  host.gpus[1].pcie.speed_GTps = 2.5;
  host.pci[1].link.speed_GTps = 16;  // the switch above GPU 0
  for (PciNode& node : host.pci)
    if (node.address == host.rdma_devices[2].pci_address) node.link.width = 8;
  host.gpus[3].nvlinks[4].active = false;
  host.gpus[4].nvlinks[4].active = std::nullopt;
  const std::string text = tree_of(host);
  EXPECT_THAT(
      text, HasSubstr("GPU 0  NVIDIA H100 80GB HBM3  0000:13:00.0  80.0 GiB  PCIe 32 GT/s x8 of x16 (!)\n"));
  EXPECT_THAT(text, HasSubstr("PCIe 2.5 of 32 GT/s (idle GPUs lower it) x16\n"));
  EXPECT_THAT(text, HasSubstr("PCI switch 0000:11:00.0  16 of 32 GT/s x16 (!)\n"));
  EXPECT_THAT(text,
              HasSubstr("NIC mlx5_2  0000:34:00.0  board MT_0000000838  firmware 28.39.1002  PCIe 32 GT/s x8 "
                        "of x16 (!)  rail 2 for GPU2\n"));
  EXPECT_THAT(text, HasSubstr("17 of 18 NVLinks active, 452 GB/s one way (!)\n"));
  EXPECT_THAT(text, HasSubstr("17 of 18 NVLinks active, 452 GB/s one way, 1 not known (!)\n"));
  EXPECT_THAT(text, HasSubstr("NVLink joins all 8 GPUs (NV17 to NV18)\n"));
}

TEST(DrawTree, StatusOtherThanAnsweringIsLoud) {
  Host host = machines::dgx_h100();
  host.gpus[0].status = "hidden";
  host.rdma_devices[1].status = "not answering";
  host.rdma_devices[2].ports[0].state = "DOWN";
  host.rdma_devices[2].ports[0].physical_state = "Polling";
  host.gpus[3].fabric = GpuFabric{"in-progress", "", "", std::nullopt, std::nullopt};
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("GPU 0  HIDDEN  NVIDIA"));
  EXPECT_THAT(text, HasSubstr("NIC mlx5_1  NOT ANSWERING  0000:24"));
  EXPECT_THAT(text, HasSubstr("InfiniBand  DOWN, Polling  400 Gb/s"));
  EXPECT_THAT(text, HasSubstr("fabric in progress (!)\n"));
}

TEST(DrawTree, HostileNamesCannotForgeLines) {
  Host host = make_host("evil\n\nnode2  (8 equal hosts)");
  host.gpus[0].name = "\x1b[31mred\x07";
  host.rdma_devices[0].firmware = std::string(100'000, 'x');
  host.unknown = {"NVML: a\nb\x80 gr\u00fc\u00dfe \u202e"};
  const std::string text = tree_of(host);
  EXPECT_THAT(text, HasSubstr("\nevil??node2  (8 equal hosts)\n"));
  EXPECT_THAT(text, HasSubstr("GPU 0  ?[31mred?  0000"));
  EXPECT_THAT(text, HasSubstr("    - NVML: a?b? gr\u00fc\u00dfe ???\n"));
  EXPECT_LT(text.size(), 2000U);
}

TEST(DrawTree, SaysWhatIsUnlikeItsPeers) {
  Host host = machines::dgx_h100();
  EXPECT_THAT(draw_tree(merge_hosts({host})), Not(HasSubstr("unlike the rest")));
  host.source = "NCCL XML";
  host.gpus[6].nvlinks.clear();
  EXPECT_THAT(draw_tree(merge_hosts({host})),
              HasSubstr("  unlike the rest of this host:\n"
                        "    GPU6: no NVLink to the 7 others, which reach each other over NV18 (!)\n"));
}

TEST(DrawTree, ANicThatIsFartherThanThoseOfTheOthersIsMarked) {
  Host host = machines::dgx_h100();
  EXPECT_THAT(draw_tree(merge_hosts({host})), Not(HasSubstr("only over")));
  host.rdma_devices.erase(host.rdma_devices.begin() + 3);
  EXPECT_THAT(draw_tree(merge_hosts({host})), HasSubstr("rail 0 for GPU0,3, GPU3 only over NODE"));
}

TEST(DrawTree, GidsWithoutKindAreNotCalledUnusable) {
  Host host = make_host("node1");
  for (Gid& gid : host.rdma_devices[0].ports[0].gids) gid.type.clear();
  EXPECT_THAT(draw_tree(merge_hosts({host})), Not(HasSubstr("RoCE v2 GID")));
}

}  // namespace
}  // namespace fabricheck::topology
