#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/model/host_names.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

TEST(FoldNames, FoldsRuns) {
  EXPECT_EQ(fold_names({"node1", "node2", "node3"}), "node[1-3]");
  EXPECT_EQ(fold_names({"node10", "node9", "node8", "node12"}), "node[8-10,12]");
  EXPECT_EQ(fold_names({"n08", "n09", "n10"}), "n[08-10]");
  EXPECT_EQ(fold_names({"n9", "n010"}), "n[9,010]");
  EXPECT_EQ(fold_names({"node1"}), "node1");
  EXPECT_EQ(fold_names({"login", "node1", "node2"}), "login, node[1-2]");
  EXPECT_EQ(fold_names({"a1", "b1"}), "a1, b1");
  EXPECT_EQ(fold_names({"gpu-1.rack2.org", "gpu-2.rack2.org"}), "gpu-[1-2].rack2.org");
  EXPECT_EQ(fold_names({"gpu-1.rack2.org", "gpu-2.rack3.org"}), "gpu-1.rack2.org, gpu-2.rack3.org");
  EXPECT_EQ(fold_names({"node1", "node1"}), "node1");
  EXPECT_EQ(fold_names({"n99999999999999999999", "n99999999999999999998"}),
            "n[99999999999999999998,99999999999999999999]");
  EXPECT_EQ(fold_names({}), "");
}

Host make_host(const std::string& name) {
  Host host;
  host.name = name;
  host.kernel = "6.8.0";
  host.cpu_model = "Fast CPU 9000";
  host.cores = 4;
  host.hardware_threads = 8;
  host.numa_nodes = {{0, "0-1,4-5", 512 * kGiB}, {1, "2-3,6-7", 512 * kGiB}};
  host.gpu_driver = "550.90.07";
  host.gpus = {{0, "Fake GPU", "GPU-" + name, "0000:18:00.0", 0, 80 * kGiB},
               {1, "Fake GPU", "GPU-b-" + name, "0000:3b:00.0", std::nullopt, std::nullopt}};
  RdmaDevice nic{"mlx5_0", "MT_0000000838", "28.39.1002", "0000:19:00.0", 1, {}};
  nic.ports = {{1,
                "Ethernet",
                "ACTIVE",
                400,
                {{0, "fe80:0000:0000:0000:ba59:9fff:fe12:3456", "IB/RoCE v1", "ens1"},
                 {1, "fe80:0000:0000:0000:ba59:9fff:fe12:3456", "RoCE v2", "ens1"},
                 {2, "0000:0000:0000:0000:0000:ffff:0a00:0001", "IB/RoCE v1", "ens1"},
                 {3, "0000:0000:0000:0000:0000:ffff:0a00:0001", "RoCE v2", "ens1"}}}};
  host.rdma_devices = {nic};
  return host;
}

ClusterTopology make_cluster(int hosts, int ranks_per_host) {
  ClusterTopology cluster;
  for (int host = 0; host < hosts; ++host) {
    cluster.hosts.push_back(make_host("node" + std::to_string(host + 1)));
    for (int local = 0; local < ranks_per_host; ++local) {
      cluster.ranks.push_back({static_cast<int>(cluster.ranks.size()), host, local, "0-7", std::nullopt});
    }
  }
  return cluster;
}

TEST(DrawTree, DrawsEqualHostsOnce) {
  EXPECT_EQ(draw_tree(make_cluster(8, 2)),
            "8 hosts, 16 ranks\n"
            "\n"
            "node[1-8]  (8 equal hosts)  2 ranks on each\n"
            "  Fast CPU 9000, 4 cores, 8 hardware threads\n"
            "  Linux 6.8.0, NVIDIA driver 550.90.07\n"
            "  NUMA node 0  CPUs 0-1,4-5  512 GiB\n"
            "    GPU 0  Fake GPU  0000:18:00.0  80.0 GiB\n"
            "  NUMA node 1  CPUs 2-3,6-7  512 GiB\n"
            "    NIC mlx5_0  0000:19:00.0  board MT_0000000838  firmware 28.39.1002\n"
            "      port 1  Ethernet  ACTIVE  400 Gb/s  1 usable RoCE v2 GID (index 3)\n"
            "  NUMA node not known\n"
            "    GPU 1  Fake GPU  0000:3b:00.0\n");
}

TEST(DrawTree, OneDifferentHostStandsOut) {
  ClusterTopology cluster = make_cluster(4, 1);
  cluster.hosts[2].gpus[1].name = "not answering";
  cluster.hosts[2].unknown = {"NVML: GPU 1: GPU is lost (15)"};
  const std::string text = draw_tree(cluster);
  EXPECT_THAT(text, HasSubstr("node[1-2,4]  (3 equal hosts)  1 rank on each\n"));
  EXPECT_THAT(text, HasSubstr("\nnode3  1 rank\n"));
  EXPECT_THAT(text, HasSubstr("GPU 1  not answering  0000:3b:00.0\n"));
  EXPECT_THAT(text, HasSubstr("  could not be found out:\n    - NVML: GPU 1: GPU is lost (15)\n"));
}

TEST(DrawTree, DifferencesThatMatterUnfold) {
  const std::string equal = "node[1-2]";
  ClusterTopology cluster = make_cluster(2, 1);
  ASSERT_THAT(draw_tree(cluster), HasSubstr(equal));
  cluster.hosts[1].rdma_devices[0].firmware = "28.40.1000";
  EXPECT_THAT(draw_tree(cluster), Not(HasSubstr(equal)));
  cluster = make_cluster(2, 1);
  cluster.hosts[1].rdma_devices[0].ports[0].state = "DOWN";
  EXPECT_THAT(draw_tree(cluster), Not(HasSubstr(equal)));
  cluster = make_cluster(2, 1);
  cluster.hosts[1].numa_nodes[1].memory_bytes = 480 * kGiB;
  EXPECT_THAT(draw_tree(cluster), Not(HasSubstr(equal)));
  cluster = make_cluster(2, 1);
  cluster.ranks.pop_back();
  EXPECT_THAT(draw_tree(cluster), HasSubstr("node2  0 ranks"));
}

TEST(DrawTree, SomeMebibytesAreNoDifference) {
  ClusterTopology cluster = make_cluster(2, 1);
  cluster.hosts[1].numa_nodes[0].memory_bytes -= kGiB;
  EXPECT_THAT(draw_tree(cluster), HasSubstr("node[1-2]"));
}

TEST(DrawTree, SaysWhenNoRoceV2GidCanBeUsed) {
  ClusterTopology cluster = make_cluster(1, 1);
  auto& gids = cluster.hosts[0].rdma_devices[0].ports[0].gids;
  gids.pop_back();
  EXPECT_THAT(draw_tree(cluster), HasSubstr("no usable RoCE v2 GID (1 link-local only)"));
  gids.clear();
  EXPECT_THAT(draw_tree(cluster), HasSubstr("400 Gb/s  no usable RoCE v2 GID\n"));
  cluster.hosts[0].rdma_devices[0].ports[0].link_layer = "InfiniBand";
  EXPECT_THAT(draw_tree(cluster), Not(HasSubstr("RoCE")));
}

TEST(DrawTree, NothingKnownIsStillATree) {
  ClusterTopology cluster;
  EXPECT_EQ(draw_tree(cluster), "0 hosts\n");
  cluster.hosts.emplace_back();
  cluster.hosts[0].name = "bare";
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

}  // namespace
}  // namespace fabricheck::topology
