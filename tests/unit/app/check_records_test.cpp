#include "app/check_records.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

SampleSet ten_us() {
  SampleSet samples;
  samples.values_us = {9.0, 10.0, 500.0};
  return samples;
}

CheckRecord launched(double launch_us, double waited_percent) {
  CheckRecord check;
  check.path = {{"launch_us", launch_us},
                {"gpu_waited_for_launches_percent", waited_percent},
                {"cuda_graph", std::string("no")}};
  return check;
}

TEST(Overtime, ThatRanksShareCpusIsSaidWhereItIsKnown) {
  EXPECT_THAT(overtime_words(false), HasSubstr("as where ranks wait for a core"));
  EXPECT_THAT(overtime_words(true),
              AllOf(HasSubstr("more ranks than CPUs"), HasSubstr("mpirun --bind-to core"),
                    HasSubstr("srun --cpu-bind=cores"), Not(HasSubstr("as where"))));
}

TEST(Launches, WhatTheHostLimitsIsNotTheNetworks) {
  CheckRecord check = launched(9.0, 100.0);
  note_launches(check, ten_us());
  EXPECT_THAT(check.reason, AllOf(HasSubstr("the host's rate of launches, not the fabric's"),
                                  HasSubstr("at least 90 % of the median"), HasSubstr("--cuda-graph")));
  EXPECT_EQ(path_text(check, "limited_by"), "the host's launches");
}

TEST(Launches, FasterLaunchesLimitNothing) {
  CheckRecord check = launched(8.9, 100.0);
  const CheckRecord before = check;
  note_launches(check, ten_us());
  EXPECT_EQ(check, before);
}

TEST(Launches, AFullQueueIsNoSlowHost) {
  CheckRecord check = launched(10.0, 20.0);
  const CheckRecord before = check;
  note_launches(check, ten_us());
  EXPECT_EQ(check, before);
}

TEST(Launches, TheVerdictsReasonStays) {
  CheckRecord check = launched(10.0, 100.0);
  check.reason = "too slow by 3 us";
  note_launches(check, ten_us());
  EXPECT_THAT(check.reason,
              AllOf(StartsWith("too slow by 3 us; it is the host's rate"), HasSubstr("--cuda-graph")));
}

TEST(Launches, AGraphThatIsLimitedIsNotAdvisedAgain) {
  CheckRecord check = launched(10.0, 100.0);
  (*check.path)["cuda_graph"] = std::string("yes");
  note_launches(check, ten_us());
  EXPECT_THAT(check.reason, AllOf(HasSubstr("as a CUDA graph already"), Not(HasSubstr("--cuda-graph"))));
}

TEST(Launches, WhatHasNoLaunchesHasNothingToSay) {
  CheckRecord check;
  note_launches(check, ten_us());
  EXPECT_EQ(check, CheckRecord{});
  check = launched(10.0, 100.0);
  note_launches(check, SampleSet{});
  EXPECT_EQ(check.reason, "");
}

}  // namespace
}  // namespace fabricheck::app
