#include "fabric/pairs/schedule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace fabricheck::fabric {
namespace {

std::vector<PortEnd> cluster(int nodes, int rails, int ranks_per_rail = 1) {
  std::vector<PortEnd> ends;
  int rank = 0;
  for (int node = 0; node < nodes; ++node)
    for (int rail = 0; rail < rails; ++rail)
      for (int i = 0; i < ranks_per_rail; ++i) ends.push_back({rank++, node, rail});
  return ends;
}

TEST(Tournament, EveryTwoMeetOnceAndNobodyTwiceInARound) {
  for (int players = 0; players <= 17; ++players) {
    const auto rounds = tournament(players);
    std::set<std::pair<int, int>> met;
    for (const auto& round : rounds) {
      std::set<int> busy;
      EXPECT_EQ(round.size(), static_cast<std::size_t>(players / 2)) << players;
      for (const auto& pair : round) {
        EXPECT_TRUE(busy.insert(pair.first).second && busy.insert(pair.second).second) << players;
        EXPECT_TRUE(met.insert(pair).second) << players;
      }
    }
    EXPECT_EQ(met.size(), static_cast<std::size_t>(players * (players - 1) / 2)) << players;
  }
}

TEST(Pairs, EveryNodeWithEveryOtherHalfOfThemAtATime) {
  const auto rounds = pairs_between_nodes(cluster(8, 2), PairChoice::all, 1);
  ASSERT_EQ(rounds.size(), 7U);
  for (const Round& round : rounds) {
    EXPECT_EQ(round.size(), 4U * 2U) << "four pairs of nodes, on both rails";
    std::set<int> busy;
    for (const EndPair& pair : round) {
      EXPECT_EQ(pair.from.rail, pair.to.rail);
      EXPECT_NE(pair.from.node, pair.to.node);
      EXPECT_TRUE(busy.insert(pair.from.rank).second && busy.insert(pair.to.rank).second);
    }
  }
}

TEST(Pairs, NeighboursShowEveryNodeAlsoWhereTheirNumberIsOdd) {
  EXPECT_EQ(pairs_between_nodes(cluster(8, 1), PairChoice::rail, 1).size(), 1U);
  EXPECT_EQ(pairs_between_nodes(cluster(8, 1), PairChoice::rail, 2).size(), 2U);
  const auto odd = pairs_between_nodes(cluster(5, 1), PairChoice::rail, 1);
  std::set<int> seen;
  for (const Round& round : odd)
    for (const EndPair& pair : round) seen.insert({pair.from.node, pair.to.node});
  EXPECT_EQ(seen.size(), 5U);
  EXPECT_EQ(odd.size(), 2U);
}

TEST(Pairs, AcrossRailsNoPortIsTwiceInARound) {
  const auto rounds = pairs_between_nodes(cluster(2, 4), PairChoice::cross, 1);
  ASSERT_EQ(rounds.size(), 1U);
  std::set<int> busy;
  for (const EndPair& pair : rounds[0]) {
    EXPECT_EQ((pair.from.rail + 1) % 4, pair.to.rail);
    EXPECT_TRUE(busy.insert(pair.from.rank).second && busy.insert(pair.to.rank).second);
  }
  EXPECT_TRUE(pairs_between_nodes(cluster(2, 1), PairChoice::cross, 1).empty()) << "one rail crosses to none";
}

TEST(Pairs, OneRankOfAPortTakesPart) {
  const auto rounds = pairs_between_nodes(cluster(2, 1, 4), PairChoice::rail, 1);
  ASSERT_EQ(rounds.size(), 1U);
  ASSERT_EQ(rounds[0].size(), 1U);
  EXPECT_EQ(rounds[0][0], (EndPair{{0, 0, 0}, {4, 1, 0}}));
}

TEST(Pairs, ARailThatOneNodeLacksIsLeftOut) {
  std::vector<PortEnd> ends = cluster(2, 2);
  ends.pop_back();
  const auto rounds = pairs_between_nodes(ends, PairChoice::rail, 1);
  ASSERT_EQ(rounds.size(), 1U);
  ASSERT_EQ(rounds[0].size(), 1U);
  EXPECT_EQ(rounds[0][0].from.rail, 0);
}

TEST(Pairs, InsideANodeNextRanksArePaired) {
  const auto rounds = pairs_inside_nodes(cluster(2, 2));
  ASSERT_EQ(rounds.size(), 1U);
  EXPECT_EQ(rounds[0].size(), 2U);
  for (const EndPair& pair : rounds[0]) EXPECT_EQ(pair.from.node, pair.to.node);
  EXPECT_TRUE(pairs_inside_nodes(cluster(3, 1)).empty()) << "one rank alone has no partner";
}

}  // namespace
}  // namespace fabricheck::fabric
