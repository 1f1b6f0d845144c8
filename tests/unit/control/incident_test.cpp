#include "control/incident.hpp"

#include <gtest/gtest.h>

namespace fabricheck::control {
namespace {

WorldState healthy(int ranks) {
  WorldState world;
  world.silence_limit_s = 5.0;
  world.deadline_s = 30.0;
  for (int rank = 0; rank < ranks; ++rank) {
    world.hosts.push_back("h" + std::to_string(rank / 2));
    RankState state;
    state.connected = true;
    state.phase = 3;
    state.step = 100;
    world.ranks.push_back(state);
  }
  return world;
}

std::vector<int> culprits(const Incident& incident) {
  std::vector<int> ranks;
  for (const RankPosition& one : incident.culprits) ranks.push_back(one.rank);
  return ranks;
}

TEST(FindIncident, AHealthyWorldHasNone) { EXPECT_FALSE(find_incident(healthy(8))); }

TEST(FindIncident, WhoDiedFirstIsNamedAndNotThoseThatMpirunKilledAfterIt) {
  WorldState world = healthy(4);
  world.ranks[3].lost_s = 0.30;
  world.ranks[1].lost_s = 0.05;
  world.signal_s = 0.25;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::lost);
  EXPECT_EQ(culprits(*incident), std::vector<int>{3});
}

TEST(FindIncident, ADeathAfterASignalIsTheSignalsDoing) {
  WorldState world = healthy(4);
  world.signal_s = 1.0;
  world.signal_name = "SIGTERM";
  world.ranks[2].lost_s = 0.4;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::interrupted);
  EXPECT_EQ(incident->text, "SIGTERM");
}

TEST(FindIncident, WhoWasNotHeardWhenASignalCameIsNamedBesideIt) {
  WorldState world = healthy(6);
  world.signal_s = 0.5;
  world.signal_name = "SIGTERM";
  world.ranks[2].silent_s = 3.0;
  world.ranks[3].silent_s = 2.8;
  world.ranks[4].silent_s = 2.4;  // not long before the signal
  world.ranks[5].silent_s = 9.0;
  world.ranks[5].left = true;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::interrupted);
  EXPECT_EQ(culprits(*incident), (std::vector<int>{2, 3}));
  EXPECT_TRUE(incident->whole_host);
}

TEST(FindIncident, ASignalAloneAccusesNobody) {
  WorldState world = healthy(4);
  world.signal_s = 0.5;
  EXPECT_TRUE(find_incident(world)->culprits.empty());
}

TEST(FindIncident, NewsAreHeldBackForAMomentSinceTheirCauseMayFollow) {
  WorldState world = healthy(4);
  world.signal_s = 0.01;
  EXPECT_FALSE(find_incident(world));
  world = healthy(4);
  world.ranks[2].lost_s = 0.01;
  EXPECT_FALSE(find_incident(world));
}

TEST(FindIncident, ThoseThatSaidASignalEndedThemAreNotLost) {
  WorldState world = healthy(4);
  world.ranks[2].lost_s = 1.0;
  world.ranks[2].terminated = true;
  EXPECT_FALSE(find_incident(world));
}

TEST(FindIncident, SilenceOfAHostNamesAllItsRanks) {
  WorldState world = healthy(6);
  world.ranks[2].silent_s = 5.1;
  world.ranks[3].silent_s = 4.9;
  world.ranks[5].silent_s = 0.4;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::silent);
  EXPECT_EQ(culprits(*incident), (std::vector<int>{2, 3}));
  EXPECT_TRUE(incident->whole_host);
}

TEST(FindIncident, ARankThatNeverConnectedIsNotAccusedOfSilence) {
  WorldState world = healthy(2);
  world.ranks[1].connected = false;
  world.ranks[1].silent_s = 1000.0;
  EXPECT_FALSE(find_incident(world));
}

TEST(FindIncident, InAStandstillTheLeastAdvancedAtWorkIsNamed) {
  WorldState world = healthy(4);
  world.still_s = 31.0;
  world.ranks[1].step = 99;
  world.ranks[3].step = 2;
  world.ranks[3].idle = true;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::stuck);
  EXPECT_EQ(culprits(*incident), std::vector<int>{1}) << "rank 3 only waits, by design";
}

TEST(FindIncident, WhereOneIsNotHeardTheLeastAdvancedMayWaitForIt) {
  WorldState world = healthy(4);
  world.still_s = 31.0;
  world.ranks[1].step = 99;
  world.ranks[2].connected = false;
  const auto incident = find_incident(world);
  ASSERT_TRUE(incident);
  EXPECT_EQ(incident->kind, IncidentKind::stuck);
  EXPECT_TRUE(incident->culprits.empty());
  ASSERT_EQ(incident->unheard.size(), 1u);
  EXPECT_EQ(incident->unheard[0].rank, 2);
}

TEST(FindIncident, WhoAloneIsStillAtWorkIsNamed) {
  WorldState world = healthy(4);
  world.still_s = 31.0;
  for (const std::size_t rank : {0, 1, 3}) world.ranks[rank].idle = true;
  EXPECT_EQ(culprits(*find_incident(world)), std::vector<int>{2}) << "the others have ended their part";
  world.ranks[1].idle = false;
  EXPECT_EQ(culprits(*find_incident(world)), std::vector<int>{}) << "a message between the two may be lost";
}

TEST(FindIncident, RankZeroCanBeTheOne) {
  WorldState world = healthy(4);
  world.still_s = 31.0;
  world.ranks[0].step = 99;
  EXPECT_EQ(culprits(*find_incident(world)), std::vector<int>{0});
}

TEST(FindIncident, AnOwnFailureComesBeforeEverything) {
  WorldState world = healthy(4);
  world.ranks[1].failure = "rank 1 on h0: no memory";
  world.ranks[2].lost_s = 2.0;
  world.signal_s = 3.0;
  const auto incident = find_incident(world);
  EXPECT_EQ(incident->kind, IncidentKind::failed);
  EXPECT_EQ(culprits(*incident), std::vector<int>{1});
}

}  // namespace
}  // namespace fabricheck::control
