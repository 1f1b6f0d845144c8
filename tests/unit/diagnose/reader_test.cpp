#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "diagnose/text_line.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::ElementsAre;

TEST(NcclLines, AreTakenApart) {
  const NcclLine info = split_nccl_line("[1,3]<stdout>:node-7:29881:30401 [3] NCCL INFO Connected all rings");
  EXPECT_EQ(info.level, Level::info);
  EXPECT_EQ(info.host, "node-7");
  EXPECT_EQ(info.pid, 29881);
  EXPECT_EQ(info.device, 3);
  EXPECT_EQ(info.message, "Connected all rings");
  const NcclLine warning =
      split_nccl_line("[2026-01-01 10:00:00] h:1:2 [0] misc/shmutils.cc:71 NCCL WARN Error: failed");
  EXPECT_EQ(warning.level, Level::warning);
  EXPECT_EQ(warning.host, "h");
  EXPECT_EQ(warning.source, "misc/shmutils.cc:71");
  EXPECT_EQ(warning.message, "Error: failed");
  EXPECT_EQ(split_nccl_line("no line of theirs").level, Level::none);
  EXPECT_EQ(split_nccl_line("NCCL INFO Bootstrap : Using eth0").message, "Bootstrap : Using eth0");
  EXPECT_EQ(split_nccl_line("[trainer3]:tw1016:1958:1958 [3] NCCL INFO x").host, "tw1016");
}

TEST(Lines, AreCleaned) {
  std::string buffer;
  EXPECT_EQ(clean_line("\x1b[36m(w)\x1b[0m a &lt;0&gt; &amp; b\r", buffer), "(w) a <0> & b");
  EXPECT_EQ(clean_line("plain", buffer), "plain");
  EXPECT_EQ(printable_text("a\tb\x01\xff\xc3\xa9"), "a b??\xc3\xa9");
  EXPECT_EQ(printable_text(std::string(400, 'x'), 10), "xxxxxxxxxx ...");
  EXPECT_EQ(clean_line("\x1b", buffer), "");
}

TEST(PhraseFinder, FindsWhatASearchForEachPhraseFinds) {
  const std::vector<Phrase> known{{"abc", Event::xid},       {"bc", Event::sxid},
                                  {"c", Event::no_space},    {"abcabd", Event::xid},
                                  {"aaa", Event::nic_fatal}, {"NCCL_", Event::link_down}};
  const PhraseFinder finder(known);
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::string text;
    for (int i = 0; i < 40; ++i) text += "abcdNL_ "[random() % 8];
    std::multiset<std::pair<std::string, std::size_t>> found, expected;
    finder.find(text, [&](const Phrase& phrase, std::size_t end) { found.emplace(phrase.text, end); });
    for (const Phrase& phrase : known)
      for (std::size_t at = text.find(phrase.text); at != std::string::npos;
           at = text.find(phrase.text, at + 1))
        expected.emplace(phrase.text, at + phrase.text.size());
    ASSERT_EQ(found, expected) << text;
  }
}

TEST(PhraseFinder, NoPhraseIsThereTwice) {
  std::set<std::string_view> texts;
  for (const Phrase& phrase : phrases()) EXPECT_TRUE(texts.insert(phrase.text).second) << phrase.text;
}

TEST(Facts, OfACommunicatorAndItsRank) {
  const Observations seen = observed(
      "a1:10:20 [2] NCCL INFO ncclCommInitRank comm 0x5a rank 10 nranks 16 cudaDev 2 nvmlDev 2 busId 47000 "
      "commId 0xf03f - Init "
      "START\n"
      "a1:10:20 [2] NCCL INFO comm 0x5a rank 10 nRanks 16 nNodes 2 localRanks 8 localRank 2 MNNVL 0\n"
      "a1:10:20 [2] NCCL INFO Channel 03/0 : 10[2] -> 2[2] [send] via NET/AWS Libfabric/3(10)/GDRDMA/Shared\n"
      "a1:10:20 [2] NCCL INFO Channel 70/0 : 10[2] -> 9[1] via P2P/CUMEM/read\n"
      "a1:10:20 [2] NCCL INFO Channel 01 : 10[2] -> 9[1] via SHM/direct/direct\n"
      "a1:10:20 [2] NCCL INFO 16 coll channels, 0 collnet channels, 8 nvls channels, 32 p2p channels, 2 p2p "
      "channels per peer\n"
      "a1:10:20 [2] NCCL INFO Connected all rings, use ring PXN 0 GDR 1\n"
      "a1:10:20 [2] NCCL INFO ncclCommInitRank comm 0x5a rank 10 nranks 16 cudaDev 2 nvmlDev 2 busId 47000 "
      "commId 0xf03f - Init "
      "COMPLETE\n");
  ASSERT_EQ(seen.ranks.size(), 1U);
  const RankFacts& rank = seen.ranks[0];
  EXPECT_EQ(seen.names.text(rank.host), "a1");
  EXPECT_EQ(seen.names.text(rank.network), "AWS Libfabric");
  ASSERT_EQ(rank.comms.size(), 1U);
  const CommFacts& comm = rank.comms[0];
  EXPECT_EQ(comm.comm_id, 0xf03fU);
  EXPECT_EQ(comm.rank, 10);
  EXPECT_EQ(comm.ranks, 16);
  EXPECT_EQ(comm.nodes, 2);
  EXPECT_EQ(comm.local_ranks, 8);
  EXPECT_EQ(comm.bus_id, 0x47000U);
  EXPECT_TRUE(comm.complete);
  EXPECT_TRUE(comm.rings);
  EXPECT_EQ(comm.net_devices, 1U << 3U);
  EXPECT_EQ(comm.send_gdr.lines, 1U);
  EXPECT_EQ(comm.p2p.channels, std::uint64_t{1} << (70U % 64U));
  EXPECT_EQ(comm.p2p_kinds, p2p_cumem);
  EXPECT_EQ(comm.shm.lines, 1U);
  EXPECT_EQ(comm.coll_channels, 16);
  EXPECT_EQ(comm.nvls_channels, 8);
}

TEST(Facts, StayBoundedHoweverManyCommunicatorsThereAre) {
  std::string log;
  for (int i = 1; i <= 100; ++i)
    log += "a1:10:20 [0] NCCL INFO comm 0x" + std::to_string(1000 + i) +
           " rank 0 nranks 2 cudaDev 0 busId 1000 - Init START\n" +
           "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n";
  const Observations seen = observed(log);
  ASSERT_EQ(seen.ranks.size(), 1U);
  EXPECT_EQ(seen.ranks[0].comms.size(), RankFacts::kMostComms);
  std::uint32_t lines = 0;
  for (const CommFacts& comm : seen.ranks[0].comms) lines += comm.p2p.lines;
  EXPECT_EQ(lines, 100U);
}

TEST(Facts, VariablesByRank) {
  const Observations seen = observed(
      "a1:10:20 [0] NCCL INFO NCCL_IB_HCA set to mlx5_0,mlx5_1\n"
      "a1:10:20 [0] NCCL INFO NCCL_IB_TIMEOUT set by environment to 22.\n"
      "a1:10:20 [0] NCCL INFO NCCL_SOCKET_IFNAME set by environment to ^docker0\n");
  EXPECT_EQ(seen.variables.at("NCCL_IB_TIMEOUT").front().value, "22");
  EXPECT_EQ(seen.variables.at("NCCL_IB_HCA").front().value, "mlx5_0,mlx5_1");
  EXPECT_EQ(seen.variables.at("NCCL_SOCKET_IFNAME").front().value, "^docker0");
  EXPECT_EQ(seen.ranks.at(0).environment.size(), 3U);
}

TEST(NcclTests, RowsWithTagsInsideThemAreRead) {
  const Observations seen = observed(
      "$ mpirun -np 16 ./build/all_reduce_perf -b 8 -e 1G\n# nThread 1 nGpus 1 minBytes 8 maxBytes 1 step: "
      "2(factor)\n"
      "[1,0]<stdout>:#  Rank  0 Group  0 Pid   6287 on     fs-1 device  0 [0x18] NVIDIA H200\n"
      "[1,0]<stdout>:#  Rank  1 Group  0 Pid   6288 on     fs-2 device  0 [0x18] NVIDIA H200\n"
      "[0]     33554432       8388608     float     sum      -1[0]    2180.1   15.39   29.50      0[0]    "
      "2285.2   14.68   30.14"
      "      0\n"
      "     1048576        262144     float     sum      1626.5    0.64    1.24  0e+00    2302.3    0.46    "
      "0.87  0e+00\n"
      "     1048576        262144     float    none      -1   453650   37.87   18.94       N/A   410049   "
      "41.90   20.95     N/A\n");
  ASSERT_EQ(seen.benchmarks.size(), 1U);
  const BenchmarkRun& run = seen.benchmarks[0];
  EXPECT_EQ(run.operation, "all_reduce");
  EXPECT_EQ(run.ranks, 2);
  EXPECT_EQ(run.gpus_of_host.size(), 2U);
  std::vector<double> speeds;
  for (const BenchmarkRow& row : run.rows) speeds.push_back(row.busbw_GBps);
  EXPECT_THAT(speeds, ElementsAre(30.14, 1.24, 20.95));
}

TEST(Perftest, FiguresAndMtuAreRead) {
  const Observations seen = observed(
      "                    RDMA_Write BW Test\n Dual-port       : OFF\t\tDevice         : mlx5_2\n Mtu       "
      "      : 4096[B]\n"
      " Link type       : Ethernet\n #bytes     #iterations    BW peak[Gb/sec]    BW average[Gb/sec]   "
      "MsgRate[Mpps]\n"
      " 65536      5000             392.10             391.90               0.74\n");
  ASSERT_EQ(seen.perftests.size(), 1U);
  EXPECT_EQ(seen.perftests[0].device, "mlx5_2");
  EXPECT_EQ(seen.perftests[0].mtu_bytes, 4096);
  EXPECT_DOUBLE_EQ(seen.perftests[0].best_Gbps, 391.9);
}

TEST(Gids, TheEntryForRoceV2IsKnown) {
  const Observations seen = observed(
      "DEV     PORT    INDEX   GID                                     IPv4            VER     DEV\n"
      "mlx5_0  1       1       fe80:0000:0000:0000:a288:c2ff:fe5b:03ec                 v2      ens3np0\n"
      "mlx5_0  1       3       0000:0000:0000:0000:0000:ffff:0b00:0048 11.0.0.72       v2      ens3np0\n");
  const auto groups = seen.of(Event::gid_v2);
  ASSERT_EQ(groups.size(), 1U);
  EXPECT_EQ(groups[0]->code, 3);
}

}  // namespace
}  // namespace fabricheck::diagnose
