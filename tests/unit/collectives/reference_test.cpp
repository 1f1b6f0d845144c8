#include "collectives/reference.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "collectives/bandwidth.hpp"

namespace fabricheck::collectives {
namespace {

std::vector<float> summed(int ranks, std::size_t elements, std::uint64_t iteration) {
  std::vector<float> sum(elements, 0.0F), input(elements);
  for (int rank = 0; rank < ranks; ++rank) {
    fill_input(input, rank, iteration);
    for (std::size_t i = 0; i < elements; ++i) sum[i] += input[i];
  }
  return sum;
}

TEST(Reference, TheSumOfAllInputsIsAccepted) {
  for (const int ranks : {1, 2, 3, 8, 1000})
    for (const std::uint64_t iteration : {0ULL, 1ULL, 123456789ULL})
      EXPECT_FALSE(check_sum(summed(ranks, 100, iteration), ranks, iteration)) << ranks << " " << iteration;
}

TEST(Reference, OneWrongElementIsFoundWithItsPlace) {
  std::vector<float> sum = summed(4, 100, 5);
  sum[77] += 1.0F;
  const auto wrong = check_sum(sum, 4, 5);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->index, 77u);
  EXPECT_DOUBLE_EQ(wrong->got, wrong->expected + 1.0);
}

TEST(Reference, AResultOfAnotherIterationOrWithoutOneRankIsWrong) {
  EXPECT_TRUE(check_sum(summed(4, 100, 5), 4, 6)) << "stale data must not pass";
  EXPECT_TRUE(check_sum(summed(3, 100, 5), 4, 5)) << "a missing contribution must not pass";
}

TEST(Reference, NotANumberIsWrong) {
  std::vector<float> sum = summed(2, 10, 1);
  sum[3] = std::numeric_limits<float>::quiet_NaN();
  ASSERT_TRUE(check_sum(sum, 2, 1));
  EXPECT_EQ(check_sum(sum, 2, 1)->index, 3u);
}

TEST(Reference, CopiesKnowTheirRank) {
  std::vector<float> data(50);
  fill_input(data, 3, 9);
  EXPECT_FALSE(check_copy(data, 3, 9));
  EXPECT_TRUE(check_copy(data, 4, 9));
}

// nccl-tests doc/PERFORMANCE.md: all-reduce 2(n-1)/n, broadcast 1.
TEST(Bandwidth, FactorsAreThoseOfNcclTests) {
  EXPECT_DOUBLE_EQ(allreduce_bus_factor(1), 0.0);
  EXPECT_DOUBLE_EQ(allreduce_bus_factor(2), 1.0);
  EXPECT_DOUBLE_EQ(allreduce_bus_factor(3), 4.0 / 3.0);
  EXPECT_DOUBLE_EQ(allreduce_bus_factor(8), 1.75);
  EXPECT_DOUBLE_EQ(broadcast_bus_factor(8), 1.0);
}

TEST(Bandwidth, OneMegabyteInOneMillisecondIsOneGigabytePerSecond) {
  EXPECT_DOUBLE_EQ(algbw_GBps(1'000'000, 1000.0), 1.0);
}

}  // namespace
}  // namespace fabricheck::collectives
