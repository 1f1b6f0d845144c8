#include "core/judge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace fabricheck {
namespace {

using ::testing::HasSubstr;

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
  EXPECT_EQ(judge(samples_around(1.0, 50), &target, {}).verdict, Verdict::inconclusive);
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
  EXPECT_THAT(judgement.reason, HasSubstr("clocks"));
}

TEST(Judge, LateStartsForbidAnAccusationButNotAPass) {
  const Target target = below_5us();
  SampleSet slow = samples_around(9.0);
  slow.late_starts = slow.values_us.size() / 5;
  EXPECT_EQ(judge(slow, &target, {}).verdict, Verdict::inconclusive);
  SampleSet fast = samples_around(2.0);
  fast.late_starts = fast.values_us.size() / 5;
  EXPECT_EQ(judge(fast, &target, {}).verdict, Verdict::pass);
}

TEST(Judge, BandwidthIsHeldFromBelow) {
  Target target;
  target.comparison = Comparison::at_least;
  target.value = 10.0;
  target.unit = "GB/s";
  Measure measure;
  measure.unit = "GB/s";
  measure.rate_times_us = 1000.0;  // 1 MB in 50 us: 20 GB/s
  EXPECT_EQ(judge(samples_around(50.0), &target, {}, measure).verdict, Verdict::pass);
  const Judgement slow = judge(samples_around(200.0), &target, {}, measure);
  EXPECT_EQ(slow.verdict, Verdict::fail);
  EXPECT_NEAR(*slow.value, 5.0, 0.5);
  EXPECT_LT(slow.ci95->lo, slow.ci95->hi);
}

TEST(Judge, ALargerFamilyIsStricter) {
  const Target target = below_5us();
  JudgePolicy alone, many;
  many.family = 2000;
  const SampleSet samples = samples_around(4.0);
  const auto width = [&](const JudgePolicy& policy) {
    const auto interval = *judge(samples, &target, policy).decision_interval;
    return interval.hi - interval.lo;
  };
  EXPECT_GT(width(many), width(alone));
}

TEST(Looks, AreFixedInNumberAndGrow) {
  LookSchedule looks(12);
  int seen = 0;
  for (std::uint64_t n = 1; n < 1'000'000; ++n) seen += looks.due(n) ? 1 : 0;
  EXPECT_EQ(seen, 11) << "the twelfth look is the one at the end of the budget";
}

// The point of all this: a link 5 % over its target, looked at again and again, must not slip through.
TEST(Judge, ABadLinkDoesNotPassBySamplingOn) {
  const Target target = below_5us();
  int passed = 0;
  for (int run = 0; run < 200; ++run) {
    std::mt19937_64 random(static_cast<std::uint64_t>(run) + 1);
    std::lognormal_distribution<double> draw(std::log(5.25), 0.3);
    SampleSet samples;
    LookSchedule looks(JudgePolicy{}.looks);
    Verdict verdict = Verdict::inconclusive;
    while (samples.values_us.size() < 6000 && verdict == Verdict::inconclusive) {
      for (int i = 0; i < 100; ++i) samples.values_us.push_back(draw(random));
      if (looks.due(samples.values_us.size())) verdict = judge(samples, &target, {}).verdict;
    }
    passed += verdict == Verdict::pass ? 1 : 0;
  }
  EXPECT_LE(passed, 2);
}

}  // namespace
}  // namespace fabricheck
