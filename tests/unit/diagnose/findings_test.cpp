#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "logs.hpp"
#include "synthetic_logs.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::vector<SyntheticLog> all_logs() {
  std::vector<SyntheticLog> all(network_logs().begin(), network_logs().end());
  all.insert(all.end(), node_logs().begin(), node_logs().end());
  return all;
}

TEST(Findings, EachSyntheticLogGivesItsFinding) {
  for (const SyntheticLog& one : all_logs()) {
    const auto found = slugs(one.log);
    EXPECT_THAT(found, Contains(one.slug)) << one.versions;
    if (one.is_first) {
      ASSERT_THAT(found, Not(IsEmpty())) << one.slug << ", " << one.versions;
      EXPECT_EQ(found.front(), one.slug) << one.versions;
    }
  }
}

TEST(Findings, EachRowOfTheCatalogueHasASyntheticLog) {
  std::set<std::string> logged{"slower-than-topology"};  // wants a topology; see below
  for (const SyntheticLog& one : all_logs()) logged.insert(one.slug);
  std::set<std::string> rows;
  for (const KnownFinding& known : known_findings()) {
    EXPECT_TRUE(rows.insert(known.slug).second) << known.slug << " has two rows";
    EXPECT_EQ(logged.count(known.slug), 1U) << known.slug;
    EXPECT_NE(std::string(known.meaning), "") << known.slug;
    const bool is_healthy = std::string(known.slug).rfind("healthy", 0) == 0;
    EXPECT_EQ(std::string(known.advice).empty(), is_healthy) << known.slug;
  }
}

/// Tags of launchers, colours and pastes change nothing.
TEST(Findings, AreTheSameBehindEveryTag) {
  const std::vector<std::string> tags{"[1,12]<stdout>:",
                                      "3: ",
                                      "node01: ",
                                      "[rank5]: ",
                                      "2026-01-01T10:00:00.123Z: ",
                                      "(RayWorker pid=7, ip=10.0.0.1) ",
                                      "\x1b[36m(Worker pid=7)\x1b[0m ",
                                      "worker-0 | ",
                                      "> ",
                                      "[vllm]: "};
  for (const SyntheticLog& one : all_logs()) {
    const std::string log = one.log;
    if (log.find(" NCCL WARN ") == std::string::npos || std::count(log.begin(), log.end(), '\n') != 1)
      continue;
    for (const std::string& tag : tags) EXPECT_THAT(slugs(tag + log), Contains(one.slug)) << tag << log;
    std::string crlf = log;
    crlf.insert(crlf.size() - 1, "\r");
    EXPECT_THAT(slugs(crlf), Contains(one.slug)) << log;
    // Some are told by the source file that warned.
    if (log.find("transport/nvls.") != std::string::npos || log.find("transport/p2p.") != std::string::npos)
      continue;
    std::string bare = log.substr(log.find("NCCL WARN"));
    EXPECT_THAT(slugs(bare), Contains(one.slug)) << bare;
  }
}

TEST(Findings, TheRootComesFirstAndItsEchoesUnderIt) {
  const Diagnosis found = diagnosed(
      "a1:10:20 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer b1<41109>\n"
      "b1:10:20 [0] misc/shmutils.cc:71 NCCL WARN Error: failed to extend /dev/shm/nccl-abcdef to 5967876 "
      "bytes\n"
      "[rank1]: Watchdog caught collective operation timeout\n");
  ASSERT_EQ(found.findings.size(), 3U);
  EXPECT_EQ(found.findings[0].slug, "shm-too-small");
  EXPECT_EQ(found.findings[0].caused_by, std::nullopt);
  EXPECT_EQ(found.findings[1].caused_by, "shm-too-small");
  EXPECT_EQ(found.findings[2].caused_by, "shm-too-small");
}

TEST(Findings, AMissingPluginIsNoFinding) {
  const auto found = slugs(
      "a1:10:20 [0] NCCL INFO NET/Plugin: Could not find: libnccl-net.so. Using internal network plugin.\n"
      "a1:10:20 [0] NCCL INFO PROFILER/Plugin: Could not find: libnccl-profiler.so.\n"
      "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0:10.1.1.1<0>\n");
  EXPECT_THAT(found, testing::ElementsAre("healthy-init"));
}

TEST(Findings, TrapsGiveNoFault) {
  const char* traps[] = {
      // MNNVL with health mask 0xaa works.
      "a1:10:20 [0] NCCL INFO MNNVL busId 0x901000 fabric UUID 1.2 cliqueId 0x7ffe state 3 healthMask 0xaa\n",
      // Volta sends without and receives with GPUDirect RDMA.
      "a1:10:20 [0] NCCL INFO Channel 00 : 0[1] -> 1[1] [send] via NET/IB/0\n"
      "a1:10:20 [0] NCCL INFO Channel 00 : 1[1] -> 0[1] [receive] via NET/IB/0/GDRDMA\n",
      // Sockets are always there beside InfiniBand.
      "a1:10:20 [0] NCCL INFO NET/Socket : Using [0]eth0:10.1.1.1<0>\n"
      "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB ; OOB eth0:10.1.1.1<0>\n",
      "a1:10:20 [0] NCCL INFO NET/Socket : GPU Direct RDMA Disabled for HCA 0 'eth0'\n",
      "a1:10:20 [0] NCCL INFO Call to mlx5dv_get_data_direct_sysfs_path failed with error No such device "
      "errno 19\n",
      // Before Hopper there are no NVLS channels.
      "a1:10:20 [0] NCCL INFO 24 coll channels, 0 nvls channels, 32 p2p channels, 32 p2p channels per peer\n",
      "a1:10:20 [0] NCCL INFO Channel 00 : 1[5000] -> 0[5000] [receive] via NET/AWS Libfabric/0/GDRDMA\n",
      // Far pairs of GPU and NIC are on every machine.
      "a1:10:20 [0] NCCL INFO GPU Direct RDMA Disabled for GPU 3 / HCA 1a (distance 7 > 5)\n"
      "a1:10:20 [0] NCCL INFO GPU Direct RDMA Enabled for GPU 3 / HCA 1b (distance 4 <= 5), read 1 mode "
      "Default\n",
      "a1:10:20 [0] NCCL INFO socketPollConnect: connect to 10.1.1.1<1> returned Connection refused, "
      "retrying (1/34) after "
      "sleep for 100 msec\n"};
  for (const char* trap : traps)
    EXPECT_FALSE(diagnosed(trap).has_fault) << trap << testing::PrintToString(slugs(trap));
}

TEST(Findings, NothingIsHealthyBesideAFailureThatNobodyExplains) {
  const std::string well =
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n"
      "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n"
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
      "COMPLETE\n";
  ASSERT_EQ(first(well), "healthy");
  for (const char* line : {"a1:10:20 [0] misc/x.cc:1 NCCL WARN something that nobody knows",
                           "Traceback (most recent call last):", "slurmstepd: CANCELLED DUE TO TIME LIMIT"}) {
    const Diagnosis found = diagnosed(well + line + "\n");
    EXPECT_FALSE(found.has_fault) << line;
    EXPECT_FALSE(found.is_conclusive) << line;
    EXPECT_THAT(slugs(found).front(), testing::AnyOf("unexplained-failure", "time-limit")) << line;
  }
  EXPECT_TRUE(diagnosed(well + "[n1:1] Signal: Segmentation fault (11)\n").has_fault);
}

TEST(Findings, AWarningThatNobodyKnowsIsQuotedWhereACallFailed) {
  const Diagnosis found = diagnosed(
      "a1:10:20 [0] graph/xml.h:101 NCCL WARN Attribute arch of node cpu not found\n"
      "a1:10:20 [0] NCCL INFO init.cc:900 -> 3\n");
  ASSERT_NE(finding(found, "nccl-call-failed"), nullptr);
  EXPECT_THAT(finding(found, "nccl-call-failed")->meaning, HasSubstr("Attribute arch of node cpu not found"));
  EXPECT_EQ(finding(found, "unexplained-failure"), nullptr);
}

TEST(Findings, HealthyIsSaidOnlyWhenEnoughWasSeen) {
  EXPECT_THAT(slugs("a1:10:20 [0] NCCL INFO cudaDriverVersion 12040\n"), IsEmpty());
  EXPECT_FALSE(diagnosed("a1:10:20 [0] NCCL INFO cudaDriverVersion 12040\n").is_conclusive);
  const Diagnosis begun =
      diagnosed("a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [RO]; OOB e:10.1.1.1<0>\n");
  EXPECT_EQ(slugs(begun).front(), "healthy-init");
  std::vector<std::string> ids;
  for (const NotTested& missing : begun.not_seen) ids.push_back(missing.id);
  EXPECT_THAT(ids, Contains("diagnose.channels_between_nodes"));
}

TEST(Findings, AStartThatDidNotEndIsNotWell) {
  const std::string front = "a1:10:20 [0] NCCL INFO ";
  const std::string begun =
      front +
      "ncclCommInitRank comm 0x7f rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1000 commId 0x1 - Init START\n" +
      front + "Using network IB\n" + front + "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n";
  EXPECT_TRUE(diagnosed(begun).is_start_open);
  EXPECT_FALSE(diagnosed(begun).is_conclusive) << "it may have hung";
  const std::string ended = begun + front +
                            "ncclCommInitRank comm 0x7f rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1000 "
                            "commId 0x1 - Init COMPLETE\n";
  EXPECT_FALSE(diagnosed(ended).is_start_open);
  EXPECT_TRUE(diagnosed(ended).is_conclusive);
}

TEST(Findings, SocketsOnOneNodeAreOnlyARemark) {
  const Diagnosis found = diagnosed(
      "a1:10:20 [0] NCCL INFO Using network Socket\n"
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n");
  EXPECT_FALSE(found.has_fault);
  ASSERT_NE(finding(found, "net-socket-fallback"), nullptr);
  EXPECT_THAT(finding(found, "net-socket-fallback")->meaning, HasSubstr("single node"));
}

TEST(Findings, AHealthyNodeWithoutNetworkIsHealthy) {
  const auto found = slugs(
      "a1:10:20 [0] NCCL INFO NET/IB : No device found.\na1:10:20 [0] NCCL INFO Using network Socket\n"
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n"
      "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n"
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
      "COMPLETE\n");
  EXPECT_THAT(found, testing::ElementsAre("healthy", "net-socket-fallback"));
}

TEST(Findings, ATopologyFileOfThePluginIsATopologyFile) {
  EXPECT_FALSE(
      diagnosed("a1:10:20 [0] NCCL INFO NET/OFI Setting NCCL_TOPO_FILE environment variable to /opt/p4d.xml\n"
                "a1:10:20 [0] NCCL INFO Topology detection : could not read "
                "/sys/devices/pci0000:00/0000:00:05.0/../max_link_speed, ignoring\n"
                "a1:10:20 [0] NCCL INFO KV Convert to int : could not find value of '' in dictionary, "
                "falling back to "
                "60\n")
          .has_fault);
}

TEST(Findings, EvidenceIsQuotedWithFileAndLine) {
  const Diagnosis found =
      diagnosed("first\na1:10:20 [0] init.cc:497 NCCL WARN Duplicate GPU detected : rank 2 and rank 0\n");
  const Finding* duplicate = finding(found, "duplicate-gpu");
  ASSERT_NE(duplicate, nullptr);
  ASSERT_EQ(duplicate->evidence.size(), 1U);
  EXPECT_EQ(duplicate->evidence[0].file, "test.log");
  EXPECT_EQ(duplicate->evidence[0].line, 2);
  EXPECT_THAT(duplicate->evidence[0].text, HasSubstr("Duplicate GPU detected"));
  EXPECT_EQ(duplicate->component.host, "a1");
}

TEST(Findings, ARefusalOfTheIommuIsEvidenceForTheVirtualMachine) {
  const Diagnosis found = diagnosed(
      "a1:10:20 [0] NCCL INFO Topology detection : could not read "
      "/sys/devices/pci0000:00/0000:00:05.0/../max_link_speed, ignoring\n"
      "[ 10.0] DMAR: [DMA Write NO_PASID] Request device [18:00.0] fault addr 0x7000 [fault reason 0x05]\n");
  const Finding* refused = finding(found, "vm-ats-acs");
  ASSERT_NE(refused, nullptr);
  ASSERT_EQ(refused->evidence.size(), 1U);
  EXPECT_EQ(refused->evidence.front().line, 2);
}

TEST(Findings, AVariableIsNamedByItsNearestKnownOne) {
  const Diagnosis found =
      diagnosed("export NCCL_IB_GID_INEDX=3\nexport NCCL_IB_HCA=mlx5_0\nexport MY_NCCL_THING=1\n");
  const Finding* typo = finding(found, "env-unknown-variable");
  ASSERT_NE(typo, nullptr);
  EXPECT_EQ(typo->component.name, "NCCL_IB_GID_INEDX");
  EXPECT_THAT(typo->advice, HasSubstr("NCCL_IB_GID_INDEX"));
  EXPECT_EQ(slugs(found).size(), 1U);
}

TEST(Findings, OfATopologyAreThoseOfItsHosts) {
  Host host;
  host.name = "h1";
  host.gpus.resize(1);
  host.gpus[0].fabric = GpuFabric{"in-progress", "", "", {}, {}};
  Observations seen;
  observe_topology(seen, topology::merge_hosts({host}), "topology.json");
  const Diagnosis found = diagnose(seen);
  ASSERT_NE(finding(found, "fabric-manager-down"), nullptr);
  EXPECT_THAT(finding(found, "fabric-manager-down")->evidence.front().text, HasSubstr("h1"));
}

/// Eight GPUs that a matrix joins by 18 NVLinks, but for one pair.
Host matrix_of_eight(const std::string& host_name, const std::string& pair) {
  Host host;
  host.name = host_name;
  host.source = "nvidia-smi topo -m";
  GivenPaths paths;
  for (int i = 0; i < 8; ++i) {
    Gpu gpu;
    gpu.index = i;
    host.gpus.push_back(gpu);
    paths.names.push_back("GPU" + std::to_string(i));
    paths.cells.emplace_back(8, "NV18");
    paths.cells.back()[static_cast<std::size_t>(i)] = "X";
  }
  paths.cells[2][5] = paths.cells[5][2] = pair;
  host.given_paths = std::move(paths);
  return host;
}

TEST(Findings, WhatIsUnlikeItsPeersInATopologyIsFound) {
  Observations good;
  observe_topology(good, topology::merge_hosts({matrix_of_eight("h0", "NV18")}), "h0.txt");
  EXPECT_TRUE(diagnose(good).findings.empty());
  observe_odd_ones(good, topology::merge_hosts({matrix_of_eight("h1", "SYS")}), "h1.txt");
  const Diagnosis pair = diagnose(good);
  ASSERT_NE(finding(pair, "nvlink-down"), nullptr);
  EXPECT_EQ(finding(pair, "nvlink-down")->severity, Severity::bad);
  EXPECT_EQ(finding(pair, "nvlink-down")->component.name, "GPU2-GPU5");
  EXPECT_THAT(finding(pair, "nvlink-down")->evidence.front().text, HasSubstr("h1: GPU2-GPU5: SYS"));
  EXPECT_EQ(good.topology->hosts.front().name, "h0") << "speed is held against the first";

  Host narrow = matrix_of_eight("h1", "NV18");
  narrow.source = "NCCL XML";
  for (Gpu& gpu : narrow.gpus) gpu.pcie.width = gpu.index == 3 ? 8 : 16;
  Observations seen;
  observe_topology(seen, topology::merge_hosts({narrow}), "h1.xml");
  const Diagnosis lanes = diagnose(seen);
  ASSERT_NE(finding(lanes, "pcie-width-reduced"), nullptr);
  EXPECT_EQ(finding(lanes, "pcie-width-reduced")->component.name, "GPU3");
  EXPECT_EQ(finding(lanes, "pcie-width-reduced")->severity, Severity::info) << "the slot may have no more";
}

TEST(Findings, OrderIsBySeverityThenByTheCatalogue) {
  const auto found = slugs(
      "a1:10:20 [0] NCCL INFO NET/IB : GPU Direct RDMA Disabled for HCA 1 'mlx5_1'\n"
      "a1:10:20 [0] transport/net_ib.cc:80 NCCL WARN NET/IB : Got async event : local catastrophic error\n"
      "a1:10:20 [0] NCCL INFO NCCL_SHM_DISABLE set by environment to 1.\n");
  EXPECT_THAT(found, testing::ElementsAre("ib-device-fatal", "gdr-disabled", "env-harmful-variable"));
}

TEST(Findings, InfiniBandThatIsOffIsNoFailedCall) {
  for (const char* line :
       {"src/transport/net_ib.cc:852 -> 3", "src/transport/net_ib/init.cc:526 (ncclIbInit) -> 3"}) {
    const std::string start = std::string("n1:1:2 [0] NCCL INFO ") + line + "\n";
    EXPECT_THAT(slugs(start + "n1:1:2 [0] NCCL INFO Failed to initialize NET plugin IB\n"
                              "n1:1:2 [0] NCCL INFO Using network Socket\n"),
                Not(Contains("nccl-call-failed")))
        << line;
    EXPECT_THAT(slugs(start + "n1:1:2 [0] NCCL INFO src/transport/net.cc:700 -> 3\n"),
                Contains("nccl-call-failed"))
        << "who called hands a real error on";
  }
}

}  // namespace
}  // namespace fabricheck::diagnose
