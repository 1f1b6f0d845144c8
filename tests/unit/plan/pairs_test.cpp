#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/plan.hpp"

namespace fabricheck::plan {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;

ClusterTopology hosts(int nodes) {
  ClusterTopology topology;
  for (int node = 0; node < nodes; ++node) {
    topology.hosts.push_back({});
    RankPlace place;
    place.rank = place.host = node;
    topology.ranks.push_back(place);
  }
  return topology;
}

std::vector<CheckRow> rows() {
  CheckRow latency;
  latency.id = "verbs.write.latency";
  latency.metric = "latency";
  latency.unit = "us";
  latency.sizes = {2, 8, MiB};
  latency.quick_sizes = {8};
  latency.scopes = {Scope::pair, Scope::loopback};
  latency.make_timed = [](const TimedRequest&) { return std::unique_ptr<TimedOperation>(); };
  CheckRow bandwidth = latency;
  bandwidth.id = "verbs.write.bandwidth";
  bandwidth.metric = "bandwidth";
  bandwidth.unit = "GB/s";
  bandwidth.sizes = {65536, MiB};
  bandwidth.quick_sizes = {MiB};
  bandwidth.both_orders = true;
  bandwidth.rate_times_us = [](std::uint64_t bytes) { return static_cast<double>(bytes) / 1e3; };
  return {latency, bandwidth};
}

Request request(const std::vector<PairRound>& rounds) {
  Request one;
  one.budget_ns = 60'000'000'000;
  one.pairs = rounds;
  Target target;
  target.check = "verbs.write.latency";
  target.bytes = 8;
  target.value = 5.0;
  target.unit = "us";
  target.origin = "built in";
  one.targets = {target};
  return one;
}

Pair pair(int from, int to, bool in_software = false) {
  Pair one;
  one.from = from;
  one.to = to;
  one.from_rail = one.to_rail = 0;
  one.in_software = in_software;
  if (!in_software) one.port_rate_GBps = 50.0;
  return one;
}

std::vector<PlannedCheck> of(const TestPlan& plan, const std::string& id, std::uint64_t bytes) {
  std::vector<PlannedCheck> found;
  for (const PlannedCheck& check : plan.checks)
    if (check.row->id == id && check.bytes == bytes) found.push_back(check);
  return found;
}

TEST(PlanOfPairs, EveryRoundMeasuresItsPairsAtTheSameTime) {
  const auto catalogue = rows();
  const TestPlan plan =
      make_plan(hosts(4), catalogue, request({{pair(0, 1), pair(2, 3)}, {pair(0, 2), pair(1, 3)}}));
  const auto latency = of(plan, "verbs.write.latency", 8);
  ASSERT_EQ(latency.size(), 2U);
  EXPECT_THAT(latency[0].groups, ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
  EXPECT_THAT(latency[1].groups, ElementsAre(ElementsAre(0, 2), ElementsAre(1, 3)));
}

TEST(PlanOfPairs, BandwidthIsMeasuredFromEitherEnd) {
  const auto catalogue = rows();
  const auto both = of(make_plan(hosts(2), catalogue, request({{pair(0, 1)}})), "verbs.write.bandwidth", MiB);
  ASSERT_EQ(both.size(), 2U);
  EXPECT_THAT(both[0].groups, ElementsAre(ElementsAre(0, 1)));
  EXPECT_THAT(both[1].groups, ElementsAre(ElementsAre(1, 0)));
}

TEST(PlanOfPairs, BandwidthIsHeldAgainstThePortsRateFromOneMebibyteOn) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(hosts(2), catalogue, request({{pair(0, 1)}}));
  const auto target = of(plan, "verbs.write.bandwidth", MiB)[0].group_targets[0];
  ASSERT_TRUE(target);
  EXPECT_DOUBLE_EQ(target->value, 45.0);
  EXPECT_EQ(target->comparison, Comparison::at_least);
  EXPECT_THAT(target->source, HasSubstr("400 Gb/s"));
  EXPECT_FALSE(of(plan, "verbs.write.bandwidth", 65536)[0].group_targets[0]);
  EXPECT_EQ(plan.judged, 1 + 2) << "latency at 8 B, bandwidth at 1 MiB from either end";
}

TEST(PlanOfPairs, AFilesTargetCountsBeforeThatOfTheRate) {
  const auto catalogue = rows();
  Request one = request({{pair(0, 1)}});
  Target own = one.targets[0];
  own.check = "verbs.write.bandwidth";
  own.bytes = MiB;
  own.value = 30.0;
  own.origin = "mine.toml:3";
  one.targets.push_back(own);
  EXPECT_DOUBLE_EQ(
      of(make_plan(hosts(2), catalogue, one), "verbs.write.bandwidth", MiB)[0].group_targets[0]->value, 30.0);
}

TEST(PlanOfPairs, WhatIsInSoftwareHasNoBuiltInTarget) {
  const auto catalogue = rows();
  Request one = request({{pair(0, 1, true)}});
  EXPECT_EQ(make_plan(hosts(2), catalogue, one).judged, 0);
  one.targets[0].origin = "mine.toml:3";
  EXPECT_EQ(make_plan(hosts(2), catalogue, one).judged, 1) << "but one that the user wrote";
}

TEST(PlanOfPairs, ALoopbackIsLabelledAndNotJudged) {
  const auto catalogue = rows();
  Request one = request({{pair(0, 1)}});
  one.loopback = true;
  const TestPlan plan = make_plan(hosts(2), catalogue, one);
  ASSERT_FALSE(plan.checks.empty());
  for (const PlannedCheck& check : plan.checks) EXPECT_EQ(check.scope, Scope::loopback);
  EXPECT_EQ(plan.judged, 0);
}

TEST(PlanOfPairs, ManyRoundsAreMeasuredInFewRepeats) {
  const auto catalogue = rows();
  Request one = request({{pair(0, 1)}, {pair(0, 2)}, {pair(1, 2)}});
  for (const PlannedCheck& check : make_plan(hosts(3), catalogue, one).checks) EXPECT_EQ(check.repeats, 4);
}

TEST(PlanOfPairs, WithoutPairsItIsSaidWhy) {
  const auto catalogue = rows();
  Request one = request({});
  one.no_pairs = "no RDMA device on node7";
  TestPlan plan = make_plan(hosts(2), catalogue, one);
  EXPECT_TRUE(plan.checks.empty());
  EXPECT_TRUE(plan.skipped.empty()) << "nobody asked for them";
  EXPECT_TRUE(std::any_of(plan.not_tested.begin(), plan.not_tested.end(), [](const NotTested& entry) {
    return entry.id == "verbs" && entry.reason == "no RDMA device on node7";
  }));
  one.only = {"verbs.*"};
  plan = make_plan(hosts(2), catalogue, one);
  ASSERT_EQ(plan.skipped.size(), 2U) << "each check that was asked for";
  EXPECT_EQ(plan.skipped[0].second, "no RDMA device on node7");
}

TEST(PlanOfPairs, SizesThatWereAskedForCountButWhereAnOperationHasOne) {
  auto catalogue = rows();
  catalogue[1].sizes_are_fixed = true;
  Request one = request({{pair(0, 1)}});
  one.sizes = {4096};
  const TestPlan plan = make_plan(hosts(2), catalogue, one);
  EXPECT_EQ(of(plan, "verbs.write.latency", 4096).size(), 1U);
  EXPECT_EQ(of(plan, "verbs.write.bandwidth", 65536).size(), 2U);
}

}  // namespace
}  // namespace fabricheck::plan
