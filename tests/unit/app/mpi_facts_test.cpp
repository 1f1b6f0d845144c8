#include "app/mpi_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/mpi_findings.hpp"

namespace fabricheck::app {
namespace {

using control::MpiTransport;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

MpiTransport ob1(std::vector<std::string> btls) {
  MpiTransport rank;
  rank.library = "Open MPI v4.1.4";
  rank.pml = "ob1";
  rank.btls = std::move(btls);
  rank.rdma_devices.emplace();
  return rank;
}

MpiTransport over_tcp() { return ob1({"self", "tcp", "vader"}); }

MpiTransport ucx(std::vector<std::string> devices) {
  MpiTransport rank;
  rank.library = "Open MPI v4.1.4";
  rank.pml = "ucx";
  rank.ucx_version = "1.13.1";
  rank.ucx_tls = rank.ucx_net_devices = "all";
  rank.ucx_verbs = true;
  rank.ucx_shared_memory = true;
  rank.rdma_devices = std::move(devices);
  return rank;
}

MpiTransport nothing_known() {
  MpiTransport rank;
  rank.library = "Open MPI v5.0.3";
  return rank;
}

RdmaDevice nic(const std::string& name, const std::string& link_layer, const std::string& state = "ACTIVE") {
  RdmaDevice device;
  device.name = name;
  device.pci_address = "0000:18:00.0";
  RdmaPort port;
  port.number = 1;
  port.link_layer = link_layer;
  port.state = state;
  port.rate_Gbps = 400;
  device.ports = {port};
  return device;
}

/// Hosts h1, h2, … with as many ranks each, one CPU to a rank; kind 0 has InfiniBand, kind 1 nothing.
ClusterTopology cluster(int hosts, int ranks_per_host, int kind = 0) {
  ClusterTopology topology;
  topology.kinds.resize(2);
  for (Host& host : topology.kinds) host.hardware_threads = 8;
  topology.kinds[0].rdma_devices = {nic("mlx5_0", "InfiniBand")};
  for (int host = 0; host < hosts; ++host) {
    HostEntry entry;
    entry.name = "h" + std::to_string(host + 1);
    entry.kind = kind;
    topology.hosts.push_back(entry);
    for (int local = 0; local < ranks_per_host; ++local) {
      RankPlace place;
      place.rank = host * ranks_per_host + local;
      place.host = host;
      place.local_rank = local;
      place.cpus = std::to_string(local);
      topology.ranks.push_back(place);
    }
  }
  return topology;
}

std::vector<MpiTransport> everywhere(const MpiTransport& one, const ClusterTopology& topology) {
  return std::vector<MpiTransport>(topology.ranks.size(), one);
}

std::vector<std::string> slugs(const std::vector<Finding>& findings) {
  std::vector<std::string> all;
  for (const Finding& finding : findings) all.push_back(finding.slug);
  return all;
}

std::string evidence_of(const Finding& finding) {
  std::string text;
  for (const Evidence& one : finding.evidence) text += one.text + "\n";
  return text;
}

TEST(MpiWords, OfOb1) {
  const ClusterTopology topology = cluster(2, 2);
  auto words = mpi_words(everywhere(over_tcp(), topology), topology);
  EXPECT_EQ(words["pml"], "ob1");
  EXPECT_EQ(words["btl"], "self, tcp, vader");
  EXPECT_EQ(words["transport_between_nodes"], "tcp");
  EXPECT_EQ(words["transport_inside_node"], "vader");
  EXPECT_EQ(words["rdma_devices"], "none opened");
  EXPECT_EQ(words.count("ucx"), 0U);
  EXPECT_EQ(words.count("mtl"), 0U);
}

TEST(MpiWords, OnlyOfPathsThatThereAre) {
  const ClusterTopology alone = cluster(1, 2), spread = cluster(3, 1);
  EXPECT_EQ(mpi_words(everywhere(over_tcp(), alone), alone).count("transport_between_nodes"), 0U);
  EXPECT_EQ(mpi_words(everywhere(over_tcp(), spread), spread).count("transport_inside_node"), 0U);
}

TEST(MpiWords, ARankAloneOnItsHostHasNoPathInside) {
  ClusterTopology topology = cluster(3, 2);
  topology.ranks.resize(4);
  for (int rank = 0; rank < 4; ++rank)
    topology.ranks[static_cast<std::size_t>(rank)].host = std::min(rank, 2);
  std::vector<MpiTransport> ranks = everywhere(over_tcp(), topology);
  // The BTL for shared memory is opened only where there is somebody to share it with.
  for (const std::size_t rank : {0, 1}) ranks[rank].btls = {{"self", "tcp"}};
  EXPECT_EQ(mpi_words(ranks, topology)["transport_inside_node"], "vader");
}

TEST(MpiWords, OfUcx) {
  const ClusterTopology topology = cluster(2, 2);
  auto words = mpi_words(everywhere(ucx({"mlx5_0", "mlx5_1"}), topology), topology);
  EXPECT_EQ(words["pml"], "ucx");
  EXPECT_EQ(words["ucx"], "1.13.1, UCX_TLS=all, UCX_NET_DEVICES=all, verbs transports loaded");
  EXPECT_EQ(words["transport_between_nodes"], "RDMA");
  EXPECT_EQ(words["transport_inside_node"], "shared memory");
  EXPECT_EQ(words["rdma_devices"], "mlx5_0, mlx5_1 opened");
  EXPECT_EQ(words.count("btl"), 0U) << "they carry nothing below ucx";
}

TEST(MpiWords, RanksThatShareOutTheDevicesOfAHostAgree) {
  const ClusterTopology topology = cluster(2, 2);
  const std::vector<MpiTransport> ranks{ucx({"mlx5_0"}), ucx({"mlx5_1"}), ucx({"mlx5_0"}), ucx({"mlx5_1"})};
  EXPECT_EQ(mpi_words(ranks, topology)["rdma_devices"], "mlx5_0, mlx5_1 opened");
}

TEST(MpiWords, NothingKnownIsUnknown) {
  const ClusterTopology topology = cluster(2, 2);
  auto words = mpi_words(everywhere(nothing_known(), topology), topology);
  for (const char* key : {"pml", "transport_between_nodes", "transport_inside_node", "rdma_devices"})
    EXPECT_EQ(words[key], "unknown") << key;
}

TEST(MpiWords, OtherLibrariesHaveNoPml) {
  const ClusterTopology topology = cluster(2, 1);
  MpiTransport mpich;
  mpich.library = "MPICH Version: 4.0.2";
  EXPECT_EQ(mpi_words(everywhere(mpich, topology), topology).count("pml"), 0U);
}

TEST(MpiWords, TheOddOnesAreNamed) {
  const ClusterTopology topology = cluster(3, 2);
  std::vector<MpiTransport> ranks = everywhere(ucx({"mlx5_0"}), topology);
  ranks[4] = ranks[5] = ucx({});
  EXPECT_EQ(mpi_words(ranks, topology)["transport_between_nodes"], "RDMA; on h3: tcp");
  EXPECT_EQ(mpi_words(ranks, topology)["rdma_devices"], "mlx5_0 opened; on h3: none opened");
  ranks[4] = ucx({"mlx5_0"});
  EXPECT_EQ(mpi_words(ranks, topology)["transport_between_nodes"], "RDMA; on rank 5 of h3: tcp");
}

TEST(MpiWords, WithoutAMajorityNobodyIsOdd) {
  const ClusterTopology topology = cluster(4, 1);
  const std::vector<MpiTransport> ranks{over_tcp(), ucx({"mlx5_0"}), over_tcp(), ucx({"mlx5_0"})};
  EXPECT_EQ(mpi_words(ranks, topology)["pml"], "on h[1,3]: ob1; on h[2,4]: ucx");
}

TEST(PathBetweenNodes, IsTcpOnlyWhereItIsCertain) {
  EXPECT_EQ(path_between_nodes(over_tcp()).kind, PathKind::tcp);
  EXPECT_EQ(path_between_nodes(ob1({"openib", "self", "tcp", "vader"})).kind, PathKind::rdma);
  EXPECT_EQ(path_between_nodes(ob1({"ofi", "self", "tcp"})).kind, PathKind::unknown);
  EXPECT_EQ(path_between_nodes(ob1({"self", "vader"})).kind, PathKind::unknown);
  EXPECT_EQ(path_between_nodes(ucx({})).kind, PathKind::tcp);
  EXPECT_EQ(path_between_nodes(ucx({"mlx5_0"})).kind, PathKind::rdma);
  MpiTransport blind = ucx({});
  blind.rdma_devices.reset();
  EXPECT_EQ(path_between_nodes(blind).kind, PathKind::unknown);
  MpiTransport told = ucx({"mlx5_0"});  // opened by something else
  told.ucx_tls = "tcp,self,sm";
  EXPECT_EQ(path_between_nodes(told).kind, PathKind::tcp);
  EXPECT_EQ(path_between_nodes(nothing_known()).kind, PathKind::unknown);
  MpiTransport cm = nothing_known();
  cm.pml = "cm";
  cm.mtl = "ofi";
  EXPECT_EQ(path_between_nodes(cm).kind, PathKind::unknown);
  cm.mtl = "psm2";
  EXPECT_EQ(path_between_nodes(cm).kind, PathKind::rdma);
}

TEST(UcxTls, LeavesRdmaOut) {
  for (const char* tls : {"tcp", "tcp,self,sm", "self,posix,cma,tcp,cuda_copy"})
    EXPECT_TRUE(excludes_rdma(tls)) << tls;
  for (const char* tls : {"", "all", "rc,self,sm", "tcp,ud", "^tcp", "dc_x", "tcp,ib", "something_new"})
    EXPECT_FALSE(excludes_rdma(tls)) << tls;
}

TEST(TcpBesideRdma, IsFoundWithWhatToDo) {
  const ClusterTopology topology = cluster(3, 1);
  const auto findings = mpi_findings(everywhere(over_tcp(), topology), topology);
  ASSERT_THAT(slugs(findings), ElementsAre("mpi-tcp-beside-rdma"));
  const Finding& finding = findings.front();
  EXPECT_EQ(finding.severity, Severity::bad);
  EXPECT_EQ(finding.component.kind, "cluster");
  EXPECT_THAT(finding.meaning, HasSubstr("h[1-3]"));
  EXPECT_THAT(evidence_of(finding),
              AllOf(HasSubstr("mlx5_0 port 1 (InfiniBand, 400 Gb/s)"), HasSubstr("self, tcp, vader")));
  EXPECT_THAT(finding.advice, HasSubstr("--mca pml ucx"));
  EXPECT_FALSE(finding.confirm.empty());
}

TEST(TcpBesideRdma, OverRoceToo) {
  ClusterTopology topology = cluster(2, 1);
  topology.kinds[0].rdma_devices = {nic("mlx5_bond_0", "Ethernet")};
  const auto findings = mpi_findings(everywhere(over_tcp(), topology), topology);
  ASSERT_THAT(slugs(findings), ElementsAre("mpi-tcp-beside-rdma"));
  EXPECT_THAT(evidence_of(findings.front()), HasSubstr("mlx5_bond_0 port 1 (RoCE, 400 Gb/s)"));
}

TEST(TcpBesideRdma, RdmaInSoftwareIsWorthAWord) {
  ClusterTopology topology = cluster(2, 1);
  topology.kinds[0].rdma_devices = {nic("rxe0", "Ethernet")};
  topology.kinds[0].rdma_devices[0].pci_address.clear();
  const auto findings = mpi_findings(everywhere(over_tcp(), topology), topology);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings.front().severity, Severity::info);
}

TEST(TcpBesideRdma, AccusesNobodyWithoutReason) {
  const ClusterTopology alone = cluster(1, 4), spread = cluster(2, 1), plain = cluster(2, 1, 1);
  EXPECT_THAT(mpi_findings(everywhere(over_tcp(), alone), alone), IsEmpty()) << "one node";
  EXPECT_THAT(mpi_findings(everywhere(nothing_known(), spread), spread), IsEmpty()) << "nothing known";
  EXPECT_THAT(mpi_findings(everywhere(over_tcp(), plain), plain), IsEmpty()) << "no RDMA";
  EXPECT_THAT(mpi_findings(everywhere(ucx({"mlx5_0"}), spread), spread), IsEmpty()) << "RDMA is used";
  ClusterTopology down = spread;
  down.kinds[0].rdma_devices = {nic("mlx5_0", "InfiniBand", "DOWN")};
  EXPECT_THAT(mpi_findings(everywhere(over_tcp(), down), down), IsEmpty()) << "no port is active";
  ClusterTopology lonely = spread;
  lonely.hosts[1].kind = 1;
  EXPECT_THAT(mpi_findings(everywhere(over_tcp(), lonely), lonely), IsEmpty()) << "RDMA has two ends";
}

TEST(TcpBesideRdma, TellsWhatIsKnownOfUcx) {
  ClusterTopology topology = cluster(2, 1);
  const auto advice = [&](const MpiTransport& rank) {
    return mpi_findings(everywhere(rank, topology), topology).front().advice;
  };
  MpiTransport told = ucx({});
  told.ucx_tls = "tcp,self";
  EXPECT_THAT(advice(told), HasSubstr("UCX_TLS=tcp,self"));
  MpiTransport without = ucx({});
  without.ucx_verbs = false;
  EXPECT_THAT(advice(without), HasSubstr("libuct_ib"));
  EXPECT_THAT(advice(ucx({})), AllOf(HasSubstr("/dev/infiniband"), Not(HasSubstr("too little"))));
  topology.kinds[0].environment.memlock_bytes = 65536;
  EXPECT_THAT(advice(ucx({})), HasSubstr("64 KiB, which is too little"));
}

TEST(TransportDiffers, NamesTheOddHost) {
  const ClusterTopology topology = cluster(3, 2);
  std::vector<MpiTransport> ranks = everywhere(ucx({"mlx5_0"}), topology);
  ranks[2] = ranks[3] = ucx({});
  const auto findings = mpi_findings(ranks, topology);
  ASSERT_THAT(slugs(findings), ElementsAre("mpi-tcp-beside-rdma", "mpi-transport-differs"));
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.component, (Component{"host", "h2", "h2"})) << finding.slug;
    EXPECT_THAT(evidence_of(finding), HasSubstr("h2: pml ucx")) << finding.slug;
    EXPECT_THAT(evidence_of(finding), Not(HasSubstr("h1"))) << finding.slug;
  }
  EXPECT_THAT(findings[1].meaning,
              AllOf(HasSubstr("ucx over TCP on h2"), HasSubstr("ucx over RDMA on h[1,3]")));
}

TEST(TransportDiffers, AHostWithoutRdmaIsOddAndNotToBlameForTcp) {
  ClusterTopology topology = cluster(3, 1);
  topology.hosts[2].kind = 1;
  std::vector<MpiTransport> ranks = everywhere(ucx({"mlx5_0"}), topology);
  ranks[2] = ucx({});
  const auto findings = mpi_findings(ranks, topology);
  ASSERT_THAT(slugs(findings), ElementsAre("mpi-transport-differs"));
  EXPECT_EQ(findings.front().component.host, "h3");
}

TEST(TransportDiffers, ATieAccusesNobody) {
  const ClusterTopology topology = cluster(2, 1, 1);
  const auto findings = mpi_findings({over_tcp(), ucx({"mlx5_0"})}, topology);
  ASSERT_THAT(slugs(findings), ElementsAre("mpi-transport-differs"));
  EXPECT_EQ(findings.front().component, (Component{"cluster", "MPI", ""}));
  EXPECT_THAT(findings.front().meaning,
              AllOf(HasSubstr("ob1 over TCP on h1"), HasSubstr("ucx over RDMA on h2")));
}

TEST(TransportDiffers, TheUnknownIsNoDifference) {
  const ClusterTopology topology = cluster(3, 1, 1);
  EXPECT_THAT(mpi_findings({over_tcp(), nothing_known(), over_tcp()}, topology), IsEmpty());
  EXPECT_THAT(mpi_findings({ucx({"mlx5_0"}), ucx({"mlx5_1"}), ucx({"mlx5_0"})}, topology), IsEmpty())
      << "other devices are the same transport";
}

ClusterTopology on_cpus(const std::vector<std::string>& cpus, int hardware_threads) {
  ClusterTopology topology = cluster(1, static_cast<int>(cpus.size()));
  for (std::size_t rank = 0; rank < cpus.size(); ++rank) topology.ranks[rank].cpus = cpus[rank];
  for (Host& kind : topology.kinds) kind.hardware_threads = hardware_threads;
  return topology;
}

TEST(Binding, InWords) {
  const auto words = [](const std::vector<std::string>& cpus, int hardware_threads) {
    return bindings(on_cpus(cpus, hardware_threads)).front().words;
  };
  EXPECT_EQ(words({"0-7", "0-7"}, 8), "not bound");
  EXPECT_EQ(words({"0-7"}, 8), "not bound");
  EXPECT_EQ(words({"0,8"}, 16), "each rank on its own cores");
  EXPECT_EQ(words({"0-1", "2-3"}, 4), "each rank on its own cores");
  EXPECT_EQ(words({"0-3", "0-3", "4-7", "4-7"}, 8), "ranks together on sets of cores, at least one for each");
  EXPECT_EQ(words({"0-3", "0-3"}, 8), "ranks together on sets of cores, at least one for each");
  EXPECT_EQ(words({"0", "0"}, 8), "ranks share cores");
  EXPECT_EQ(words({"0-1", "0-1", "0-1"}, 2), "ranks share cores");
  EXPECT_EQ(words({"", ""}, 8), "unknown");
  EXPECT_EQ(words({"three"}, 8), "unknown");
}

TEST(RanksShareCores, SaysHowManyOnHowMany) {
  const ClusterTopology topology = on_cpus({"0", "1", "4-5", "4-5", "4-5"}, 8);
  const auto findings = mpi_findings(everywhere(over_tcp(), topology), topology);
  ASSERT_THAT(slugs(findings), ElementsAre("ranks-share-cores"));
  EXPECT_EQ(findings.front().severity, Severity::info);
  EXPECT_EQ(findings.front().component, (Component{"host", "h1", "h1"}));
  EXPECT_THAT(evidence_of(findings.front()), HasSubstr("3 ranks may run on the same 2 CPUs"));
}

TEST(RanksShareCores, NamesTheMostCrowdedSet) {
  const HostBinding crowded = bindings(on_cpus({"0", "0", "1-2", "1-2", "1-2", "3", "3", "3"}, 8)).front();
  EXPECT_EQ(crowded.ranks, 3);
  EXPECT_EQ(crowded.cpus, 1);
}

}  // namespace
}  // namespace fabricheck::app
