// What is planned for GPUs: one by one, all at once, pairs, rails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "plan/plan.hpp"
#include "support/cluster.hpp"

namespace fabricheck::plan {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CheckRow row(const std::string& id, Scope scope) {
  CheckRow one;
  one.id = id;
  one.backend = "CUDA";
  one.needs_gpu = true;
  one.metric = "rate";
  one.unit = "GB/s";
  one.scopes = {scope};
  one.sizes = {std::uint64_t{1} << 30};
  one.make_timed = [](const TimedRequest&) { return std::unique_ptr<TimedOperation>(); };
  return one;
}

Request request() {
  Request one;
  one.budget_ns = 60'000'000'000;
  return one;
}

TEST(GpuPlan, OneAtATimeOnEveryNode) {
  const std::vector<CheckRow> rows{row("gpu.host_to_device.bandwidth", Scope::gpu)};
  const TestPlan plan = make_plan(test::cluster_of(2, 3), rows, request());
  ASSERT_THAT(plan.checks, SizeIs(3));
  EXPECT_THAT(plan.checks[1].groups, ElementsAre(ElementsAre(1), ElementsAre(4)));
  EXPECT_THAT(plan.checks[1].gpus, ElementsAre(ElementsAre(1), ElementsAre(1)));
  EXPECT_TRUE(votes_alone(plan.checks[1]));
}

TEST(GpuPlan, AllAtOnce) {
  const std::vector<CheckRow> rows{row("gpu.hbm.copy", Scope::every_gpu)};
  const TestPlan plan = make_plan(test::cluster_of(2, 2), rows, request());
  ASSERT_THAT(plan.checks, SizeIs(1));
  EXPECT_THAT(plan.checks[0].groups,
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(2), ElementsAre(3)));
  EXPECT_THAT(plan.checks[0].gpus,
              ElementsAre(ElementsAre(0), ElementsAre(1), ElementsAre(0), ElementsAre(1)));
}

TEST(GpuPlan, OneRankAloneTestsItsGpu) {
  const std::vector<CheckRow> rows{row("gpu.hbm.copy", Scope::every_gpu),
                                   row("nccl.allreduce.busbw", Scope::rail),
                                   row("nvlink.pair.bandwidth", Scope::gpu_pair)};
  const TestPlan plan = make_plan(test::cluster_of(1, 1), rows, request());
  ASSERT_THAT(plan.checks, SizeIs(1));
  EXPECT_EQ(plan.checks[0].row->id, "gpu.hbm.copy");
}

TEST(GpuPlan, WhatABuildLacksIsOneSentenceForAllThatNeedIt) {
  CheckRow time = row("nccl.allreduce.latency", Scope::all_ranks),
           rate = row("nccl.allreduce.busbw", Scope::rail);
  time.unavailable_reason = rate.unavailable_reason = "built without CUDA";
  rate.derived_from = time.id;
  rate.make_timed = nullptr;
  const std::vector<CheckRow> rows{time, rate};
  const TestPlan plan = make_plan(test::cluster_of(2, 2), rows, request());
  ASSERT_THAT(plan.not_tested, SizeIs(1));
  EXPECT_EQ(plan.not_tested[0].id, "gpu");
  EXPECT_EQ(plan.not_tested[0].reason, "CUDA: built without CUDA");
}

TEST(GpuPlan, RailsJoinTheSamePlacesOfAllNodes) {
  const std::vector<CheckRow> rows{row("nccl.allreduce.busbw", Scope::rail)};
  const TestPlan plan = make_plan(test::cluster_of(3, 2), rows, request());
  ASSERT_FALSE(plan.checks.empty());
  EXPECT_THAT(plan.checks[0].groups, ElementsAre(ElementsAre(0, 2, 4), ElementsAre(1, 3, 5)));
  EXPECT_EQ(plan.checks[0].mode, "together");
  EXPECT_THAT(plan.checks[0].gpus, IsEmpty());
}

TEST(GpuPlan, RailsAreMeasuredApartAtTheLargestSizeWithoutATarget) {
  CheckRow time = row("nccl.allreduce.latency", Scope::rail), rate = row("nccl.allreduce.busbw", Scope::rail);
  time.sizes = {8, std::uint64_t{1} << 20, std::uint64_t{8} << 30};
  rate.derived_from = time.id;
  rate.make_timed = nullptr;
  const std::vector<CheckRow> rows{time, rate};
  Request asked = request();
  asked.platform_target = [](const CheckRow&, const PlannedCheck&) {
    Target target;
    target.value = 350.0;
    return std::optional<Target>(target);
  };
  const TestPlan plan = make_plan(test::cluster_of(3, 2), rows, asked);
  ASSERT_THAT(plan.checks, SizeIs(3 + 2));
  EXPECT_THAT(plan.checks[3].groups, ElementsAre(ElementsAre(0, 2, 4)));
  EXPECT_THAT(plan.checks[4].groups, ElementsAre(ElementsAre(1, 3, 5)));
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(plan.checks[i].mode, "together");
    EXPECT_TRUE(plan.checks[i].target);
  }
  for (std::size_t i = 3; i < 5; ++i) {
    EXPECT_EQ(plan.checks[i].bytes, std::uint64_t{8} << 30);
    EXPECT_EQ(plan.checks[i].mode, "apart");
    EXPECT_EQ(plan.checks[i].group_number, static_cast<int>(i) - 3);
    EXPECT_EQ(plan.checks[i].nodes, 3);
    EXPECT_FALSE(is_judged(plan.checks[i]));
    EXPECT_THAT(plan.checks[i].derived, SizeIs(1));
    EXPECT_EQ(plan.checks[i].repeats, 4);
  }
  EXPECT_EQ(plan.judged, 3 * 2 * 2) << "three sizes, two rails, a time and a rate";
  asked.few_sizes = true;
  for (const PlannedCheck& check : make_plan(test::cluster_of(3, 2), rows, asked).checks)
    EXPECT_EQ(check.mode, "together") << "a quick run has no time for it";
}

TEST(GpuPlan, OneRailAndSmallMessagesHaveNothingApart) {
  CheckRow one = row("nccl.allreduce.latency", Scope::rail);
  EXPECT_THAT(make_plan(test::cluster_of(3, 1), std::vector<CheckRow>{one}, request()).checks, SizeIs(1));
  one.sizes = {8, 1024};
  EXPECT_THAT(make_plan(test::cluster_of(3, 2), std::vector<CheckRow>{one}, request()).checks, SizeIs(2));
}

TEST(GpuPlan, WhichRailsAreNotMeasuredApartIsSaid) {
  const std::vector<CheckRow> rows{row("nccl.allreduce.latency", Scope::rail),
                                   row("nccl.allgather.latency", Scope::rail)};
  const auto reasons = [](const TestPlan& plan) {
    std::vector<std::string> all;
    for (const NotTested& one : plan.not_tested) all.push_back(one.id + ": " + one.reason);
    return all;
  };
  TestPlan plan = make_plan(test::cluster_of(2, 10), rows, request());
  EXPECT_THAT(plan.checks, SizeIs(2 * (1 + 8)));
  EXPECT_THAT(reasons(plan),
              Contains(AllOf(HasSubstr("nccl.allreduce.latency"), HasSubstr("2 of its 10 rails apart"))));
  Request brief = request();
  brief.budget_ns = 1'000'000'000;
  plan = make_plan(test::cluster_of(2, 3), rows, brief);
  EXPECT_THAT(plan.checks, SizeIs(2 + 3)) << "those of one row fit, of both together they do not";
  EXPECT_THAT(reasons(plan), Contains(AllOf(HasSubstr("nccl.allgather.latency: its 3 rails apart"),
                                            HasSubstr("would not fit into half of the budget"))));
}

TEST(GpuPlan, PairsFollowTheirRoundsInBothOrders) {
  CheckRow pair = row("nvlink.pair.bandwidth", Scope::gpu_pair);
  pair.both_orders = true;
  Request asked = request();
  Pair one;
  one.from = 0;
  one.to = 1;
  asked.gpu_pairs = {{one}};
  asked.gpu_pair_target = [](const CheckRow&, std::uint64_t, const Pair& of) {
    Target target;
    target.value = of.from == 0 ? 300.0 : 200.0;
    return std::optional<Target>(target);
  };
  const std::vector<CheckRow> rows{pair};
  const TestPlan plan = make_plan(test::cluster_of(1, 2), rows, asked);
  ASSERT_THAT(plan.checks, SizeIs(2));
  EXPECT_THAT(plan.checks[0].groups, ElementsAre(ElementsAre(0, 1)));
  EXPECT_THAT(plan.checks[1].groups, ElementsAre(ElementsAre(1, 0)));
  EXPECT_THAT(plan.checks[1].gpus, ElementsAre(ElementsAre(1, 0)));
  EXPECT_EQ(plan.checks[1].group_targets.at(0)->value, 200.0);
  EXPECT_EQ(plan.judged, 2);
}

TEST(GpuPlan, WithoutGpusTheRowsStayWithTheReason) {
  const std::vector<CheckRow> rows{row("gpu.hbm.copy", Scope::every_gpu)};
  Request asked = request();
  asked.no_gpu = "no CUDA device on node7 (driver not loaded)";
  TestPlan plan = make_plan(test::cluster_of(1, 2), rows, asked);
  EXPECT_THAT(plan.checks, IsEmpty());
  EXPECT_THAT(plan.skipped, IsEmpty());
  ASSERT_FALSE(plan.not_tested.empty());
  EXPECT_EQ(plan.not_tested.back().reason, "CUDA: no CUDA device on node7 (driver not loaded)");
  asked.only = {"gpu.*"};
  plan = make_plan(test::cluster_of(1, 2), rows, asked);
  ASSERT_THAT(plan.skipped, SizeIs(1));
  EXPECT_EQ(plan.skipped[0].second, "no CUDA device on node7 (driver not loaded)");
}

TEST(GpuPlan, AFilesTargetCountsBeforeThePlatforms) {
  const std::vector<CheckRow> rows{row("gpu.hbm.copy", Scope::every_gpu)};
  Request asked = request();
  asked.platform_target = [](const CheckRow&, const PlannedCheck& check) {
    Target target;
    target.value = check.scope == Scope::every_gpu ? 2755.0 : 0.0;
    return std::optional<Target>(target);
  };
  EXPECT_EQ(make_plan(test::cluster_of(1, 2), rows, asked).checks.at(0).target->value, 2755.0);
  Target told;
  told.check = "gpu.hbm.copy";
  told.value = 3000.0;
  asked.targets = {told};
  EXPECT_EQ(make_plan(test::cluster_of(1, 2), rows, asked).checks.at(0).target->value, 3000.0);
}

TEST(GpuPlan, GroupsAreWithoutARankThatHasNoGpu) {
  const std::vector<CheckRow> rows{
      row("nccl.allreduce.latency", Scope::inside_node), row("nccl.allgather.latency", Scope::rail),
      row("nccl.reduce.latency", Scope::all_ranks), row("gpu.hbm.copy", Scope::every_gpu)};
  Request asked = request();
  asked.without_gpu = {1};
  asked.platform_target = [](const CheckRow&, const PlannedCheck&) {
    Target target;
    target.value = 100.0;
    return std::optional<Target>(target);
  };
  const TestPlan plan = make_plan(test::cluster_of(2, 4), rows, asked);
  const auto of = [&](const std::string& id) {
    std::vector<const PlannedCheck*> found;
    for (const PlannedCheck& check : plan.checks)
      if (check.row->id == id && check.mode != "apart") found.push_back(&check);
    return found;
  };
  const auto inside = of("nccl.allreduce.latency");
  ASSERT_THAT(inside, SizeIs(2));
  EXPECT_THAT(inside[0]->groups, ElementsAre(ElementsAre(4, 5, 6, 7)));
  EXPECT_TRUE(inside[0]->target.has_value());
  EXPECT_THAT(inside[1]->groups, ElementsAre(ElementsAre(0, 2, 3)));
  EXPECT_FALSE(inside[1]->target.has_value()) << "what is left of a node is held against nothing";
  const auto rails = of("nccl.allgather.latency");
  ASSERT_THAT(rails, SizeIs(1));
  EXPECT_THAT(rails[0]->groups, ElementsAre(ElementsAre(0, 4), ElementsAre(2, 6), ElementsAre(3, 7)))
      << "each rank stays on its rail";
  const auto all = of("nccl.reduce.latency");
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_THAT(all[0]->groups, ElementsAre(ElementsAre(0, 2, 3, 4, 5, 6, 7)));
  EXPECT_FALSE(all[0]->target.has_value());
  EXPECT_THAT(of("gpu.hbm.copy").at(0)->groups, SizeIs(8)) << "the rank says itself why it has none";
}

TEST(GpuPlan, OnlyTheTypesThatARowHasAreTaken) {
  CheckRow reduce = row("nccl.allreduce.latency", Scope::inside_node);
  reduce.typed = true;
  reduce.types = {DataType::float32, DataType::bfloat16};
  CheckRow mpi = reduce;
  mpi.id = "mpi.allreduce.latency";
  mpi.needs_gpu = false;
  mpi.make_timed = nullptr;
  mpi.types = {DataType::float32, DataType::int32};
  const std::vector<CheckRow> rows{reduce, mpi};
  Request asked = request();
  asked.types = {DataType::bfloat16};
  const TestPlan plan = make_plan(test::cluster_of(1, 2), rows, asked);
  ASSERT_THAT(plan.checks, SizeIs(2));
  EXPECT_EQ(plan.checks[0].variant.type, DataType::bfloat16);
  EXPECT_EQ(plan.checks[1].variant.type, DataType::float32) << "MPI has no such type and takes its default";
}

TEST(GpuPlan, WhatTakesItsOwnTimeIsPlannedInEverySuiteBesideTheBudget) {
  CheckRow burn = row("gpu.burn.rate", Scope::every_gpu);
  burn.in_quick = false;
  burn.own_time_ns = 90'000'000'000;
  CheckRow copy = row("gpu.hbm.copy", Scope::every_gpu);
  const std::vector<CheckRow> rows{burn, copy};
  Request asked = request();
  asked.few_sizes = true;
  asked.budget_ns = 2'000'000'000;
  const TestPlan plan = make_plan(test::cluster_of(1, 2), rows, asked);
  ASSERT_THAT(plan.checks, SizeIs(2));
  EXPECT_EQ(plan.checks[0].budget_ns, 90'000'000'000);
  EXPECT_EQ(plan.checks[0].repeats, 1);
  EXPECT_EQ(plan.checks[1].budget_ns, 2'000'000'000) << "the budget is the others'";
}

}  // namespace
}  // namespace fabricheck::plan
