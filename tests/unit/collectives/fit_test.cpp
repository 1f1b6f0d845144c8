#include "collectives/fit.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace fabricheck::collectives {
namespace {

const std::vector<std::uint64_t> sizes{8, 64, 512, 4096, 32768, 262144, 2097152, 16777216, 67108864};

std::vector<SizeTime> line(double alpha_us, double us_per_byte) {
  std::vector<SizeTime> points;
  points.reserve(sizes.size());
  for (const std::uint64_t bytes : sizes)
    points.push_back({bytes, alpha_us + us_per_byte * static_cast<double>(bytes)});
  return points;
}

TEST(AlphaBetaFit, ALineIsFoundExactly) {
  const auto fit = fit_alpha_beta(line(3.25, 8e-5));
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->alpha_us, 3.25, 1e-9);
  EXPECT_NEAR(fit->us_per_byte, 8e-5, 1e-14);
  EXPECT_NEAR(fit->beta_GBps(), 12.5, 1e-9);
  EXPECT_LT(fit->alpha_error_us, 1e-9);
  EXPECT_LT(fit->us_per_byte_error, 1e-14);
  EXPECT_LT(fit->rms_relative_residual, 1e-12);
  EXPECT_LT(fit->largest_relative_residual, 1e-12);
  EXPECT_EQ(fit->points, sizes.size());
  EXPECT_NEAR(fit->time_us(1'000'000), 83.25, 1e-6);
}

TEST(AlphaBetaFit, NeighbouringSizesLoseNoDigits) {
  std::vector<SizeTime> points;
  for (const std::uint64_t bytes : {1'000'000ULL, 1'000'001ULL, 1'000'002ULL})
    points.push_back({bytes, 3.0 + 8e-5 * static_cast<double>(bytes)});
  const auto fit = fit_alpha_beta(points);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->us_per_byte, 8e-5, 1e-10);
}

TEST(AlphaBetaFit, ThreePointsByHand) {
  const std::vector<SizeTime> points{{0, 1.0}, {1, 1.0}, {2, 2.0}};
  // w = 1, 1, 1/4; sum w = 9/4, sum wS = 3/2, sum wt = 5/2, S' = 2/3, t' = 10/9
  // Q = 4/9 + 1/9 + (1/4)(16/9) = 1;  sum w (S-S')(t-t') = (-2/3)(-1/9) + (1/3)(-1/9) + (1/4)(4/3)(8/9) = 1/3
  // b = 1/3, alpha = 10/9 - 2/9 = 8/9; residuals / t: 1/9, -2/9, (2 - 14/9) / 2 = 2/9; sum of squares 1/9
  const auto fit = fit_alpha_beta(points);
  ASSERT_TRUE(fit);
  EXPECT_NEAR(fit->us_per_byte, 1.0 / 3.0, 1e-12);
  EXPECT_NEAR(fit->alpha_us, 8.0 / 9.0, 1e-12);
  EXPECT_NEAR(fit->us_per_byte_error, 1.0 / 3.0, 1e-12);  // s = 1/3, Q = 1
  EXPECT_NEAR(fit->alpha_error_us, std::sqrt(4.0 / 9.0 + 4.0 / 9.0) / 3.0, 1e-12);
  EXPECT_NEAR(fit->rms_relative_residual, std::sqrt(1.0 / 27.0), 1e-12);
  EXPECT_NEAR(fit->largest_relative_residual, 2.0 / 9.0, 1e-12);
}

TEST(AlphaBetaFit, NoisyPointsAreFitWithinTheStatedError) {
  std::mt19937_64 random(20240607);
  const auto uniform = [&] { return static_cast<double>(random() >> 11U) / 9007199254740992.0; };
  const auto normal = [&] {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform();
    return sum;
  };
  constexpr double alpha = 3.0, b = 8e-5;
  constexpr int runs = 2000;
  int alpha_inside = 0, b_inside = 0;
  for (int run = 0; run < runs; ++run) {
    std::vector<SizeTime> points = line(alpha, b);
    for (SizeTime& point : points) point.median_us *= 1.0 + 0.03 * normal();
    const auto fit = fit_alpha_beta(points);
    ASSERT_TRUE(fit);
    // Student's t with 7 degrees of freedom: 95 % within 2.365 standard errors.
    if (std::abs(fit->alpha_us - alpha) <= 2.365 * fit->alpha_error_us) ++alpha_inside;
    if (std::abs(fit->us_per_byte - b) <= 2.365 * fit->us_per_byte_error) ++b_inside;
  }
  EXPECT_NEAR(alpha_inside, 0.95 * runs, 0.02 * runs);
  EXPECT_NEAR(b_inside, 0.95 * runs, 0.02 * runs);
}

TEST(AlphaBetaFit, AlphaIsNeverNegative) {
  // A convex curve: the free line would cut the axis below 0.
  const auto fit = fit_alpha_beta(std::vector<SizeTime>{{1000, 1.0}, {2000, 3.0}, {4000, 9.0}});
  ASSERT_TRUE(fit);
  EXPECT_EQ(fit->alpha_us, 0.0);
  // b = sum (S/t) / sum (S/t)^2 with S/t = 1000, 2000/3, 4000/9
  const double a1 = 1000.0, a2 = 2000.0 / 3.0, a3 = 4000.0 / 9.0;
  EXPECT_NEAR(fit->us_per_byte, (a1 + a2 + a3) / (a1 * a1 + a2 * a2 + a3 * a3), 1e-12);
  EXPECT_GT(fit->alpha_error_us, 0.0);
  EXPECT_GT(fit->us_per_byte_error, 0.0);
}

TEST(AlphaBetaFit, NothingFromTooLittleOrFromNonsense) {
  EXPECT_FALSE(fit_alpha_beta({}));
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 1.0}, {64, 2.0}}));
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 1.0}, {64, 2.0}, {8, 1.1}, {64, 2.1}}))
      << "two sizes, however often";
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 3.0}, {64, 2.0}, {512, 1.0}})) << "falling";
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 3.0}, {64, 3.0}, {512, 3.0}})) << "flat";
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 1.0}, {64, 2.0}, {512, 0.0}}));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 1.0}, {64, 2.0}, {512, nan}}));
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_FALSE(fit_alpha_beta(std::vector<SizeTime>{{8, 1.0}, {64, 2.0}, {512, infinity}}));
}

}  // namespace
}  // namespace fabricheck::collectives
