#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/judge/cables.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

void cable(Host& host, std::size_t rail, const std::string& leaf) {
  host.rdma_devices[rail].ports[0].neighbour = Neighbour{leaf, "Ethernet1/1", "LLDP"};
}

std::vector<std::string> accused(const Judged& judged) {
  std::vector<std::string> names;
  for (const Finding& finding : judged.findings)
    if (finding.slug == "rail-wrong-leaf")
      names.push_back(finding.component.name + " of " + finding.component.host);
  std::sort(names.begin(), names.end());
  return names;
}

TEST(Rails, SwappedCablesAreNamed) {
  for (const int count : {3, 8, 64}) {
    std::vector<Host> hosts = sample::hosts(count, true);
    cable(hosts[2], 3, "leaf-5");
    cable(hosts[2], 5, "leaf-3");
    const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
    EXPECT_EQ(judged.check.verdict, Verdict::fail);
    EXPECT_EQ(judged.check.value, 1.0);
    EXPECT_EQ(accused(judged),
              (std::vector<std::string>{"rail 3 (mlx5_3) of node2", "rail 5 (mlx5_5) of node2"}));
    EXPECT_THAT(judged.check.reason,
                HasSubstr("rail 3 (mlx5_3) of node2: is cabled to leaf-5, where rail 5 of the others is"));
  }
}

TEST(Rails, EachScalableUnitHasItsOwnLeaves) {
  std::vector<Host> hosts = sample::hosts(32, true);
  for (std::size_t i = 0; i < hosts.size(); ++i)
    for (std::size_t rail = 0; rail < 8; ++rail)
      cable(hosts[i], rail, fmt::format("su{}-leaf-{}", i / 8, rail));
  EXPECT_THAT(judge_consistency(merge_hosts(hosts)).findings, IsEmpty());
  cable(hosts[17], 1, "su2-leaf-6");
  EXPECT_EQ(accused(judge_consistency(merge_hosts(std::move(hosts)))),
            std::vector<std::string>{"rail 1 (mlx5_1) of node17"});
}

TEST(Rails, ALeafForAllRailsOfItsHostsAccusesNobody) {
  std::vector<Host> hosts = sample::hosts(16, true);
  for (std::size_t i = 0; i < hosts.size(); ++i)
    for (std::size_t rail = 0; rail < 8; ++rail) cable(hosts[i], rail, fmt::format("tor-{}", i / 4));
  hosts[3].rdma_devices[4].ports[0].neighbour.reset();
  EXPECT_THAT(accused(judge_consistency(merge_hosts(std::move(hosts)))), IsEmpty());
}

TEST(Rails, TwoHostsWithSwappedCablesAreATie) {
  std::vector<Host> hosts = sample::hosts(2, true);
  cable(hosts[1], 3, "leaf-5");
  cable(hosts[1], 5, "leaf-3");
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(accused(judged), IsEmpty());
  EXPECT_THAT(judged.check.reason, AllOf(HasSubstr("at leaf-3 are"), HasSubstr("cannot be told")));
}

TEST(Rails, AHostThatLostItsFirstGpuKeepsItsRails) {
  std::vector<Host> hosts = sample::hosts(8, true);
  hosts[1].gpus.erase(hosts[1].gpus.begin());
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_THAT(accused(judged), IsEmpty());
  ASSERT_EQ(judged.findings.size(), 1U) << judged.check.reason;
  EXPECT_EQ(judged.findings[0].slug, "gpu-missing");
}

TEST(Rails, SubnetsTellWhereNoNeighbourIsKnown) {
  std::vector<Host> hosts = sample::hosts(8);
  std::swap(hosts[6].rdma_devices[0].ports[0].subnets, hosts[6].rdma_devices[1].ports[0].subnets);
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(accused(judged).size(), 2U);
  EXPECT_THAT(judged.check.reason,
              HasSubstr("rail 0 (mlx5_0) of node6: has an address in 10.1.0.0/16, where rail 1"));
}

TEST(Rails, OneSubnetForAllOrOneForEachCableAccusesNobody) {
  for (const bool one_for_all : {true, false}) {
    std::vector<Host> hosts = sample::hosts(8);
    for (std::size_t i = 0; i < hosts.size(); ++i)
      for (std::size_t rail = 0; rail < 8; ++rail)
        hosts[i].rdma_devices[rail].ports[0].subnets = {one_for_all ? "10.0.0.0/8"
                                                                    : fmt::format("10.{}.{}.0/31", i, rail)};
    EXPECT_THAT(judge_consistency(merge_hosts(std::move(hosts))).findings, IsEmpty());
  }
}

const Neighbour& neighbour(const ClusterTopology& cluster, std::size_t host, std::size_t port) {
  return *cluster.hosts[host].own.ports[port].neighbour;
}

Cable to_leaf(const std::string& host, const std::string& device, const std::string& leaf) {
  Cable cable;
  cable.host = host;
  cable.device = device;
  cable.neighbour = {leaf, "1", "switch topology file"};
  return cable;
}

TEST(Cables, AreMatchedByDeviceNetDeviceGuidAndLid) {
  std::vector<Host> hosts = sample::hosts(2);
  hosts[0].name = "node0.cluster";
  hosts[1].rdma_devices[5].ports[0].lid = 17;
  ClusterTopology cluster = merge_hosts(std::move(hosts));
  const std::size_t matched = apply_cables(
      cluster, {to_leaf("node0", "mlx5_0", "a"), to_leaf("node1.other", "eth3", "b"),
                to_leaf("", "0xa288c2ff00010005", "c"),  // port GUID: the lower half of a GID
                to_leaf("MT4129 ConnectX7", "a088:c203:0001:0007", "d"),  // node GUID
                to_leaf("", "lid:17", "e"), to_leaf("node1", "mlx5_9", "no"), to_leaf("", "lid:18", "no"),
                to_leaf("", "0x0", "no"), to_leaf("", "", "no"), to_leaf("node7", "mlx5_0", "no")});
  EXPECT_EQ(matched, 5U);
  EXPECT_EQ(neighbour(cluster, 0, 0).switch_name, "a");
  EXPECT_EQ(neighbour(cluster, 1, 3).switch_name, "b");
  EXPECT_EQ(neighbour(cluster, 1, 4).switch_name, "c");
  EXPECT_EQ(neighbour(cluster, 1, 6).switch_name, "d");
  EXPECT_EQ(neighbour(cluster, 1, 5).switch_name, "e");
  for (const HostEntry& host : cluster.hosts)
    for (const PortParticulars& port : host.own.ports)
      if (port.neighbour) {
        EXPECT_NE(port.neighbour->switch_name, "no");
      }
}

TEST(Cables, AmbiguousOnesAreLeftOut) {
  std::vector<Host> hosts = sample::hosts(2);
  for (Host& host : hosts) host.rdma_devices[0].ports[0].lid = 4;
  hosts[0].name = "a.east";
  hosts[1].name = "a.west";
  ClusterTopology cluster = merge_hosts(std::move(hosts));
  EXPECT_EQ(apply_cables(cluster, {to_leaf("", "lid:4", "no"), to_leaf("a", "mlx5_0", "no")}), 0U);
  EXPECT_EQ(apply_cables(cluster, {to_leaf("a.west", "lid:4", "yes")}), 1U);
  EXPECT_EQ(neighbour(cluster, 1, 0).switch_name, "yes");
}

TEST(Cables, HostsBySwitchGiveWayToCables) {
  ClusterTopology cluster = merge_hosts(sample::hosts(1));
  EXPECT_EQ(apply_cables(cluster, {to_leaf("node0", "", "tor-1"), to_leaf("node0", "mlx5_2", "leaf-2")}), 8U);
  EXPECT_EQ(neighbour(cluster, 0, 2).switch_name, "leaf-2");
  EXPECT_EQ(neighbour(cluster, 0, 3).switch_name, "tor-1");
}

TEST(Cables, TellOfWrongLeaves) {
  ClusterTopology cluster = merge_hosts(sample::hosts(4));
  std::vector<Cable> cables;
  for (int host = 0; host < 4; ++host)
    for (int nic = 0; nic < 8; ++nic)
      cables.push_back(to_leaf(fmt::format("node{}", host), fmt::format("mlx5_{}", nic),
                               fmt::format("leaf-{}", host == 3 && nic == 2 ? 4 : nic)));
  EXPECT_EQ(apply_cables(cluster, cables), 32U);
  EXPECT_EQ(accused(judge_consistency(cluster)), std::vector<std::string>{"rail 2 (mlx5_2) of node3"});
}

}  // namespace
}  // namespace fabricheck::topology
