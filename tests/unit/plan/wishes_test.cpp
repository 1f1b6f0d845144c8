// What was asked for by name and is not done.
#include "plan/wishes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/cluster.hpp"

namespace fabricheck::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<CheckRow> rows() {
  CheckRow one;
  one.id = "mpi.allreduce.latency";
  one.backend = "MPI";
  one.scopes = {Scope::inside_node};
  one.sizes = {8, 1024};
  one.typed = one.reduces = one.in_quick = true;
  one.types = {DataType::float32, DataType::float64};
  one.reductions = {Reduction::sum, Reduction::max};
  CheckRow other = one;
  other.id = "nccl.allreduce.busbw";
  other.backend = "NCCL";
  other.needs_gpu = true;
  other.types.push_back(DataType::bfloat16);
  return {one, other};
}

Request request() {
  Request one;
  one.budget_ns = 1'000'000'000;
  return one;
}

Target target_of(const std::string& check, std::optional<std::uint64_t> bytes = {},
                 std::optional<int> ranks_per_node = {}) {
  Target target;
  target.check = check;
  target.bytes = bytes;
  target.ranks_per_node = ranks_per_node;
  target.origin = "contract.toml:" + check + std::to_string(ranks_per_node.value_or(0));
  return target;
}

TEST(Wishes, ATypeThatNothingHasIsNamed) {
  const auto catalogue = rows();
  Request asked = request();
  asked.types = {DataType::float64, DataType::bfloat16};
  const TestPlan both = make_plan(test::cluster_of(1, 2), catalogue, asked);
  EXPECT_EQ(unknown_wish(both, asked), "");
  const auto replaced = replaced_wishes(both, asked);
  ASSERT_THAT(replaced, SizeIs(1));
  EXPECT_THAT(replaced[0].reason, HasSubstr("MPI has no bfloat16"));
  asked.no_gpu = "no CUDA device on a";
  EXPECT_THAT(unknown_wish(make_plan(test::cluster_of(1, 2), catalogue, asked), asked),
              HasSubstr("--types bfloat16"));
  asked.types = {};
  asked.reductions = {Reduction::avg};
  EXPECT_THAT(unknown_wish(make_plan(test::cluster_of(1, 2), catalogue, asked), asked),
              HasSubstr("--reductions avg"));
}

TEST(Wishes, ATargetThatNothingIsHeldAgainstIsNamed) {
  const auto catalogue = rows();
  Request asked = request();
  asked.targets = {target_of("mpi.allreduce.latency", 8), target_of("nccl.allreduce.busbw"),
                   target_of("mpi.allreduce.latency", 1024, 4)};
  asked.no_gpu = "no CUDA device on a";
  const TestPlan plan = make_plan(test::cluster_of(1, 2), catalogue, asked);
  auto unused = unused_targets(plan, asked, catalogue);
  ASSERT_THAT(unused, SizeIs(2));
  EXPECT_EQ(unused[0].target.check, "nccl.allreduce.busbw");
  EXPECT_EQ(unused[0].why, "no CUDA device on a");
  EXPECT_EQ(unused[1].target.ranks_per_node, 4);
  asked.only = {"mpi.*"};
  EXPECT_THAT(unused_targets(plan, asked, catalogue), SizeIs(1)) << "what was deselected is not missed";
  asked.targets[2].origin = "built in";
  EXPECT_THAT(unused_targets(plan, asked, catalogue), IsEmpty());
}

TEST(Wishes, ATargetOfAsManyRanksAsThisNodeHasIsTaken) {
  const auto catalogue = rows();
  Request asked = request();
  asked.targets = {target_of("mpi.allreduce.latency", 8, 1), target_of("mpi.allreduce.latency", 8, 2)};
  const TestPlan plan = make_plan(test::cluster_of(1, 2), catalogue, asked);
  const auto unused = unused_targets(plan, asked, catalogue);
  ASSERT_THAT(unused, SizeIs(1)) << "of two, the one that says what is there";
  EXPECT_EQ(unused[0].target.ranks_per_node, 1);
  asked.targets.pop_back();
  EXPECT_THAT(unused_targets(make_plan(test::cluster_of(1, 2), catalogue, asked), asked, catalogue),
              IsEmpty())
      << "on one node the target between nodes is judged inside it";
}

TEST(Wishes, ASizeOfWhatHasNoneIsNamed) {
  auto catalogue = rows();
  catalogue.front().sizes.clear();
  Request asked = request();
  asked.targets = {target_of("mpi.allreduce.latency", 8)};
  const auto unused = unused_targets(make_plan(test::cluster_of(1, 2), catalogue, asked), asked, catalogue);
  ASSERT_THAT(unused, SizeIs(1));
  EXPECT_EQ(unused[0].why, "it has no size: leave bytes out");
}

TEST(Wishes, WhatAnOptionHasToAskForIsNotDeselected) {
  const auto catalogue = rows();
  Request asked = request();
  asked.unasked["mpi.allreduce.*"] = "--burn DURATION";
  asked.targets = {target_of("mpi.allreduce.latency", 8)};
  const TestPlan plan = make_plan(test::cluster_of(1, 2), catalogue, asked);
  for (const PlannedCheck& check : plan.checks) EXPECT_NE(check.row->id, "mpi.allreduce.latency");
  const auto unused = unused_targets(plan, asked, catalogue);
  ASSERT_THAT(unused, SizeIs(1));
  EXPECT_THAT(unused[0].why, HasSubstr("--burn DURATION"));
  EXPECT_EQ(need_of("mpi.barrier.latency", asked), "");
}

TEST(Wishes, ABandwidthBelowItsFirstSizeIsNotForgotten) {
  auto catalogue = rows();
  catalogue.front().min_bytes = 65536;
  Request asked = request();
  EXPECT_THAT(too_small_wishes(asked, catalogue), IsEmpty());
  asked.only = {catalogue.front().id};
  asked.sizes = {8, 1024};
  const auto small = too_small_wishes(asked, catalogue);
  ASSERT_THAT(small, SizeIs(1));
  EXPECT_THAT(small[0].reason, HasSubstr("from 64 KiB on, and --sizes ends with 1 KiB"));
  asked.sizes = {65536};
  EXPECT_THAT(too_small_wishes(asked, catalogue), IsEmpty());
}

TEST(Wishes, TheSizeOfAUsersTargetIsPlanned) {
  const auto catalogue = rows();
  Request asked = request();
  asked.targets = {target_of("mpi.allreduce.latency", 16)};
  asked.only = {"mpi.*"};
  EXPECT_THAT(unused_targets(make_plan(test::cluster_of(1, 2), catalogue, asked), asked, catalogue),
              IsEmpty());
  asked.sizes = {8};
  EXPECT_THAT(unused_targets(make_plan(test::cluster_of(1, 2), catalogue, asked), asked, catalogue),
              SizeIs(1));
}

}  // namespace
}  // namespace fabricheck::plan
