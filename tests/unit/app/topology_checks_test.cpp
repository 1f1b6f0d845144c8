#include "app/topology_checks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "core/error.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A file that is gone at the end of the test.
class File {
 public:
  explicit File(const std::string& text)
      : path_(std::filesystem::path(testing::TempDir()) /
              ("topology_checks_" + std::to_string(++made_) + "_" + std::to_string(::getpid()))) {
    std::ofstream(path_) << text;
  }
  ~File() { std::filesystem::remove(path_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::string name() const { return path_.string(); }

 private:
  static inline int made_ = 0;
  std::filesystem::path path_;
};

Host host_of(int number, int gpus) {
  Host host;
  host.name = "node" + std::to_string(number);
  for (int i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.index = i;
    gpu.name = "NVIDIA H100 80GB HBM3";
    gpu.pci_address = "0000:1" + std::to_string(i) + ":00.0";
    gpu.numa_node = i / 2;
    host.gpus.push_back(gpu);
    RdmaDevice nic;
    nic.name = "mlx5_" + std::to_string(i);
    nic.numa_node = i / 2;
    RdmaPort port;
    port.number = 1;
    port.link_layer = "InfiniBand";
    port.state = "ACTIVE";
    port.rate_Gbps = 400;
    nic.ports = {port};
    host.rdma_devices.push_back(nic);
  }
  return host;
}

const CheckRecord* find(const TopologyVerdicts& verdicts, const std::string& id) {
  for (const CheckRecord& check : verdicts.checks)
    if (check.id == id) return &check;
  return nullptr;
}

TEST(TopologyChecks, OnlyAndSkipChooseAndWhatIsSkippedIsNotTested) {
  ClusterTopology cluster = topology::merge_hosts({host_of(0, 2)});
  EXPECT_THAT(judge_topology(cluster, {}, "", {"mpi.*"}, {}).checks, IsEmpty());
  EXPECT_THAT(judge_topology(cluster, {}, "", {"mpi.*"}, {}).not_tested, IsEmpty());
  const TopologyVerdicts one = judge_topology(cluster, {}, "", {}, {"topology.devices"});
  EXPECT_EQ(find(one, "topology.devices"), nullptr);
  ASSERT_FALSE(one.not_tested.empty());
  EXPECT_EQ(one.not_tested[0].id, "topology.consistency") << "of one host";
}

TEST(TopologyChecks, TheFileSaysWhatShouldBeThereElseSlurm) {
  ClusterTopology cluster = topology::merge_hosts({host_of(0, 2)});
  const File file("[gpu]\ncount = 2\n");
  TopologySources sources;
  sources.expect_file = file.name();
  const TopologyWords words = read_topology_words(sources);
  const TopologyVerdicts by_file = judge_topology(cluster, words, "gpu:8", {"topology.expectation"}, {});
  ASSERT_NE(find(by_file, "topology.expectation"), nullptr);
  EXPECT_EQ(find(by_file, "topology.expectation")->verdict, Verdict::pass) << "the file comes before Slurm";
  const TopologyVerdicts by_slurm = judge_topology(cluster, {}, "gpu:8", {"topology.expectation"}, {});
  ASSERT_NE(find(by_slurm, "topology.expectation"), nullptr);
  EXPECT_EQ(find(by_slurm, "topology.expectation")->verdict, Verdict::fail);
  EXPECT_THAT(find(by_slurm, "topology.expectation")->reason, HasSubstr("node0"));
}

TEST(TopologyChecks, TheSwitchTopologyNamesARailOnTheWrongLeaf) {
  // Four hosts with two rails; node2's two cables are swapped.
  std::vector<Host> hosts;
  std::string text;
  for (int number = 0; number < 4; ++number) {
    hosts.push_back(host_of(number, 2));
    hosts.back().gpus[0].numa_node = hosts.back().rdma_devices[0].numa_node = 0;
    hosts.back().gpus[1].numa_node = hosts.back().rdma_devices[1].numa_node = 1;
  }
  for (int leaf = 0; leaf < 2; ++leaf) {
    text += "Switch\t40 \"S-000000000000000" + std::to_string(leaf) + "\"\t\t# \"leaf" +
            std::to_string(leaf) + "\" enhanced port 0 lid 1 lmc 0\n";
    for (int number = 0; number < 4; ++number) {
      const int device = number == 2 ? 1 - leaf : leaf;
      const std::string guid = "000000000000a" + std::to_string(number) + std::to_string(device) + "0";
      text += "[" + std::to_string(number + 1) + "]\t\"H-" + guid + "\"[1](" + guid + ") \t\t# \"node" +
              std::to_string(number) + " mlx5_" + std::to_string(device) + "\" lid 9 4xNDR\n";
    }
    text += "\n";
  }
  const File file(text);
  TopologySources sources;
  sources.switch_topology_file = file.name();
  ClusterTopology cluster = topology::merge_hosts(hosts);
  const TopologyVerdicts verdicts =
      judge_topology(cluster, read_topology_words(sources), "", {"topology.consistency"}, {});
  const CheckRecord* check = find(verdicts, "topology.consistency");
  ASSERT_NE(check, nullptr);
  EXPECT_EQ(check->verdict, Verdict::fail) << check->reason;
  EXPECT_THAT(check->reason, HasSubstr("node2"));
  for (const char* healthy : {"node0", "node1", "node3"}) EXPECT_THAT(check->reason, Not(HasSubstr(healthy)));
  EXPECT_EQ(topology::whole_host(cluster, 0).rdma_devices[1].ports[0].neighbour->switch_name, "leaf1");
}

TEST(TopologyChecks, WhatAHostSaysOfItsOwnCablesNeedNotNameIt) {
  Host host = host_of(0, 2);
  host.rdma_devices[1].ports[0].net_device = "ens7";
  const File file("lldp.ens7.via=LLDP\nlldp.ens7.chassis.name=leaf3\nlldp.ens7.port.ifname=Ethernet1/7\n");
  TopologySources sources;
  sources.switch_topology_file = file.name();
  ClusterTopology cluster = topology::merge_hosts({host});
  judge_topology(cluster, read_topology_words(sources), "", {}, {});
  const Host judged = topology::whole_host(cluster, 0);
  const auto& neighbour = judged.rdma_devices[1].ports[0].neighbour;
  ASSERT_TRUE(neighbour.has_value());
  EXPECT_EQ(neighbour->switch_name, "leaf3");
}

TEST(TopologyChecks, ASwitchTopologyOfOtherHostsIsRefused) {
  const File file(
      "Switch\t40 \"S-0\"\t\t# \"leaf\" enhanced port 0 lid 1 lmc 0\n"
      "[1]\t\"H-00000000000000a0\"[1](00000000000000a0) \t\t# \"elsewhere mlx5_0\" lid 9 4xNDR\n");
  TopologySources sources;
  sources.switch_topology_file = file.name();
  ClusterTopology cluster = topology::merge_hosts({host_of(0, 2)});
  const TopologyWords words = read_topology_words(sources);
  EXPECT_THROW(judge_topology(cluster, words, "", {}, {}), UsageError);
}

TEST(TopologyChecks, WrongWordsAreRefusedBeforeAnythingIsJudged) {
  const auto refusal = [](const TopologySources& sources) -> std::string {
    try {
      read_topology_words(sources);
      return "no error";
    } catch (const UsageError& error) {
      return error.what();
    }
  };
  EXPECT_THAT(refusal({"", "dgx-h1000", ""}), HasSubstr("did you mean 'dgx-h100'?"));
  EXPECT_THAT(refusal({"/nowhere.toml", "", ""}), HasSubstr("/nowhere.toml"));
  const File bad("[gpu]\ncount = \"eight\"\n");
  EXPECT_THAT(refusal({bad.name(), "", ""}), HasSubstr(bad.name() + ":2:"));
  EXPECT_THAT(refusal({"", "", bad.name()}), HasSubstr(bad.name()));
  EXPECT_EQ(refusal({"", "auto", ""}), "no error");
}

TEST(TopologyChecks, WhatTwoChecksFindAlikeIsOneFinding) {
  std::vector<Host> hosts{host_of(0, 2), host_of(1, 2), host_of(2, 2)};
  for (Host& host : hosts)
    for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].active_mtu_bytes = 4096;
  hosts[1].rdma_devices[1].ports[0].active_mtu_bytes = 2048;
  ClusterTopology cluster = topology::merge_hosts(hosts);
  const TopologyVerdicts verdicts = judge_topology(cluster, {}, "", {}, {});
  std::vector<std::string> explains;
  int found = 0;
  for (const Finding& finding : verdicts.findings) {
    if (finding.slug != "mtu-mismatch") continue;
    ++found;
    explains = finding.explains;
  }
  EXPECT_EQ(found, 1);
  EXPECT_EQ(explains, (std::vector<std::string>{"topology.consistency", "ib.config"}));
}

}  // namespace
}  // namespace fabricheck::app
