#include "control/clock_sync.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <mutex>
#include <vector>

#include "core/thread_communicator.hpp"
#include "support/clocks.hpp"

namespace fabricheck::control {
namespace {

struct Seen {
  CommonClock common;
  std::shared_ptr<test::SkewedClock> clock;
  int clocks{};
  std::vector<CommonClock> rounds;
};

/// Each rank has a clock of its own, seconds apart and with its own rate (`apart` between two neighbours);
/// `per_host` ranks share one.
std::vector<Seen> synchronise(int ranks, int per_host, int rounds, double apart = 40e-6) {
  std::vector<std::shared_ptr<test::SkewedClock>> clocks;
  for (int host = 0; host < (ranks + per_host - 1) / per_host; ++host)
    clocks.push_back(std::make_shared<test::SkewedClock>(host * 5'000'000'000LL, (host % 3 - 1) * apart));
  std::vector<Seen> seen(static_cast<std::size_t>(ranks));
  run_ranks(ranks, [&](Communicator& world) {
    const int host = world.rank() / per_host;
    const auto clock = clocks[static_cast<std::size_t>(host)];
    HierarchicalClock hierarchical(world, *clock, "host" + std::to_string(host));
    std::vector<CommonClock> all;
    for (int round = 0; round < rounds; ++round) all.push_back(hierarchical.synchronise());
    seen[static_cast<std::size_t>(world.rank())] = {all.back(), clock, hierarchical.clocks(), all};
  });
  return seen;
}

double disagreement_us(const Seen& a, const Seen& b, std::int64_t real_ns) {
  return std::abs(a.common.to_common_ns(a.clock->at(real_ns)) - b.common.to_common_ns(b.clock->at(real_ns))) /
         1000.0;
}

TEST(ClockSync, HostsSecondsApartAgree) {
  const auto seen = synchronise(5, 1, 2);
  const std::int64_t now = SteadyClock{}.now_ns();
  for (const Seen& one : seen) {
    EXPECT_EQ(one.clocks, 5);
    // Threads on a busy machine: a generous bound against clocks that are five seconds apart.
    EXPECT_LT(disagreement_us(seen[0], one, now), 5000.0);
  }
  EXPECT_GT(seen[4].common.error_us, 0.0);
}

TEST(ClockSync, RatesAreFollowed) {
  // The common clock is host 0's, which runs at 0.8 of host 1's: 4 ms in the 20 ms that the rate is taken
  // over, of which threads on a busy machine may get a quarter wrong.
  const auto seen = synchronise(2, 1, 2, 0.2);
  EXPECT_EQ(seen[0].common.skew, 0.0);
  EXPECT_NEAR(seen[1].common.skew, -0.2, 0.05);
}

TEST(ClockSync, SynchronisationsCloseTogetherKeepTheRate) {
  const std::vector<CommonClock> rounds = synchronise(2, 1, 10)[1].rounds;
  CommonClock base = rounds[0];
  for (const CommonClock& now : rounds) {
    if (now.reference_ns - base.reference_ns < 20'000'000)
      EXPECT_EQ(now.skew, base.skew);
    else
      base = now;
  }
}

TEST(ClockSync, RanksOfOneHostAgreeExactly) {
  const auto seen = synchronise(6, 3, 2);
  const std::int64_t now = SteadyClock{}.now_ns();
  EXPECT_EQ(disagreement_us(seen[0], seen[2], now), 0.0);
  EXPECT_EQ(disagreement_us(seen[3], seen[5], now), 0.0);
  EXPECT_EQ(seen[0].clocks, 2);
}

TEST(ClockSync, OneHostHasNoError) {
  for (const Seen& one : synchronise(3, 3, 3)) EXPECT_EQ(one.common.error_us, 0.0);
}

TEST(ClockIdentity, HostsOfAnotherNameAreOtherClocks) {
  EXPECT_NE(clock_identity("a"), clock_identity("b"));
  EXPECT_EQ(clock_identity("a"), clock_identity("a"));
}

}  // namespace
}  // namespace fabricheck::control
