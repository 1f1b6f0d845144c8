#include "app/wrong_results.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

CheckRecord check(const std::string& id, Verdict verdict, const std::string& reason) {
  CheckRecord one;
  one.id = id;
  one.title = "a test's " + id;
  one.verdict = verdict;
  one.reason = reason;
  return one;
}

TEST(WrongResults, AreOneFindingForEachRank) {
  RunRecord record;
  RankPlace place;
  place.rank = 12;
  place.gpu = 4;
  record.topology.ranks = {place};
  record.checks = {
      check("nccl.allreduce.latency", Verdict::fail,
            "wrong result: rank 12 on n2: iteration 0, element 8192: expected 3, got 2"),
      check("nccl.allgather.latency", Verdict::fail,
            "wrong result: rank 12 on n2: iteration 4, element 1: expected 3, got 2"),
      check("mpi.allreduce.latency", Verdict::fail,
            "wrong result: rank 3 on n1.cluster: iteration 0, element 3: expected 1, got 2"),
      check("nccl.reduce.latency", Verdict::fail, "it missed its target"),
      check("nccl.gather.latency", Verdict::error, "wrong result: rank 1 on n1: of an error"),
      check("nccl.scatter.latency", Verdict::fail, "wrong result: rank x"),
  };
  const auto findings = wrong_results(record);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].component, (Component{"rank", "rank 3", "n1.cluster"}));
  EXPECT_THAT(findings[0].meaning, Not(HasSubstr("GPU")));
  EXPECT_EQ(findings[1].component, (Component{"rank", "rank 12", "n2"}));
  EXPECT_EQ(findings[1].severity, Severity::fatal);
  EXPECT_THAT(findings[1].meaning, HasSubstr("which drives GPU 4"));
  EXPECT_THAT(findings[1].explains, ElementsAre("nccl.allreduce.latency", "nccl.allgather.latency"));
  EXPECT_THAT(findings[1].evidence.at(0).text, AllOf(HasSubstr("element 8192"), HasSubstr("allreduce")));
  EXPECT_THAT(findings[1].confirm, HasSubstr("--verify-repeat"));
}

TEST(WrongResults, NoneIsNoFinding) { EXPECT_THAT(wrong_results(RunRecord{}), IsEmpty()); }

}  // namespace
}  // namespace fabricheck::app
