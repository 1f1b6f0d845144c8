#include "core/judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

namespace fabricheck {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Target below_5us() {
  Target target;
  target.check = "mpi.allreduce.latency";
  target.comparison = Comparison::below;
  target.value = 5.0;
  target.unit = "us";
  return target;
}

SampleSet samples_around(double median_us, std::size_t n = 4000) {
  std::mt19937_64 random(42);
  std::lognormal_distribution<double> draw(std::log(median_us), 0.3);
  SampleSet samples;
  for (std::size_t i = 0; i < n; ++i) samples.values_us.push_back(draw(random));
  for (std::size_t repeat = 0; repeat < 16; ++repeat) samples.repeat_begins.push_back(repeat * n / 16);
  return samples;
}

TEST(Judge, WholeIntervalBelowPasses) {
  const Target target = below_5us();
  const Judgement judgement = judge(samples_around(3.0), &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::pass);
  EXPECT_LT(judgement.decision_interval->hi, 5.0);
  EXPECT_TRUE(judgement.reason.empty());
}

TEST(Judge, WholeIntervalAboveFailsAndSaysTheFigure) {
  const Target target = below_5us();
  const Judgement judgement = judge(samples_around(9.0), &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::fail);
  EXPECT_THAT(judgement.reason, HasSubstr("< 5 us"));
}

TEST(Judge, IntervalAcrossTheTargetIsInconclusive) {
  const Target target = below_5us();
  const Judgement judgement = judge(samples_around(5.0), &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(judgement.reason, HasSubstr("--budget"));
}

TEST(Judge, FewSamplesNeverPass) {
  const Target target = below_5us();
  EXPECT_EQ(judge(samples_around(1.0, 31), &target, {}).verdict, Verdict::inconclusive);
  EXPECT_EQ(judge(SampleSet{}, &target, {}).verdict, Verdict::inconclusive);
}

TEST(Judge, WithoutATargetNothingIsJudged) {
  const Judgement judgement = judge(samples_around(1.0), nullptr, {});
  EXPECT_EQ(judgement.verdict, Verdict::unchecked);
  EXPECT_TRUE(judgement.ci95.has_value());
}

TEST(Judge, ClockErrorWidensAndIsNamedWhenItDecides) {
  const Target target = below_5us();
  SampleSet samples = samples_around(3.0);
  samples.clock_error_us = 4.0;
  const Judgement judgement = judge(samples, &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(judgement.reason, HasSubstr("clocks agree only to 4 us"));
  EXPECT_THAT(judgement.reason, HasSubstr("let nothing else run there")) << "what to do";
}

TEST(Judge, RepeatsTooScatteredForAnIntervalAreToldByTheirOwnRange) {
  Target target = below_5us();
  GatePolicy four;
  four.repeats = 4;
  SampleSet samples;
  for (const double us : {2.0, 3.0, 40.0, 5300.0}) {
    samples.repeat_begins.push_back(samples.values_us.size());
    samples.values_us.insert(samples.values_us.end(), 100, us);
  }
  for (const char* statistic : {"median", "mean"}) {
    target.statistic = statistic;
    const Judgement judgement = judge(samples, &target, four);
    EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
    EXPECT_THAT(judgement.reason, HasSubstr(std::string("the 4 repeats are too scattered to bound the ") +
                                            statistic + " against the target < 5 us"));
    EXPECT_THAT(judgement.reason, HasSubstr("from 2 to 5300 us"));
    EXPECT_THAT(judgement.reason, Not(HasSubstr("interval")));
  }
}

TEST(Judge, LateStartsForbidAnAccusationButNotAPass) {
  const Target target = below_5us();
  SampleSet slow = samples_around(9.0);
  slow.late_starts = slow.values_us.size() / 5;
  EXPECT_EQ(judge(slow, &target, {}).verdict, Verdict::inconclusive);
  EXPECT_THAT(judge(slow, &target, {}).reason, HasSubstr("mpirun --bind-to core fabricheck run"));
  EXPECT_THAT(judge(slow, &target, {}).reason, HasSubstr("srun --cpu-bind=cores fabricheck run"));
  SampleSet fast = samples_around(2.0);
  fast.late_starts = fast.values_us.size() / 5;
  EXPECT_EQ(judge(fast, &target, {}).verdict, Verdict::pass);
}

TEST(Judge, BandwidthIsHeldFromBelow) {
  Target target;
  target.comparison = Comparison::at_least;
  target.value = 10.0;
  target.unit = "GB/s";
  const Measure measure = Measure::rate("GB/s", 1000.0);  // 1 MB in 50 us: 20 GB/s
  EXPECT_EQ(judge(samples_around(50.0), &target, {}, measure).verdict, Verdict::pass);
  const Judgement slow = judge(samples_around(200.0), &target, {}, measure);
  EXPECT_EQ(slow.verdict, Verdict::fail);
  EXPECT_NEAR(*slow.value, 5.0, 0.5);
  EXPECT_LT(slow.ci95->lo, slow.ci95->hi);
}

TEST(Judge, ATimeMayBeHeldFromBelowAndARateFromAbove) {
  Target target = below_5us();
  for (const Comparison comparison : {Comparison::above, Comparison::at_least})
    for (const char* statistic : {"median", "mean"}) {
      target.comparison = comparison;
      target.statistic = statistic;
      EXPECT_EQ(judge(samples_around(9.0), &target, {}).verdict, Verdict::pass) << statistic;
      EXPECT_EQ(judge(samples_around(3.0), &target, {}).verdict, Verdict::fail) << statistic;
    }
  target.statistic = "median";
  EXPECT_EQ(judge(samples_around(5.0), &target, {}).verdict, Verdict::inconclusive);
  target.comparison = Comparison::at_most;
  target.value = 10.0;
  target.unit = "GB/s";
  const Measure measure = Measure::rate("GB/s", 1000.0);
  EXPECT_EQ(judge(samples_around(50.0), &target, {}, measure).verdict, Verdict::fail) << "20 GB/s";
  EXPECT_EQ(judge(samples_around(200.0), &target, {}, measure).verdict, Verdict::pass) << "5 GB/s";
}

TEST(Judge, WhatLiesAtTheLimitItselfMeetsAtMostAndNotBelow) {
  Target target = below_5us();
  SampleSet samples = samples_around(5.0);
  std::fill(samples.values_us.begin(), samples.values_us.end(), 5.0);
  const auto verdict = [&](Comparison comparison) {
    target.comparison = comparison;
    return judge(samples, &target, {}).verdict;
  };
  EXPECT_EQ(verdict(Comparison::at_most), Verdict::pass);
  EXPECT_NE(verdict(Comparison::below), Verdict::pass);
  EXPECT_EQ(verdict(Comparison::at_least), Verdict::pass);
  EXPECT_NE(verdict(Comparison::above), Verdict::pass);
}

TEST(Judge, OfOneMeasurementTheIntervalShownIsThatOfTheStatistic) {
  Target target = below_5us();
  SampleSet skewed;
  for (int i = 0; i < 4000; ++i) skewed.values_us.push_back(i % 4 == 0 ? 9.0 : 1.0);
  const auto shown = [&](const char* statistic) {
    target.statistic = statistic;
    return *judge(skewed, &target, {}).ci95;
  };
  EXPECT_LT(shown("median").hi, 2.0);
  EXPECT_GT(shown("mean").lo, 2.0);
  EXPECT_LT(shown("mean").lo, 3.0);
  EXPECT_GT(shown("mean").hi, 3.0);
}

TEST(Judge, ALargerFamilyIsSlowerToAccuseAndNoSlowerToPass) {
  const Target target = below_5us();
  GatePolicy many;
  many.family = 2000;
  const SampleSet samples = samples_around(4.0);
  const auto alone = *judge(samples, &target, {}).decision_interval;
  const auto among = *judge(samples, &target, many).decision_interval;
  EXPECT_LT(among.lo, alone.lo) << "the end that a FAIL rests on";
  EXPECT_DOUBLE_EQ(among.hi, alone.hi) << "the end that a PASS rests on";
}

TEST(Judge, BetweenTwoLooksNothingIsDecided) {
  const Target target = below_5us();
  SampleSet samples = samples_around(3.0);
  samples.repeat_begins.resize(5);
  const Judgement judgement = judge(samples, &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(judgement.reason, HasSubstr("5 of 16 repeats"));
  EXPECT_TRUE(judgement.value.has_value()) << "what was measured is kept";
}

TEST(Judge, OneMeasurementAloneIsNoEvidence) {
  const Target target = below_5us();
  SampleSet samples = samples_around(3.0);
  samples.repeat_begins.clear();
  const Judgement judgement = judge(samples, &target, {});
  EXPECT_EQ(judgement.verdict, Verdict::inconclusive);
  EXPECT_THAT(judgement.reason, HasSubstr("repeats"));
}

TEST(Judge, RepeatsThatDisagreeAreNotOutvotedByTheirSamples) {
  const Target target = below_5us();
  SampleSet samples;
  for (int repeat = 0; repeat < 4; ++repeat) {
    samples.repeat_begins.push_back(samples.values_us.size());
    samples.values_us.insert(samples.values_us.end(), 1000, repeat % 2 == 0 ? 1.0 : 5.5);
  }
  GatePolicy four;
  four.repeats = 4;
  EXPECT_EQ(judge(samples, &target, four).verdict, Verdict::inconclusive);
}

TEST(Judge, AMeanAndATailAreJudgedByTheSameRules) {
  Target target = below_5us();
  target.statistic = "mean";
  EXPECT_EQ(judge(samples_around(3.0), &target, {}).verdict, Verdict::pass);
  EXPECT_EQ(judge(samples_around(9.0), &target, {}).verdict, Verdict::fail);
  target.statistic = "p99";
  EXPECT_EQ(judge(samples_around(1.0, 16000), &target, {}).verdict, Verdict::pass);
  EXPECT_EQ(judge(samples_around(4.5, 16000), &target, {}).verdict, Verdict::fail);
  EXPECT_THAT(judge(samples_around(1.0, 800), &target, {}).reason, HasSubstr("1000"));
}

TEST(SampleSet, AppendsRepeats) {
  SampleSet all, one;
  one.values_us = {1.0, 2.0};
  one.last_count[1] = 2;
  one.barrier_us = {1.0};
  one.osu_mean_us = 1.0;
  one.clock_error_us = 0.5;
  all.append(one);
  one.values_us = {3.0};
  one.barrier_us = {3.0, 3.0, 3.0};
  one.osu_mean_us = 3.0;
  one.clock_error_us = 0.1;
  all.append(one);
  EXPECT_EQ(all.values_us, (std::vector<double>{1.0, 2.0, 3.0}));
  EXPECT_EQ(all.repeat_begins, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(all.last_count[1], 4u);
  EXPECT_DOUBLE_EQ(*all.osu_mean_us, 2.5);
  EXPECT_DOUBLE_EQ(all.clock_error_us, 0.5);
}

}  // namespace
}  // namespace fabricheck
