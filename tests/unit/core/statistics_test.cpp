#include "core/statistics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

namespace fabricheck {
namespace {

TEST(Quantile, MedianOfEvenCountIsTheMeanOfTheMiddleTwo) {
  EXPECT_DOUBLE_EQ(quantile_of_sorted(std::vector<double>{1, 2, 4, 8}, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(std::vector<double>{1, 2, 4}, 0.5), 2.0);
}

TEST(Quantile, NearestRankNeverInventsATail) {
  std::vector<double> values(1000);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i + 1);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 0.99), 990.0);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 0.999), 999.0);
  EXPECT_DOUBLE_EQ(quantile_of_sorted(values, 1.0), 1000.0);
}

// Reference values: Student's t tables (NIST/SEMATECH e-Handbook, 1.3.6.7.2) and, for the far tail, the exact
// one-degree quantile tan(pi (p - 1/2)).
TEST(StudentT, MatchesTables) {
  EXPECT_NEAR(student_t_quantile(0.975, 15), 2.131, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.995, 63), 2.656, 5e-4);
  EXPECT_NEAR(student_t_quantile(0.975, 1), 12.706, 5e-4);
  EXPECT_NEAR(student_t_quantile(1.0 - 1e-6, 1) / std::tan(std::acos(-1.0) * (0.5 - 1e-6)), 1.0, 1e-6);
}

TEST(Describe, TailsNeedTheirSamples) {
  std::vector<double> values(999, 1.0);
  EXPECT_FALSE(describe(values).p99.has_value());
  values.push_back(2.0);
  EXPECT_TRUE(describe(values).p99.has_value());
  EXPECT_FALSE(describe(values).p999.has_value());
  values.resize(10000, 1.0);
  EXPECT_TRUE(describe(values).p999.has_value());
}

TEST(Describe, NothingGivesNothing) {
  const Statistics none = describe({});
  EXPECT_EQ(none.samples, 0u);
  EXPECT_FALSE(none.median.has_value());
  EXPECT_FALSE(none.max.has_value());
}

TEST(QuantileInterval, TooFewSamplesGiveNone) {
  EXPECT_FALSE(quantile_interval(std::vector<double>(min_interval_samples - 1, 1.0), 0.5, 0.95));
  EXPECT_TRUE(quantile_interval(std::vector<double>(min_interval_samples, 1.0), 0.5, 0.95));
  EXPECT_FALSE(mean_interval(std::vector<double>(min_interval_samples - 1, 1.0), 0.95));
  EXPECT_TRUE(mean_interval(std::vector<double>(min_interval_samples, 1.0), 0.95));
}

TEST(QuantileInterval, ConstantSeriesIsAPoint) {
  const auto interval = quantile_interval(std::vector<double>(500, 3.5), 0.5, 0.99);
  ASSERT_TRUE(interval);
  EXPECT_DOUBLE_EQ(interval->interval.lo, 3.5);
  EXPECT_DOUBLE_EQ(interval->interval.hi, 3.5);
}

double coverage(const std::function<std::vector<double>(std::mt19937_64&)>& make, double truth, double q,
                int runs) {
  int covered = 0;
  for (int run = 0; run < runs; ++run) {
    std::mt19937_64 random(static_cast<std::uint64_t>(run) + 1);
    const auto interval = quantile_interval(make(random), q, 0.95);
    covered += interval->interval.lo <= truth && truth <= interval->interval.hi ? 1 : 0;
  }
  return static_cast<double>(covered) / runs;
}

TEST(QuantileInterval, CoversTheMedianOfIndependentSamples) {
  const auto lognormal = [](std::mt19937_64& random) {
    std::lognormal_distribution<double> draw(std::log(4.0), 0.3);
    std::vector<double> values(2000);
    for (double& value : values) value = draw(random);
    return values;
  };
  EXPECT_GE(coverage(lognormal, 4.0, 0.5, 400), 0.92);
}

TEST(QuantileInterval, CoversTheMedianOfBursts) {
  // 200 samples share 70 % of the spread: an interval for independent samples covers this about half of the
  // time.
  const auto bursts = [](std::mt19937_64& random) {
    std::normal_distribution<double> draw;
    std::vector<double> values;
    for (int burst = 0; burst < 100; ++burst) {
      const double common = 0.7 * draw(random);
      for (int i = 0; i < 200; ++i)
        values.push_back(4.0 * std::exp(0.3 * (common + std::sqrt(1 - 0.49) * draw(random))));
    }
    return values;
  };
  EXPECT_GE(coverage(bursts, 4.0, 0.5, 150), 0.90);
}

TEST(QuantileInterval, IsNotSoWideThatItSaysNothing) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> draw(std::log(4.0), 0.3);
  std::vector<double> values(10000);
  for (double& value : values) value = draw(random);
  const auto interval = quantile_interval(values, 0.5, 0.999);
  EXPECT_LT(interval->interval.hi - interval->interval.lo, 0.2);
}

TEST(TreeRounds, IsTheCeilingOfTheLogarithm) {
  EXPECT_EQ(tree_rounds(1), 0);
  EXPECT_EQ(tree_rounds(2), 1);
  EXPECT_EQ(tree_rounds(8), 3);
  EXPECT_EQ(tree_rounds(9), 4);
  EXPECT_EQ(tree_rounds(1024), 10);
}

}  // namespace
}  // namespace fabricheck
