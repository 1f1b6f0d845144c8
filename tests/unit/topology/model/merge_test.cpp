#include "topology/model/merge.hpp"

#include <gtest/gtest.h>

#include "unit/topology/model/machines.hpp"

namespace fabricheck::topology {
namespace {

/// A host with something in every field that is a host's own.
Host rich_host(const std::string& name, int number) {
  Host host = machines::dgx_h100(name);
  for (Gpu& gpu : host.gpus) {
    GpuFabric fabric;
    fabric.state = "completed";
    fabric.cluster_uuid = "uuid of " + name;
    fabric.clique_id = number;
    gpu.fabric = fabric;
    GpuHealth health;
    health.ecc_corrected = static_cast<std::uint64_t>(number);
    health.throttle_reasons = {"sw-power-cap"};
    health.nvlink_errors = {{2, 1, 0, std::nullopt, 7}};
    gpu.health = health;
  }
  for (RdmaDevice& nic : host.rdma_devices) {
    RdmaPort& port = nic.ports[0];
    port.gids = {{0, "fe80:" + name, "IB/RoCE v1", "ens1"}, {3, "0a00:" + name, "RoCE v2", "ens1"}};
    port.subnets = {"10.0." + name};
    port.lid = 10 + number;
    port.neighbour = Neighbour{"leaf-of-" + name, "Ethernet1", "LLDP"};
  }
  host.rdma_devices[0].ports.push_back(host.rdma_devices[0].ports[0]);
  host.rdma_devices[0].ports[1].number = 2;
  host.rdma_devices[0].ports[1].lid = 99;
  host.numa_nodes[0].memory_bytes += static_cast<std::uint64_t>(number) << 20;
  return host;
}

TEST(Merge, WholeHostIsTheInverse) {
  const std::vector<Host> hosts{rich_host("a", 1), machines::small_vm("b"), rich_host("c", 2), Host{}};
  const ClusterTopology cluster = merge_hosts(hosts);
  ASSERT_EQ(cluster.hosts.size(), 4U);
  for (std::size_t i = 0; i < hosts.size(); ++i) EXPECT_EQ(whole_host(cluster, i), hosts[i]) << i;
  EXPECT_THROW(whole_host(cluster, 4), std::out_of_range);
}

TEST(Merge, WhatIsAHostsOwnMakesNoKind) {
  const ClusterTopology cluster = merge_hosts({rich_host("a", 1), rich_host("b", 2)});
  ASSERT_EQ(cluster.kinds.size(), 1U);
  EXPECT_EQ(cluster.hosts[0].kind, 0);
  EXPECT_EQ(cluster.hosts[1].kind, 0);
  EXPECT_EQ(cluster.hosts[1].own.gpus[3].uuid, "GPU-b-3");
  EXPECT_EQ(cluster.hosts[1].own.ports[1].lid, 99);  // the second port of the first device
  const Host& kind = cluster.kinds[0];
  EXPECT_TRUE(kind.name.empty());
  EXPECT_TRUE(kind.gpus[0].uuid.empty());
  EXPECT_FALSE(kind.gpus[0].health);
  EXPECT_EQ(kind.gpus[0].fabric->state, "completed");  // that is of the kind
  EXPECT_TRUE(kind.rdma_devices[0].ports[0].gids[1].address.empty());
  EXPECT_EQ(kind.rdma_devices[0].ports[0].gids[1].type, "RoCE v2");
  EXPECT_EQ(kind.numa_nodes[0].memory_bytes, 0U);
}

TEST(Merge, SomeMebibytesMakeNoKind) {
  Host other = machines::dgx_h100("b");
  other.numa_nodes[1].memory_bytes -= std::uint64_t{3} << 20;
  const ClusterTopology cluster = merge_hosts({machines::dgx_h100("a"), other});
  EXPECT_EQ(cluster.kinds.size(), 1U);
  EXPECT_EQ(whole_host(cluster, 1).numa_nodes[1].memory_bytes, other.numa_nodes[1].memory_bytes);
}

TEST(Merge, DifferencesMakeKinds) {
  const auto kinds_with = [](auto change) {
    Host other = machines::dgx_h100("b");
    change(other);
    const ClusterTopology cluster = merge_hosts({machines::dgx_h100("a"), other});
    EXPECT_EQ(whole_host(cluster, 1), other);
    return cluster.kinds.size();
  };
  EXPECT_EQ(kinds_with([](Host&) {}), 1U);
  EXPECT_EQ(kinds_with([](Host& host) { host.gpus.pop_back(); }), 2U);
  EXPECT_EQ(kinds_with([](Host& host) { host.gpu_driver = "535.1"; }), 2U);
  EXPECT_EQ(kinds_with([](Host& host) { host.gpus[7].nvlinks[17].active = false; }), 2U);
  EXPECT_EQ(kinds_with([](Host& host) { host.rdma_devices[1].ports[0].rate_Gbps = 200; }), 2U);
  EXPECT_EQ(kinds_with([](Host& host) {
              host.rdma_devices[1].ports[0].gids = {{0, "", "RoCE v2", ""}};
            }),
            2U);
  EXPECT_EQ(kinds_with([](Host& host) { host.pci[1].link.width = 8; }), 2U);
  EXPECT_EQ(kinds_with([](Host& host) { host.unknown = {"GPUs: not asked"}; }), 2U);
}

TEST(Merge, AddsToWhatIsThere) {
  ClusterTopology cluster = merge_hosts({machines::dgx_h100("a"), machines::small_vm("b")});
  add_host(cluster, machines::dgx_h100("c"));
  add_host(cluster, machines::small_vm("d"));
  EXPECT_EQ(cluster.kinds.size(), 2U);
  EXPECT_EQ(cluster.hosts[2].kind, 0);
  EXPECT_EQ(cluster.hosts[3].kind, 1);
  EXPECT_EQ(cluster.hosts[3].name, "d");
}

}  // namespace
}  // namespace fabricheck::topology
