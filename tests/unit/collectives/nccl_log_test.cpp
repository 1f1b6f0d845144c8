#include "collectives/nccl/log.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace fabricheck::collectives {
namespace {

using Names = std::set<std::string>;

TEST(NcclLog, Version2_18OverSockets) {
  const NcclFacts facts = read_nccl_log(
      "<cluster_name>:923:1147 [4] NCCL INFO NVLS multicast support is not available on dev 4\n"
      "<cluster_name>:919:1150 [0] NCCL INFO Channel 01/0 : 8[0] -> 15[7] via P2P/IPC/read\n"
      "<cluster_name>:926:1151 [7] NCCL INFO Channel 03/0 : 15[7] -> 6[6] [send] via NET/Socket/3\n");
  EXPECT_EQ(facts.transports, (Names{"NET/Socket", "P2P/IPC"}));
  EXPECT_EQ(facts.network, "Socket");
  EXPECT_EQ(facts.gdr, false);
  EXPECT_EQ(facts.nvls, false);
  EXPECT_EQ(facts.plugin, std::nullopt);
  EXPECT_EQ(facts.version, std::nullopt);
  EXPECT_EQ(facts.channels, std::nullopt);
}

TEST(NcclLog, Version2_18InsideANode) {
  const NcclFacts facts = read_nccl_log(
      "NCCL version 2.18.3+cuda12.2\n"
      "ubuntu:39964:40046 [2] NCCL INFO Using network Socket\n"
      "ubuntu:9621:9687 [2] NCCL INFO Channel 13 : 10[2] -> 11[3] via SHM/direct/direct\n"
      "036260b61d3a:33347:33367 [7] NCCL INFO Channel 15/0 : 7[7] -> 4[4] via P2P/direct pointer\n"
      "036260b61d3a:33347:33366 [6] NCCL INFO NCCL_ALGO set by environment to "
      "Tree,Ring,,CollnetDirect,CollnetChain,NVLS\n"
      "036260b61d3a:33347:33366 [6] NCCL INFO 16 coll channels, 0 nvls channels, 16 p2p channels, 16 p2p "
      "channels per peer\n");
  EXPECT_EQ(facts.version, "2.18.3+cuda12.2");
  EXPECT_EQ(facts.transports, (Names{"P2P/direct pointer", "SHM"}));
  EXPECT_EQ(facts.network, "Socket");
  EXPECT_EQ(facts.gdr, std::nullopt) << "no connection went over the network";
  EXPECT_EQ(facts.channels, 16);
  EXPECT_EQ(facts.nvls, false);
  EXPECT_EQ(facts.algorithms, Names{}) << "what was allowed is not what ran";
}

TEST(NcclLog, Version2_19WithAPluginFromOutside) {
  const NcclFacts facts = read_nccl_log(
      "qh100-gpu20:39629:39686 [0] NCCL INFO NET/Plugin: Failed to find ncclNetPlugin_v8 symbol.\n"
      "qh100-gpu20:39629:39686 [0] NCCL INFO NET/Plugin: Loaded net plugin NCCL RDMA Plugin v6 (v6)\n"
      "qh100-gpu20:39629:39686 [0] NCCL INFO NET/Plugin: Loaded collnet plugin SHARP (v6)\n"
      "qh100-gpu20:39629:39686 [0] NCCL INFO P2P plugin IBext\n"
      "qh100-gpu19:49355:49414 [1] NCCL INFO Using network IBext\n"
      "qh100-gpu19:49360:49467 [6] NCCL INFO Channel 11/0 : 6[6] -> 14[6] [send] via NET/IBext/3/GDRDMA\n"
      "qh100-gpu20:39630:39748 [1] NCCL INFO Channel 10/0 : 9[1] -> 11[3] via P2P/CUMEM\n");
  EXPECT_EQ(facts.plugin, "NCCL RDMA Plugin v6");
  EXPECT_EQ(facts.network, "IBext");
  EXPECT_EQ(facts.transports, (Names{"NET/IBext", "P2P/CUMEM"}));
  EXPECT_EQ(facts.gdr, true);
}

TEST(NcclLog, Versions2_21To2_24) {
  NcclFacts facts = read_nccl_log(
      "gh1:185972:186354 [0] NCCL INFO P2P plugin IBext_v8\n"
      "gh1:185972:186354 [0] NCCL INFO NET/IB : Using [0]mlx5_2:1/IB/SHARP [RO]; OOB bond0:X.X.X.X<0>\n"
      "gh1:185972:186354 [0] NCCL INFO Using non-device net plugin version 0\n"
      "gh1:185972:186354 [0] NCCL INFO Using network IBext_v8\n");
  EXPECT_EQ(facts.plugin, "IBext_v8");
  EXPECT_EQ(facts.network, "IBext_v8");
  EXPECT_EQ(facts.transports, Names{});
  facts = read_nccl_log("6f2d8a82d208:1287:1287 [0] NCCL INFO NCCL version 2.23.4+cuda12.4\n");
  EXPECT_EQ(facts.version, "2.23.4+cuda12.4");
  facts = read_nccl_log(
      "NCCL INFO NCCL version 2.24.3+cuda12.2\r\n"
      "NCCL INFO NET/Plugin: Loaded net plugin NCCL RDMA Plugin v8 (v8)\r\n"
      "NCCL INFO Using network IBext_v8\r\n");
  EXPECT_EQ(facts.version, "2.24.3+cuda12.2");
  EXPECT_EQ(facts.plugin, "NCCL RDMA Plugin v8");
  EXPECT_EQ(facts.network, "IBext_v8");
}

TEST(NcclLog, Versions2_27And2_28) {
  NcclFacts facts = read_nccl_log(
      "tpgds-aihub0007:185302:185302 [0] NCCL INFO TUNER/Plugin: Could not find: libnccl-tuner.so. Using "
      "internal tuner plugin.\n"
      "tpgds-aihub0007:185302:185302 [0] NCCL INFO AllReduce: 4 Bytes -> Algo RING proto SIMPLE "
      "channel{Lo..Hi}={0..0}\n"
      "[2026-03-03 12:11:38] tpgds-aihub0007:185303:186751 [1] transport/net_ib.cc:2453 NCCL WARN NET/IB: "
      "Got "
      "completion from peer 10.99.91.63<51161> with status=4 opcode=32614 len=32614 vendor err 81 (Send)\n");
  EXPECT_EQ(facts.algorithms, Names{"RING"});
  EXPECT_EQ(facts.protocols, Names{"SIMPLE"});
  facts = read_nccl_log(
      "(EngineCore_DP0 pid=2301) (RayWorkerWrapper pid=2981, ip=169.254.28.198) spark-3995:2981:3113 [0] "
      "NCCL "
      "INFO Channel 09/0 : 1[0] -> 0[0] [send] via NET/IBext_v10/1\n");
  EXPECT_EQ(facts.transports, Names{"NET/IBext_v10"});
  EXPECT_EQ(facts.gdr, false);
  facts = read_nccl_log(
      "nccl-sleep-c7d759db6-2bp29:2620971:2620971 [3] NCCL INFO Initialized NET plugin IB\n"
      "nccl-sleep-c7d759db6-2bp29:2620971:2620971 [3] NCCL INFO Assigned NET plugin IB to comm\n"
      "nccl-sleep-c7d759db6-2bp29:2620971:2620971 [3] NCCL INFO Assigned GIN plugin GIN_IB_GDAKI to comm\n"
      "nccl-sleep-c7d759db6-2bp29:2620971:2620971 [3] NCCL INFO Using network IB\n"
      "nccl-sleep-c7d759db6-cgz82:3769901:3769901 [1] NCCL INFO NET/Plugin: Could not find: "
      "libnccl-net.so\n");
  EXPECT_EQ(facts.network, "IB");
  EXPECT_EQ(facts.plugin, std::nullopt) << "IB is NCCL's own";
}

TEST(NcclLog, OldVersionsAndNamesWithBlanks) {
  NcclFacts facts = read_nccl_log(
      "NCCL INFO Channel 01 : 9[101d0] -> 0[101c0] [receive] via NET/AWS Libfabric/0/GDRDMA\n"
      "NCCL INFO Channel 00 : 0[101c0] -> 7[a01d0] via P2P/IPC/read\n"
      "NCCL INFO 2 coll channels, 2 p2p channels, 1 p2p channels per peer\n");
  EXPECT_EQ(facts.transports, (Names{"NET/AWS Libfabric", "P2P/IPC"}));
  EXPECT_EQ(facts.network, "AWS Libfabric");
  EXPECT_EQ(facts.channels, 2);
  EXPECT_EQ(facts.p2p_channels, 2) << "not the one per peer";
  EXPECT_EQ(facts.gdr, true);
  EXPECT_EQ(facts.nvls, std::nullopt) << "before 2.17 there was none";
  facts = read_nccl_log(
      "pkb-aa8dbd1b-0:9100:9147 [0] NCCL INFO Ring 00 : 1[18100000] -> 0[435e00000] [receive] via "
      "NET/IB/0/GDRDMA\n"
      "pkb-aa8dbd1b-0:9100:9147 [0] NCCL INFO Ring 00 : 0[435e00000] -> 1[18100000] [send] via NET/IB/0\n");
  EXPECT_EQ(facts.transports, Names{"NET/IB"});
  EXPECT_EQ(facts.gdr, true) << "Volta's send side never says so";
  facts = read_nccl_log(
      "gpu2-ru7:2144:2556 [2] NCCL INFO Ring 00 : 2[3d000] -> 3[3e000] via direct shared memory\n");
  EXPECT_EQ(facts.transports, Names{"SHM"});
}

TEST(NcclLog, RcclNamesTheCommunicatorOnTheLine) {
  EXPECT_EQ(read_nccl_log("macpro2019-01:254561:254702 [3] NCCL INFO Channel 04/0 : 3[1e000] -> 2[1b000] via "
                          "P2P/direct pointer comm 0x56af44d4d6d0 nRanks 04\n")
                .transports,
            Names{"P2P/direct pointer"});
}

// Lines below are written after NCCL's format strings; the cases have none of their kind.

TEST(NcclLog, AlgorithmsByNameAndByNumber) {
  const NcclFacts facts = read_nccl_log(
      "h:1:1 [0] NCCL INFO AllGather: 37756928 Bytes -> Algo 1 proto 2 time 2860.208008\n"
      "h:1:1 [0] NCCL INFO 8 Bytes -> Algo 5 proto 0 time 9.1\n"
      "h:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo Tree proto LL128 channel{Lo..Hi}={0..1}\n"
      "h:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo 99 proto -1 time 9.1\n"
      "h:1:1 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo nonsense proto 3\n"
      "h:1:1 [0] NCCL INFO AllReduce [Symmetric]: 2097152 Bytes -> Kernel AllReduce_RSxLDMC_AGxSTMC "
      "nchannels 16 "
      "nthreads 512 nWorks 1\n");
  EXPECT_EQ(facts.algorithms, (Names{"RING", "NVLS_TREE", "TREE", "AllReduce_RSxLDMC_AGxSTMC"}));
  EXPECT_EQ(facts.protocols, (Names{"SIMPLE", "LL", "LL128"}));
}

TEST(NcclLog, MulticastAndReductionInTheNetwork) {
  NcclFacts facts = read_nccl_log(
      "h:1:1 [0] NCCL INFO NVLS multicast support is available on dev 0 (NVLS_NCHANNELS 16)\n"
      "h:1:1 [0] NCCL INFO 16 coll channels, 16 collnet channels, 16 nvls channels, 32 p2p channels, 2 p2p "
      "channels per peer\n"
      "h:1:1 [0] NCCL INFO CollNet 00/0 : 0 [send] via COLLNET/SHARP/0/GDRDMA\n");
  EXPECT_EQ(facts.nvls, true);
  EXPECT_EQ(facts.gdr, true);
  EXPECT_EQ(facts.transports, (Names{"CollNet", "NVLS"}));
  facts = read_nccl_log(
      "h:1:1 [0] NCCL INFO NVLS multicast support is available on dev 0\n"
      "h:1:1 [0] NCCL INFO 16 coll channels, 0 collnet channels, 0 nvls channels, 16 p2p channels, 16 p2p "
      "channels per peer\n");
  EXPECT_EQ(facts.nvls, false) << "supported, but this communicator has none";
  facts = read_nccl_log("h:1:1 [0] NCCL INFO NVLS multicast support is available on dev 0\n");
  EXPECT_EQ(facts.nvls, true);
  EXPECT_EQ(facts.transports, Names{});
}

TEST(NcclLog, RingsInsideANodeTellNothingOfGdr) {
  EXPECT_EQ(read_nccl_log("h:1:1 [0] NCCL INFO Channel 07/0 : 1[1] -> 0[0] via P2P/direct pointer\n"
                          "h:1:1 [1] NCCL INFO Connected all rings, use ring PXN 0 GDR 1\n")
                .gdr,
            std::nullopt);
  EXPECT_EQ(read_nccl_log("h:1:1 [0] NCCL INFO Channel 00/0 : 3[0] -> 0[0] [receive] via NET/Socket/0\n"
                          "h:1:1 [0] NCCL INFO Connected all rings, use ring PXN 0 GDR 0\n")
                .gdr,
            false);
}

TEST(NcclLog, ChannelsWithoutACountAreThoseOfTheRings) {
  EXPECT_EQ(read_nccl_log("h:1:1 [0] NCCL INFO Channel 00/24 : 0 1 2 3\n"
                          "h:1:1 [0] NCCL INFO Channel 01/24 : 0 1 2 3\n"
                          "h:1:1 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n")
                .channels,
            24);
}

TEST(NcclLog, TwoCommunicatorsOfAProcessHaveTheirOwnFacts) {
  const std::string once =
      "h:1:1 [0] NCCL INFO NCCL version 2.28.9+cuda13.0\n"
      "h:1:1 [0] NCCL INFO NET/Plugin: Loaded net plugin NCCL RDMA Plugin v8 (v8)\n";
  const std::string rail =
      "h:1:9 [0] NCCL INFO Using network IBext_v8\n"
      "h:1:9 [0] NCCL INFO 4 coll channels, 4 collnet channels, 0 nvls channels, 4 p2p channels, 4 p2p "
      "channels per peer\n";
  const std::string rails_first_call =
      "h:1:9 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [send] via NET/IBext_v8/0/GDRDMA\n"
      "h:1:9 [0] NCCL INFO AllReduce: 4096 Bytes -> Algo TREE proto LL channel{Lo..Hi}={0..3}\n";
  const std::string node =
      "h:1:9 [0] NCCL INFO 24 coll channels, 24 collnet channels, 16 nvls channels, 32 p2p channels, 2 p2p "
      "channels per peer\n"
      "h:1:9 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM\n";
  const NcclFacts process = read_nccl_log(once + rail + rails_first_call + node);
  NcclFacts of_rail = read_nccl_log(rail);
  add_facts(of_rail, read_nccl_log(rails_first_call));
  const NcclFacts calls = facts_of_calls(process, of_rail, read_nccl_log(rails_first_call));
  EXPECT_EQ(calls.version, "2.28.9+cuda13.0");
  EXPECT_EQ(calls.plugin, "NCCL RDMA Plugin v8");
  EXPECT_EQ(calls.network, "IBext_v8");
  EXPECT_EQ(calls.transports, Names{"NET/IBext_v8"});
  EXPECT_EQ(calls.gdr, true);
  EXPECT_EQ(calls.channels, 4);
  EXPECT_EQ(calls.p2p_channels, 4);
  EXPECT_EQ(calls.nvls, false);
  EXPECT_EQ(calls.algorithms, Names{"TREE"});
  EXPECT_EQ(calls.protocols, Names{"LL"});
  const NcclFacts inside = facts_of_calls(process, read_nccl_log(node), NcclFacts{});
  EXPECT_EQ(inside.transports, (Names{"NVLS", "P2P/CUMEM"}));
  EXPECT_EQ(inside.gdr, std::nullopt);
  EXPECT_EQ(inside.channels, 24);
  EXPECT_EQ(inside.nvls, true);
  EXPECT_EQ(inside.algorithms, Names{});
  EXPECT_EQ(inside.network, "IBext_v8") << "older versions say it once in a process";
}

TEST(NcclLog, OneConnectionWithGdrIsEnough) {
  NcclFacts facts =
      read_nccl_log("h:1:1 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [receive] via NET/IB/0/GDRDMA\n");
  add_facts(facts, read_nccl_log("h:1:1 [0] NCCL INFO Channel 00/0 : 1[0] -> 0[0] [send] via NET/IB/0\n"));
  EXPECT_EQ(facts.gdr, true);
  add_facts(facts, read_nccl_log("h:1:1 [0] NCCL INFO Channel 00/1 : 1[0] -> 0[0] via SHM/direct/direct\n"));
  EXPECT_EQ(facts.gdr, true);
}

TEST(NcclLog, LinesOfOtherProcessesArePassedOver) {
  const std::string log =
      "[0] h100clust-worker-1:497888:498098 [0] NCCL INFO Channel 07/0 : 0[0] -> 8[0] [send] via "
      "NET/IBext_v8/7/GDRDMA\n"
      "h100clust-worker-1:497889:498100 [1] NCCL INFO Channel 07/0 : 1[1] -> 2[2] via P2P/CUMEM\n"
      "NCCL INFO Using network IBext_v8\n";
  EXPECT_EQ(read_nccl_log(log).transports, (Names{"NET/IBext_v8", "P2P/CUMEM"}));
  EXPECT_EQ(read_nccl_log(log, 497888).transports, Names{"NET/IBext_v8"});
  EXPECT_EQ(read_nccl_log(log, 497889).transports, Names{"P2P/CUMEM"});
  EXPECT_EQ(read_nccl_log(log, 1).transports, Names{});
  EXPECT_EQ(read_nccl_log(log, 1).network, "IBext_v8") << "it does not say whose it is";
}

TEST(NcclLog, AnyTextIsRead) {
  EXPECT_EQ(read_nccl_log(""), NcclFacts{});
  EXPECT_EQ(
      read_nccl_log("\n\n\r\nno line of NCCL's\nRuntimeError: Mismatched NCCL version detected : rank 1"),
      NcclFacts{});
  for (const char* odd : {"NCCL INFO ",
                          "NCCL INFO Channel",
                          "NCCL INFO Channel ",
                          "NCCL INFO Channel 00/",
                          "NCCL INFO x via ",
                          "NCCL INFO Channel 0 via ",
                          "NCCL INFO Channel 0 via NET/",
                          "NCCL INFO Channel 0 via P2P/",
                          "NCCL INFO 99999999999999999999 coll channels",
                          "NCCL INFO -1 coll channels",
                          "NCCL version ",
                          "NCCL INFO NCCL version detected",
                          "NCCL INFO Using network ",
                          "NCCL INFO Assigned NET plugin ",
                          "NCCL INFO Channel 00/99999999999 : 0",
                          "NCCL INFO  Bytes -> Algo ",
                          "NCCL INFO Using network \x01\x02",
                          "NCCL INFO P2P plugin \xff\xfe",
                          "NCCL INFO Channel 0 via NET/\x1b[0m/0",
                          "NCCL INFO Connected all rings, use ring PXN 0 GDR "}) {
    EXPECT_EQ(read_nccl_log(odd), NcclFacts{}) << odd;
    EXPECT_EQ(read_nccl_log(odd, 7), NcclFacts{}) << odd;
  }
  // Every cut of a line, and every byte in it replaced.
  const std::string line =
      "[1,2]<stdout>:h:1:1 [0] NCCL INFO 16 coll channels, 16 collnet channels, 16 nvls channels, 32 p2p "
      "channels";
  for (std::size_t at = 0; at < line.size(); ++at) {
    read_nccl_log(line.substr(at), 1);
    read_nccl_log(line.substr(0, at), 1);
    std::string bad = line;
    bad[at] = '\0';
    read_nccl_log(bad, 1);
  }
}

TEST(NcclLog, WhatGrowsIsBounded) {
  std::string log;
  for (int i = 0; i < 5000; ++i)
    log += "NCCL INFO Channel 00 : 0[0] -> 1[1] via NET/Plugin" + std::to_string(i) + "/0\n";
  EXPECT_EQ(read_nccl_log(log).transports.size(), 32u);
  EXPECT_EQ(read_nccl_log("NCCL INFO Using network " + std::string(1000, 'x')).network, std::nullopt);
  const std::string far = std::string(10'000, ' ') + "NCCL INFO Using network IB";
  EXPECT_EQ(read_nccl_log(far).network, std::nullopt);
  const auto begin = std::chrono::steady_clock::now();
  read_nccl_log(std::string(50'000'000, ' '), 1);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

TEST(NcclLog, FactsBecomeParameters) {
  EXPECT_TRUE(facts_to_parameters({}).empty());
  NcclFacts facts;
  facts.version = "2.28.3+cuda13.0";
  facts.transports = {"P2P/CUMEM", "NVLS"};
  facts.gdr = false;
  facts.channels = 24;
  facts.nvls = true;
  facts.network = "IB";
  facts.plugin = "NCCL RDMA Plugin v10";
  facts.algorithms = {"RING", "NVLS"};
  facts.protocols = {"SIMPLE"};
  const std::map<std::string, Parameter> expected{{"nccl_version", "2.28.3+cuda13.0"},
                                                  {"nccl_transports", "NVLS, P2P/CUMEM"},
                                                  {"nccl_gdr", "no"},
                                                  {"nccl_channels", std::int64_t{24}},
                                                  {"nccl_nvls", "yes"},
                                                  {"nccl_network", "IB"},
                                                  {"nccl_plugin", "NCCL RDMA Plugin v10"},
                                                  {"nccl_algorithms", "NVLS, RING"},
                                                  {"nccl_protocols", "SIMPLE"}};
  EXPECT_EQ(facts_to_parameters(facts), expected);
  EXPECT_FALSE(facts_to_parameters(facts, true).contains("nccl_channels")) << "those are of collectives";
  facts.p2p_channels = 32;
  EXPECT_EQ(facts_to_parameters(facts, true).at("nccl_channels"), Parameter(std::int64_t{32}));
  EXPECT_EQ(facts_to_parameters(facts), expected);
}

TEST(NcclLog, APluginThatFailedToStartIsNotUsed) {
  const NcclFacts facts = read_nccl_log(
      "n1:1:2 [0] NCCL INFO NET/Plugin: Loaded net plugin Plugin (v11)\n"
      "n1:1:2 [0] NCCL INFO Failed to initialize NET plugin Plugin\n"
      "n1:1:2 [0] NCCL INFO Initialized NET plugin Socket\n"
      "n1:1:2 [0] NCCL INFO Using network Socket\n");
  EXPECT_EQ(facts.plugin, std::nullopt);
  EXPECT_EQ(facts.network, "Socket");
}

}  // namespace
}  // namespace fabricheck::collectives
