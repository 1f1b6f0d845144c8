#include "plan/plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/cluster.hpp"

namespace fabricheck::plan {
namespace {

using ::testing::ElementsAre;

std::vector<CheckRow> rows() {
  CheckRow latency;
  latency.id = "mpi.allreduce.latency";
  latency.scopes = {Scope::between_nodes_group, Scope::between_nodes, Scope::all_ranks, Scope::inside_node};
  latency.sizes = {8, 1024, 65536, 1 << 20};
  latency.in_gate = true;
  CheckRow busbw;
  busbw.id = "mpi.allreduce.busbw";
  busbw.derived_from = latency.id;
  busbw.min_bytes = 65536;
  return {latency, busbw};
}

Target gate(int group_nodes = 8) {
  Target target;
  target.check = "mpi.allreduce.latency";
  target.bytes = 8;
  target.ranks_per_node = 1;
  target.group_nodes = group_nodes;
  target.comparison = Comparison::below;
  target.value = 5.0;
  return target;
}

Request request(int group_nodes = 8) {
  Request one;
  one.budget_ns = 600'000'000'000;
  one.targets = {gate(group_nodes)};
  return one;
}

std::vector<PlannedCheck> at(const TestPlan& plan, Scope scope, std::uint64_t bytes) {
  std::vector<PlannedCheck> found;
  std::copy_if(plan.checks.begin(), plan.checks.end(), std::back_inserter(found),
               [&](const PlannedCheck& check) { return check.scope == scope && check.bytes == bytes; });
  return found;
}

TEST(Plan, ASmallClusterIsItsOwnGroup) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(8, 1), catalogue, request());
  EXPECT_TRUE(at(plan, Scope::between_nodes_group, 8).empty());
  const auto world = at(plan, Scope::between_nodes, 8);
  ASSERT_EQ(world.size(), 1u);
  EXPECT_TRUE(world[0].target.has_value());
  EXPECT_FALSE(world[0].against_model);
  EXPECT_EQ(plan.judged, 1);
}

TEST(Plan, KindsAreOfOneSizeAndAsOftenMeasured) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(8, 2), catalogue, request());
  const std::vector<std::size_t> kinds = kinds_of(plan);
  ASSERT_EQ(kinds.size(), plan.checks.size());
  EXPECT_EQ(*std::min_element(kinds.begin(), kinds.end()), 0u);
  for (std::size_t i = 0; i < kinds.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      const PlannedCheck &one = plan.checks[i], &other = plan.checks[j];
      if (one.bytes != other.bytes || is_judged(one) != is_judged(other) || one.repeats != other.repeats)
        EXPECT_NE(kinds[i], kinds[j]) << one.bytes << " and " << other.bytes << " bytes";
      else
        EXPECT_EQ(kinds[i], kinds[j]);
    }
}

TEST(Plan, ALargeClusterIsJudgedInGroupsTogetherAndApartAndTheWorldAgainstItsModel) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(20, 4), catalogue, request());
  const auto groups = at(plan, Scope::between_nodes_group, 8);
  ASSERT_EQ(groups.size(), 4u) << "all three together, and each of the three apart";
  EXPECT_EQ(groups[0].mode, "together");
  EXPECT_EQ(groups[0].groups.size(), 3u);
  EXPECT_EQ(groups[1].mode, "apart");
  for (const auto& group : groups[0].groups) {
    EXPECT_LE(group.size(), 8u);
    EXPECT_GE(group.size(), 6u) << "groups are even: one of a few nodes would test little";
    for (const int rank : group) EXPECT_EQ(rank % 4, 0) << "one rank per node";
  }
  const auto world = at(plan, Scope::between_nodes, 8);
  ASSERT_EQ(world.size(), 1u);
  EXPECT_TRUE(world[0].against_model);
  EXPECT_EQ(plan.judged, 3 + 3 + 1);
}

TEST(Plan, GroupSizeIsTheTargets) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(4, 1), catalogue, request(2));
  EXPECT_THAT(at(plan, Scope::between_nodes_group, 8)[0].groups,
              ElementsAre(ElementsAre(0, 1), ElementsAre(2, 3)));
}

TEST(Plan, OneNodeIsJudgedInsideItAndSaysThatNoNetworkWasTested) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(1, 8), catalogue, request());
  const auto inside = at(plan, Scope::inside_node, 8);
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_TRUE(inside[0].target.has_value());
  EXPECT_TRUE(std::any_of(plan.not_tested.begin(), plan.not_tested.end(),
                          [](const NotTested& one) { return one.id == "network"; }));
  for (const PlannedCheck& check : plan.checks) EXPECT_EQ(check.scope, Scope::inside_node);
}

TEST(Plan, InsideNodesOfAClusterIsNotHeldAgainstTheTargetBetweenNodes) {
  const auto catalogue = rows();
  const auto inside = at(make_plan(test::cluster_of(2, 4), catalogue, request()), Scope::inside_node, 8);
  ASSERT_EQ(inside.size(), 1u);
  EXPECT_FALSE(inside[0].target.has_value());
  EXPECT_EQ(inside[0].groups.size(), 2u);
}

TEST(Plan, OneRankAloneTestsNothingAndSaysSo) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(1, 1), catalogue, request());
  EXPECT_TRUE(plan.checks.empty());
  EXPECT_FALSE(plan.not_tested.empty());
}

TEST(Plan, TheGateComesFirst) {
  const auto catalogue = rows();
  const TestPlan plan = make_plan(test::cluster_of(4, 2), catalogue, request());
  bool past_gate = false;
  for (const PlannedCheck& check : plan.checks) {
    if (check.bytes != 8) past_gate = true;
    EXPECT_FALSE(past_gate && check.bytes == 8);
  }
}

TEST(Plan, BudgetIsSharedAndNotExceeded) {
  const auto catalogue = rows();
  Request one = request();
  one.budget_ns = 4'000'000'000;
  std::int64_t sum = 0;
  for (const PlannedCheck& check : make_plan(test::cluster_of(20, 4), catalogue, one).checks) {
    EXPECT_GT(check.budget_ns, 0);
    sum += check.budget_ns;
  }
  EXPECT_LE(sum, one.budget_ns);
}

TEST(Plan, WhatIsJudgedIsRepeatedAsOftenAsTheBudgetAllows) {
  const auto catalogue = rows();
  Request one = request();
  EXPECT_EQ(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 8)[0].repeats, 16);
  one.budget_ns = 200'000'000;
  const int few = at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 8)[0].repeats;
  EXPECT_GE(few, 4) << "fewer than four repeats are no evidence";
  EXPECT_LT(few, 16);
  one = request();
  EXPECT_EQ(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 1024)[0].repeats, 16);
  EXPECT_TRUE(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 8)[0].all_repeats)
      << "a later result is compared with their spread";
  one.few_sizes = true;
  EXPECT_FALSE(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 8)[0].all_repeats)
      << "quick ends with its verdict";
  EXPECT_EQ(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 1 << 20).size(), 0u);
  EXPECT_EQ(at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 65536)[0].repeats, 4);
}

std::vector<CheckRow> reducing_rows() {
  auto catalogue = rows();
  catalogue[0].typed = catalogue[0].reduces = catalogue[0].can_be_in_place = true;
  catalogue[0].variant_bytes = 4096;
  return catalogue;
}

TEST(Plan, AllVariantsAreMeasuredOnceAtOneSizeAndNotJudged) {
  const auto catalogue = reducing_rows();
  Request one = request();
  one.all_variants = true;
  const TestPlan plan = make_plan(test::cluster_of(8, 1), catalogue, one);
  const auto sweep = at(plan, Scope::between_nodes, 4096);
  EXPECT_EQ(sweep.size(), 31u) << "4 types, 4 reductions, in place or not, without the usual one";
  for (const PlannedCheck& check : sweep) {
    EXPECT_FALSE(check.target.has_value());
    EXPECT_EQ(check.repeats, 1);
  }
  EXPECT_EQ(plan.judged, 1);
}

TEST(Plan, WhereSizesAreNamedAllVariantsAreMeasuredAtOneOfThese) {
  const auto catalogue = reducing_rows();
  Request one = request();
  one.all_variants = true;
  one.sizes = {8, 65536, 2048};
  const TestPlan plan = make_plan(test::cluster_of(8, 1), catalogue, one);
  EXPECT_EQ(at(plan, Scope::between_nodes, 2048).size(), 32u) << "the nearest to their own 4096";
  EXPECT_TRUE(at(plan, Scope::between_nodes, 4096).empty());
}

TEST(Plan, NamedVariantsReplaceTheUsualOneAndKeepTheTarget) {
  const auto catalogue = reducing_rows();
  Request one = request();
  one.types = {DataType::int64, DataType::float64};
  one.reductions = {Reduction::max};
  one.in_place = {true};
  const auto world = at(make_plan(test::cluster_of(8, 1), catalogue, one), Scope::between_nodes, 8);
  ASSERT_EQ(world.size(), 2u);
  EXPECT_EQ(world[0].variant, (Variant{DataType::int64, Reduction::max, true}));
  EXPECT_TRUE(world[0].target.has_value());
}

TEST(Plan, ASizeThatCannotBeSharedIsNotTestedAndSaysTheSmallest) {
  auto catalogue = rows();
  catalogue[0].payload_bytes = [](std::uint64_t bytes, int ranks, std::size_t element) {
    const std::uint64_t share = bytes / element / static_cast<std::uint64_t>(ranks);
    return share * element * static_cast<std::uint64_t>(ranks);
  };
  const TestPlan plan = make_plan(test::cluster_of(8, 1), catalogue, request());
  EXPECT_TRUE(at(plan, Scope::between_nodes, 8).empty());
  EXPECT_EQ(at(plan, Scope::between_nodes, 1024).size(), 1u);
  EXPECT_TRUE(std::any_of(plan.not_tested.begin(), plan.not_tested.end(), [](const NotTested& entry) {
    return entry.reason.find("the smallest size here is 32 B") != std::string::npos;
  }));
}

TEST(Plan, GroupsThatDoNotFitApartAreSaidNotToBeTested) {
  const auto catalogue = rows();
  Request one = request();
  one.budget_ns = 1'000'000'000;
  const TestPlan plan = make_plan(test::cluster_of(1024, 1), catalogue, one);
  EXPECT_EQ(at(plan, Scope::between_nodes_group, 8).size(), 1u);
  EXPECT_TRUE(std::any_of(plan.not_tested.begin(), plan.not_tested.end(), [](const NotTested& entry) {
    return entry.reason.find("apart") != std::string::npos;
  }));
}

TEST(Plan, ADerivedCheckAloneIsMeasuredButOnlyShownItself) {
  const auto catalogue = rows();
  Request one = request();
  one.only = {"*.busbw"};
  const TestPlan plan = make_plan(test::cluster_of(2, 1), catalogue, one);
  ASSERT_FALSE(plan.checks.empty());
  for (const PlannedCheck& check : plan.checks) {
    EXPECT_FALSE(check.show);
    EXPECT_EQ(check.derived.size(), 1u);
    EXPECT_GE(check.bytes, 65536u);
  }
}

TEST(Plan, SkipAndSizes) {
  const auto catalogue = rows();
  Request one = request();
  one.skip = {"mpi.allreduce.*"};
  EXPECT_TRUE(make_plan(test::cluster_of(2, 1), catalogue, one).checks.empty());
  one = request();
  one.sizes = {4096};
  for (const PlannedCheck& check : make_plan(test::cluster_of(2, 1), catalogue, one).checks)
    EXPECT_EQ(check.bytes, 4096u);
}

TEST(Plan, ARowWithoutItsBackEndIsNotTestedWithTheReason) {
  auto catalogue = rows();
  catalogue[0].unavailable_reason = "built without NCCL";
  const TestPlan plan = make_plan(test::cluster_of(2, 1), catalogue, request());
  EXPECT_TRUE(plan.checks.empty());
  EXPECT_TRUE(std::any_of(plan.not_tested.begin(), plan.not_tested.end(),
                          [](const NotTested& entry) { return entry.reason == "built without NCCL"; }));
}

TEST(Plan, IsTheSameTwice) {
  const auto catalogue = rows();
  const TestPlan a = make_plan(test::cluster_of(30, 8), catalogue, request()),
                 b = make_plan(test::cluster_of(30, 8), catalogue, request());
  ASSERT_EQ(a.checks.size(), b.checks.size());
  for (std::size_t i = 0; i < a.checks.size(); ++i) {
    EXPECT_EQ(a.checks[i].groups, b.checks[i].groups);
    EXPECT_EQ(a.checks[i].budget_ns, b.checks[i].budget_ns);
  }
}

TEST(Plan, WhatWasNotAskedForIsNotSaidToBeUntested) {
  const auto catalogue = rows();
  Request one = request();
  one.only = {"topology.*"};
  const TestPlan plan = make_plan(test::cluster_of(1, 1), catalogue, one);
  EXPECT_TRUE(plan.checks.empty());
  EXPECT_TRUE(plan.not_tested.empty());
}

}  // namespace
}  // namespace fabricheck::plan
