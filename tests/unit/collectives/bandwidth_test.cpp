#include "collectives/bandwidth.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fabricheck::collectives {
namespace {

// nccl-tests: doc/PERFORMANCE.md, and the factor that each test's GetBw multiplies with.
TEST(Bandwidth, FactorsAreThoseOfNcclTests) {
  struct Row {
    const char* name;
    double (*factor)(int);
    double one, two, three, eight;
  };
  const std::vector<Row> rows{
      {"all-reduce", allreduce_bus_factor, 0.0, 1.0, 4.0 / 3.0, 1.75},
      {"reduce-scatter", reduce_scatter_bus_factor, 0.0, 0.5, 2.0 / 3.0, 0.875},
      {"all-gather", allgather_bus_factor, 0.0, 0.5, 2.0 / 3.0, 0.875},
      {"broadcast", broadcast_bus_factor, 1.0, 1.0, 1.0, 1.0},
      {"reduce", reduce_bus_factor, 1.0, 1.0, 1.0, 1.0},
      {"gather", gather_bus_factor, 0.0, 0.5, 2.0 / 3.0, 0.875},
      {"scatter", scatter_bus_factor, 0.0, 0.5, 2.0 / 3.0, 0.875},
      {"all-to-all", alltoall_bus_factor, 0.0, 0.5, 2.0 / 3.0, 0.875},
      {"send/receive", sendrecv_bus_factor, 1.0, 1.0, 1.0, 1.0},
      // Not of nccl-tests: weights 1; 1 2; 1 2 3; 1 2 3 1 2 3 1 2.
      {"all-to-all-v", alltoallv_bus_factor, 0.0, 2.0 / 3.0, 5.0 / 6.0, 14.0 / 15.0},
  };
  for (const Row& row : rows) {
    EXPECT_DOUBLE_EQ(row.factor(1), row.one) << row.name;
    EXPECT_DOUBLE_EQ(row.factor(2), row.two) << row.name;
    EXPECT_DOUBLE_EQ(row.factor(3), row.three) << row.name;
    EXPECT_DOUBLE_EQ(row.factor(8), row.eight) << row.name;
  }
}

TEST(Bandwidth, OneMegabyteInOneMillisecondIsOneGigabytePerSecond) {
  EXPECT_DOUBLE_EQ(algbw_GBps(1'000'000, 1000.0), 1.0);
}

TEST(Payload, IsOfWholeElementsAndShares) {
  EXPECT_EQ(whole_elements(1000, 16, 8), 1000u);
  EXPECT_EQ(whole_elements(1001, 16, 8), 1000u);
  EXPECT_EQ(whole_elements(7, 1, 8), 0u);
  EXPECT_EQ(equal_shares(1000, 3, 4), 996u);
  EXPECT_EQ(equal_shares(64, 16, 4), 64u);
  EXPECT_EQ(equal_shares(63, 16, 4), 0u) << "fewer elements than ranks";
  EXPECT_EQ(equal_shares(100, 1, 8), 96u);
  EXPECT_EQ(unequal_shares(63, 16, 4), 0u);
  EXPECT_EQ(unequal_shares(67, 16, 4), 64u);
  EXPECT_EQ(unequal_shares(1001, 3, 4), 1000u) << "no share has to be equal";
}

TEST(Payload, UnequalSharesUseAllElementsAndAreUnequal) {
  for (const int ranks : {1, 2, 3, 4, 8, 100})
    for (const std::uint64_t elements : {100ULL, 1000ULL, 2147483647ULL}) {
      EXPECT_EQ(unequal_share_begin(elements, ranks, 0), 0u);
      EXPECT_EQ(unequal_share_begin(elements, ranks, ranks), elements);
      for (int k = 0; k < ranks; ++k)
        EXPECT_LE(unequal_share_begin(elements, ranks, k), unequal_share_begin(elements, ranks, k + 1));
    }
  const auto share = [](int k) {
    return unequal_share_begin(120, 4, k + 1) - unequal_share_begin(120, 4, k);
  };
  EXPECT_EQ(share(0), 17u) << "1 of 7 parts";
  EXPECT_EQ(share(1), 34u) << "2 of 7";
  EXPECT_EQ(share(2), 51u) << "3 of 7";
  EXPECT_EQ(share(3), 18u) << "1 of 7, and what rounding left";
}

TEST(Payload, Rank0KeepsTheLeastOfUnequalShares) {
  // What alltoallv_bus_factor derives from.
  for (const int ranks : {2, 3, 4, 7, 8}) {
    const std::uint64_t elements = 1000 * unequal_parts(ranks);
    const auto kept = [&](int rank) {
      const int k = 2 * rank % ranks;
      return unequal_share_begin(elements, ranks, k + 1) - unequal_share_begin(elements, ranks, k);
    };
    for (int rank = 0; rank < ranks; ++rank) EXPECT_GE(kept(rank), kept(0));
    EXPECT_DOUBLE_EQ(alltoallv_bus_factor(ranks),
                     1.0 - static_cast<double>(kept(0)) / static_cast<double>(elements));
  }
}

// osu_iallreduce: overlap = max(0, 100 - (overall - compute) / pure * 100).
TEST(Overlap, IsWhatOsuCallsSo) {
  EXPECT_DOUBLE_EQ(overlap_percent(100.0, 100.0, 50.0), 100.0) << "all of it while computing";
  EXPECT_DOUBLE_EQ(overlap_percent(150.0, 100.0, 50.0), 0.0) << "none of it";
  EXPECT_DOUBLE_EQ(overlap_percent(110.0, 100.0, 50.0), 80.0);
  EXPECT_DOUBLE_EQ(overlap_percent(200.0, 100.0, 50.0), 0.0) << "it may even slow things down";
  EXPECT_DOUBLE_EQ(overlap_percent(95.0, 100.0, 50.0), 100.0) << "the work was faster than calibrated";
  EXPECT_DOUBLE_EQ(overlap_percent(95.0, 100.0, 0.0), 0.0) << "no time, no overlap of it";
}

}  // namespace
}  // namespace fabricheck::collectives
