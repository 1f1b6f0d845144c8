#include "collectives/nccl/rank_differences.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace fabricheck::collectives {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;

/// So many ranks on each host that all say the same.
std::vector<RankFacts> alike(int hosts, int on_each) {
  std::vector<RankFacts> ranks;
  for (int rank = 0; rank < hosts * on_each; ++rank)
    ranks.push_back({rank,
                     "n" + std::to_string(1 + rank / on_each),
                     {{"nccl_version", "2.28.9"}, {"nccl_network", "IB"}, {"nccl_gdr", "yes"}}});
  return ranks;
}

std::string text(const std::map<std::string, Parameter>& path, const std::string& name) {
  const auto found = path.find(name);
  return found == path.end() ? "" : std::get<std::string>(found->second);
}

TEST(RankDifferences, AlikeIsNothingToTell) {
  EXPECT_THAT(rank_differences(alike(4, 8)), IsEmpty());
  EXPECT_THAT(rank_differences({}), IsEmpty());
}

TEST(RankDifferences, TheOddOneIsNamedAndTheOthersCounted) {
  std::vector<RankFacts> ranks = alike(4, 8);
  ranks[11].facts["nccl_network"] = "Socket";
  ranks[11].facts["nccl_gdr"] = "no";
  const auto path = rank_differences(ranks);
  EXPECT_EQ(
      text(path, "nccl_differs"),
      "network: IB on 31 ranks, Socket on rank 11 (n2); GPUDirect RDMA: yes on 31 ranks, no on rank 11 (n2)");
  EXPECT_EQ(text(path, "nccl_network_differs"), "network: IB on 31 ranks, Socket on rank 11 (n2)");
  EXPECT_EQ(text(path, "nccl_network_odd_hosts"), "n2");
  EXPECT_EQ(text(path, "nccl_gdr_odd_hosts"), "n2");
  EXPECT_THAT(path, Not(Contains(Key("nccl_version_differs"))));
}

TEST(RankDifferences, ManyOddOnesAreNotAllNamed) {
  std::vector<RankFacts> ranks = alike(4, 8);
  for (std::size_t rank = 6; rank < 16; ++rank) ranks[rank].facts["nccl_version"] = "2.21.5";
  const auto path = rank_differences(ranks);
  EXPECT_EQ(text(path, "nccl_differs"),
            "version: 2.28.9 on 22 ranks, 2.21.5 on ranks 6 (n1), 7 (n1), 8 (n2), 9 (n2) and 6 more");
  EXPECT_EQ(text(path, "nccl_version_odd_hosts"), "n1, n2");
}

TEST(RankDifferences, WithoutAMajorityNobodyIsAccused) {
  std::vector<RankFacts> ranks = alike(2, 1);
  ranks[0].facts["nccl_network"] = "Socket";
  const auto path = rank_differences(ranks);
  EXPECT_EQ(text(path, "nccl_network_differs"),
            "network: IB on rank 1 (n2), Socket on rank 0 (n1), without a majority");
  EXPECT_THAT(path, Not(Contains(Key("nccl_network_odd_hosts"))));
}

TEST(RankDifferences, WhatIsNotKnownAccusesNobody) {
  std::vector<RankFacts> ranks = alike(2, 2);
  ranks[3].facts.clear();
  ranks[2].facts.erase("nccl_gdr");  // all its connections are inside the node
  EXPECT_THAT(rank_differences(ranks), IsEmpty());
}

TEST(RankDifferences, WhatSlowsNobodyDownIsToldAndAccusesNobody) {
  std::vector<RankFacts> ranks = alike(3, 1);
  ranks[2].facts["nccl_library"] = "/opt/other/libnccl.so.2";
  for (std::size_t rank = 0; rank < 2; ++rank) ranks[rank].facts["nccl_library"] = "/usr/lib/libnccl.so.2";
  const auto path = rank_differences(ranks);
  EXPECT_EQ(path.size(), 1u);
  EXPECT_EQ(text(path, "nccl_differs"),
            "library: /usr/lib/libnccl.so.2 on 2 ranks, /opt/other/libnccl.so.2 on rank 2 (n3)");
}

TEST(RankDifferences, ANetworkThatNobodyUsesHasNoPart) {
  std::vector<RankFacts> ranks = alike(1, 3);
  EXPECT_FALSE(is_without_network(ranks)) << "it is not known how they are connected";
  for (RankFacts& rank : ranks) rank.facts["nccl_transports"] = "P2P/CUMEM, SHM";
  EXPECT_TRUE(is_without_network(ranks));
  ranks[1].facts["nccl_network"] = "Socket";
  EXPECT_THAT(rank_differences(ranks), IsEmpty());
  ranks[2].facts["nccl_transports"] = "NET/IB, P2P/CUMEM";
  EXPECT_FALSE(is_without_network(ranks)) << "one rank leads out of the node for all";
  EXPECT_THAT(rank_differences(ranks), Contains(Key("nccl_network_differs")));
  EXPECT_FALSE(is_without_network({}));
}

TEST(RankDifferences, FactsComeBackFromText) {
  const std::map<std::string, Parameter> facts{{"nccl_network", std::string("AWS Libfabric")},
                                               {"nccl_channels", std::int64_t{24}},
                                               {"nccl_transports", std::string("NET/AWS Libfabric")},
                                               {"gpu_name", std::string("of no interest")}};
  const RankFacts back = rank_facts_from_text(rank_facts_to_text("n7", facts), 5);
  EXPECT_EQ(back.rank, 5);
  EXPECT_EQ(back.host, "n7");
  EXPECT_EQ(back.facts, (std::map<std::string, std::string>{{"nccl_network", "AWS Libfabric"},
                                                            {"nccl_channels", "24"},
                                                            {"nccl_transports", "NET/AWS Libfabric"}}));
  EXPECT_EQ(rank_facts_from_text("", 0).host, "");
}

}  // namespace
}  // namespace fabricheck::collectives
