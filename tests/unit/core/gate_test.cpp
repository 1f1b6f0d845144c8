#include "core/gate.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace fabricheck {
namespace {

std::vector<RepeatCount> shares(const std::vector<double>& within, std::uint64_t samples = 1000) {
  std::vector<RepeatCount> repeats;
  for (const double share : within)
    repeats.push_back(
        {samples, static_cast<std::uint64_t>(std::lround(share * static_cast<double>(samples)))});
  return repeats;
}

TEST(Pace, AsOftenAsThereIsTime) {
  Pace pace;
  pace.done = 2;
  pace.spent = 2.0;
  pace.last = 1.0;
  pace.samples = 40;
  pace.limit = 20.0;
  EXPECT_EQ(repeats_within(pace, 16), 16);
  pace.limit = 15.0;
  EXPECT_EQ(repeats_within(pace, 16), 8);
  EXPECT_EQ(repeats_within(pace, 4), 4);
  pace.limit = 5.0;
  EXPECT_EQ(repeats_within(pace, 16), 4);
  pace.limit = 1.0;
  EXPECT_EQ(repeats_within(pace, 16), 4) << "fewer are no evidence";
}

TEST(Pace, FewerVisitsHaveToGiveMoreSamples) {
  EXPECT_EQ(samples_of_each(0, 0, 4), 8u);
  EXPECT_EQ(samples_of_each(6, 2, 4), 13u);
  EXPECT_EQ(samples_of_each(6, 2, 16), 2u);
  EXPECT_EQ(samples_of_each(32, 2, 4), 0u);
  EXPECT_EQ(samples_of_each(6, 4, 4), 0u);
  Pace pace;
  pace.done = 2;
  pace.spent = 2.0;
  pace.last = 1.0;
  pace.samples = 6;
  pace.limit = 12.5;
  EXPECT_EQ(repeats_within(pace, 16), 8) << "two more samples each: 2 + 6 x 5 / 3";
  pace.samples = 0;
  pace.limit = 16.0;
  EXPECT_EQ(repeats_within(pace, 16), 16) << "another rank has them";
}

TEST(Looks, AreFewFixedAndSpendNoMoreThanTheWholeError) {
  GatePolicy policy;
  policy.family = 10;
  const auto looks = looks_of(policy);
  ASSERT_EQ(looks.size(), 3u);
  EXPECT_EQ(looks[0].after_repeats, 4);
  EXPECT_EQ(looks[1].after_repeats, 8);
  EXPECT_EQ(looks[2].after_repeats, 16);
  double pass = 0.0, fail = 0.0;
  for (const Look& look : looks) {
    pass += look.alpha_pass;
    fail += look.alpha_fail;
  }
  EXPECT_NEAR(pass, policy.alpha_pass, 1e-12);
  EXPECT_NEAR(fail, policy.alpha_fail / 10, 1e-12) << "any wrong FAIL accuses the cluster";
  EXPECT_GT(looks[0].margin_pass, 0.0);
  EXPECT_GT(looks[1].margin_fail, 0.0);
  EXPECT_EQ(looks[2].margin_pass, 0.0);
  EXPECT_EQ(looks[2].margin_fail, 0.0);
  EXPECT_FALSE(look_after(policy, 5)) << "nobody may look in between";
}

TEST(Looks, NoFailIsGivenBeforeEightRepeats) {
  for (const int planned : {4, 8, 16}) {
    GatePolicy policy;
    policy.planned = planned;
    for (const Look& look : looks_of(policy))
      EXPECT_EQ(look.alpha_fail > 0.0, look.after_repeats >= 8) << planned << ", " << look.after_repeats;
  }
}

TEST(Looks, WhatGoesOnAfterItsPlannedEndSpendsNoMoreThanTheWholeError) {
  for (const int planned : {4, 8}) {
    GatePolicy policy;
    policy.planned = planned;
    policy.repeats = planned;
    EXPECT_EQ(looks_of(policy).back().after_repeats, planned);
    EXPECT_EQ(looks_of(policy).back().margin_pass, 0.0);
    const double at_the_planned_end = looks_of(policy).back().alpha_pass;
    policy.repeats = 16;
    double pass = 0.0, fail = 0.0;
    for (const Look& look : looks_of(policy)) {
      pass += look.alpha_pass;
      fail += look.alpha_fail;
      if (look.after_repeats == planned) {
        EXPECT_EQ(look.alpha_pass, at_the_planned_end) << "fixed beforehand";
      }
    }
    EXPECT_NEAR(pass, policy.alpha_pass, 1e-12) << planned;
    EXPECT_NEAR(fail, policy.alpha_fail, 1e-12) << planned;
  }
}

// Exact values: sums of binomial probabilities by hand.
TEST(BinomialTail, IsExact) {
  EXPECT_NEAR(binomial_upper_tail(10, 10, 0.5), std::pow(0.5, 10), 1e-15);
  EXPECT_NEAR(binomial_upper_tail(9, 10, 0.5), 11.0 * std::pow(0.5, 10), 1e-14);
  EXPECT_NEAR(binomial_upper_tail(1, 3, 0.2), 1.0 - std::pow(0.8, 3), 1e-14);
  EXPECT_EQ(binomial_upper_tail(0, 5, 0.3), 1.0);
  EXPECT_NEAR(binomial_upper_tail(250'000, 500'000, 0.5), 0.5, 1e-2) << "large counts converge, too";
}

TEST(SurelyWithin, RestsOnTheSpreadBetweenRepeats) {
  EXPECT_TRUE(surely_within(shares({0.60, 0.61, 0.59, 0.60}), 0.5, 0.005));
  // The same mean, but the repeats disagree: 4,000 samples do not help.
  EXPECT_FALSE(surely_within(shares({0.95, 0.30, 0.85, 0.30}), 0.5, 0.005));
  EXPECT_TRUE(surely_beyond(shares({0.40, 0.41, 0.39, 0.40}), 0.5, 0.005));
  EXPECT_FALSE(surely_beyond(shares({0.60, 0.61, 0.59, 0.60}), 0.5, 0.005));
}

TEST(SurelyWithin, ALuckyTieBetweenFewSamplesIsNoCertainty) {
  // Four repeats of three samples that agree exactly: their spread is zero, and they say next to nothing.
  EXPECT_FALSE(surely_within(shares({2.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3}, 3), 0.5, 0.005));
}

TEST(SurelyWithin, FewRepeatsSayNothing) {
  EXPECT_FALSE(surely_within(shares({1.0, 1.0, 1.0}), 0.5, 0.1));
  EXPECT_FALSE(surely_within({}, 0.5, 0.1));
}

TEST(SurelyWithin, NeighboursThatResembleEachOtherCountLess) {
  const auto mixed = shares({.50, .56, .51, .57, .50, .56, .52, .57, .51, .58, .50, .56, .51, .57, .50, .58});
  const auto in_a_row =
      shares({.50, .50, .50, .50, .51, .51, .51, .52, .56, .56, .56, .57, .57, .57, .58, .58});
  EXPECT_TRUE(surely_within(mixed, 0.5, 0.001));
  EXPECT_FALSE(surely_within(in_a_row, 0.5, 0.001)) << "a trend is not sixteen independent repeats";
}

TEST(Weigh, AnEarlyLookWantsAMargin) {
  // All samples at 4.8 us, the limit is 5: within a tenth of it.
  const auto counts = [](double limit) {
    return std::vector<RepeatCount>(4, RepeatCount{1000, limit >= 4.8 ? 1000U : 0U});
  };
  const std::vector<double> medians(4, 4.8);
  GatePolicy policy;
  const auto looks = looks_of(policy);
  EXPECT_EQ(weigh(counts, medians, 0.5, 5.0, 0.0, looks.front()), Verdict::inconclusive);
  EXPECT_EQ(weigh(counts, medians, 0.5, 5.0, 0.0, looks.back()), Verdict::pass);
  EXPECT_EQ(weigh(counts, medians, 0.5, 4.0, 0.0, looks.front()), Verdict::inconclusive);
  EXPECT_EQ(weigh(counts, medians, 0.5, 4.5, 0.0, looks[1]), Verdict::inconclusive);
  EXPECT_EQ(weigh(counts, medians, 0.5, 3.9, 0.0, looks[1]), Verdict::inconclusive) << "by 23 %";
  EXPECT_EQ(weigh(counts, medians, 0.5, 3.8, 0.0, looks[1]), Verdict::fail) << "by 26 %";
  EXPECT_EQ(weigh(counts, medians, 0.5, 4.5, 0.0, looks.back()), Verdict::fail);
  EXPECT_EQ(weigh(counts, medians, 0.5, 5.0, 0.3, looks.back()), Verdict::inconclusive)
      << "the clocks' error counts";
}

TEST(Weigh, FourRepeatsMayAllLieBelowTheLimitByChance) {
  const auto all_within = [](double) { return std::vector<RepeatCount>(4, RepeatCount{1000, 1000}); };
  GatePolicy policy;
  policy.planned = min_repeats;
  const Look look = looks_of(policy).front();
  const std::vector<double> scattered{4.1, 4.9, 4.5, 4.7}, steady{4.70, 4.71, 4.72, 4.70};
  EXPECT_EQ(weigh(all_within, scattered, 0.5, 5.0, 0.0, look), Verdict::inconclusive);
  EXPECT_EQ(weigh(all_within, steady, 0.5, 5.0, 0.0, look), Verdict::pass);
  EXPECT_EQ(weigh(all_within, scattered, 0.5, 10.0, 0.0, look), Verdict::pass) << "far enough away";
  const std::vector<double> eight{4.1, 4.9, 4.5, 4.7, 4.1, 4.9, 4.5, 4.7};
  const auto all_of_eight = [](double) { return std::vector<RepeatCount>(8, RepeatCount{1000, 1000}); };
  EXPECT_EQ(weigh(all_of_eight, eight, 0.5, 5.0, 0.0, *look_after({.planned = 8}, 8)), Verdict::pass)
      << "eight on one side are no chance";
}

TEST(Weigh, ASlowSideIsHeldToTheSame) {
  // Of bandwidths, whose good side is that of long times, PASS and FAIL are exchanged.
  const auto none_within = [](double) { return std::vector<RepeatCount>(4, RepeatCount{1000, 0}); };
  Look look;
  look.after_repeats = 4;
  look.alpha_fail = 0.005;
  EXPECT_EQ(weigh(none_within, std::vector<double>{5.1, 5.9, 5.5, 5.2}, 0.5, 5.0, 0.0, look),
            Verdict::inconclusive);
  EXPECT_EQ(weigh(none_within, std::vector<double>{5.51, 5.5, 5.52, 5.5}, 0.5, 5.0, 0.0, look),
            Verdict::fail);
}

TEST(IntervalOfQuantiles, IsStudentsOverLogarithms) {
  // Logarithms 0, 1, 2, 3: 1.5 +- t(0.025, 3) * sqrt(5/3/4).
  const double half = 3.182446 * std::sqrt(5.0 / 12.0);
  const Interval logs = interval_of_quantiles(
      std::vector<double>{1.0, std::exp(1.0), std::exp(2.0), std::exp(3.0)}, 0.025, 0.025);
  EXPECT_NEAR(std::log(logs.lo), 1.5 - half, 1e-5);
  EXPECT_NEAR(std::log(logs.hi), 1.5 + half, 1e-5);
  const Interval with_zero = interval_of_quantiles(std::vector<double>{0.0, 1.0, 2.0, 3.0}, 0.025, 0.025);
  EXPECT_NEAR(with_zero.lo, 1.5 - half, 1e-5);
}

TEST(RepeatedInterval, OfFewRepeatsIsAtLeastThatOfTheirMedians) {
  // The repeats lie apart by more than they scatter: all counts are whole, whatever the distance.
  std::vector<double> values;
  std::vector<std::size_t> begins;
  const std::vector<double> medians{4.1, 4.9, 4.5, 4.7};
  for (const double median : medians) {
    begins.push_back(values.size());
    values.insert(values.end(), 20, median);
  }
  const auto interval = repeated_quantile_interval(values, begins, 0.5, 0.025, 0.025);
  const Interval least = interval_of_quantiles(medians, 0.025, 0.025);
  ASSERT_TRUE(interval);
  EXPECT_LE(interval->lo, least.lo);
  EXPECT_GE(interval->hi, least.hi);
}

TEST(RepeatedInterval, CoversTheMedianAndNeedsRepeats) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  int covered = 0;
  constexpr int runs = 300;
  for (int run = 0; run < runs; ++run) {
    std::vector<double> values;
    std::vector<std::size_t> begins;
    for (int repeat = 0; repeat < 8; ++repeat) {
      begins.push_back(values.size());
      const double shift = 0.05 * normal(random);  // what an interval over samples alone would not see
      for (int i = 0; i < 100; ++i) values.push_back(std::exp(0.1 * normal(random) + shift));
    }
    const auto interval = repeated_quantile_interval(values, begins, 0.5, 0.025, 0.025);
    ASSERT_TRUE(interval);
    covered += interval->lo <= 1.0 && 1.0 <= interval->hi ? 1 : 0;
  }
  EXPECT_GE(covered, runs * 90 / 100);
  const std::vector<double> values(1000, 1.0);
  EXPECT_FALSE(repeated_quantile_interval(values, {}, 0.5, 0.025, 0.025));
}

TEST(RepeatedInterval, OfTheMeanIsStudents) {
  // Four repeats with means 1, 2, 3, 4: 2.5 +- t(0.025, 3) * sqrt(5/3/4).
  std::vector<double> values;
  std::vector<std::size_t> begins;
  for (const double mean : {1.0, 3.0, 2.0, 4.0}) {
    begins.push_back(values.size());
    values.insert(values.end(), 50, mean);
  }
  const auto interval = repeated_mean_interval(values, begins, 0.025, 0.025);
  ASSERT_TRUE(interval);
  const double half = 3.1824 * std::sqrt(5.0 / 3.0 / 4.0);
  EXPECT_NEAR(interval->lo, 2.5 - half, 1e-3);
  EXPECT_NEAR(interval->hi, 2.5 + half, 1e-3);
}

}  // namespace
}  // namespace fabricheck
