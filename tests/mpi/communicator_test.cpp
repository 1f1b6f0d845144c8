#include "core/communicator.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "control/agreement.hpp"
#include "control/clock_sync.hpp"
#include "core/error.hpp"
#include "mpi/session.hpp"

namespace fabricheck {
namespace {

Communicator& world() { return test::session().world(); }

TEST(MpiCommunicator, BroadcastsFromAnyRoot) {
  for (int root = 0; root < world().size(); ++root)
    EXPECT_EQ(broadcast_string(world(), world().rank() == root ? "from " + std::to_string(root) : "", root),
              "from " + std::to_string(root));
}

TEST(MpiCommunicator, Reduces) {
  const double n = world().size(), mine = world().rank();
  std::array<double, 2> values{mine, 1.0};
  world().allreduce(values, ReduceOp::sum);
  EXPECT_DOUBLE_EQ(values[0], n * (n - 1) / 2);
  EXPECT_DOUBLE_EQ(values[1], n);
  values = {mine, -mine};
  world().allreduce(values, ReduceOp::max);
  EXPECT_DOUBLE_EQ(values[0], n - 1);
  EXPECT_DOUBLE_EQ(values[1], 0.0);
}

TEST(MpiCommunicator, FindsTheLastRankOfEachElement) {
  // Element i is largest on rank i % size; element 9 is a tie, which the lowest rank wins.
  std::array<double, 10> mine{}, maximum{};
  std::array<int, 10> who{};
  for (std::size_t i = 0; i < 9; ++i)
    mine[i] = static_cast<int>(i) % world().size() == world().rank() ? 5.0 : 1.0;
  mine[9] = 2.0;
  world().reduce_last(mine, maximum, who, 0);
  if (world().rank() != 0) return;
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_DOUBLE_EQ(maximum[i], 5.0);
    EXPECT_EQ(who[i], static_cast<int>(i) % world().size());
  }
  EXPECT_EQ(who[9], 0);
}

TEST(MpiCommunicator, GathersTextsOfDifferentLength) {
  const std::string mine(static_cast<std::size_t>(world().rank()) * 1000, 'x');
  const auto all = allgather_strings(world(), mine);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(world().size()));
  for (std::size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(all[rank].size(), rank * 1000);
}

TEST(MpiCommunicator, Splits) {
  const int rank = world().rank();
  const auto half = world().split(rank % 2, -rank);
  ASSERT_TRUE(half);
  EXPECT_EQ(half->size(), (world().size() + 1 - rank % 2) / 2);
  if (rank == world().size() - 1 || rank == world().size() - 2) {
    EXPECT_EQ(half->rank(), 0) << "ordered by key";
  }
  EXPECT_EQ(world().split(rank == 0 ? 0 : -1, 0) != nullptr, rank == 0);
  world().idle_barrier();
}

TEST(Agreement, OneRanksErrorIsEverybodys) {
  const int last = world().size() - 1;
  const auto failed = control::together(world(), "h" + std::to_string(world().rank()), [&] {
    if (world().rank() == last) throw Error("no RoCE v2 GID on mlx5_3");
  });
  ASSERT_TRUE(failed);
  EXPECT_EQ(failed->text,
            "rank " + std::to_string(last) + " on h" + std::to_string(last) + ": no RoCE v2 GID on mlx5_3");
  EXPECT_EQ(failed->kind, control::AgreedError::Kind::broken);
}

TEST(Agreement, KindsAreToldApart) {
  EXPECT_FALSE(control::together(world(), "h", [] {}));
  EXPECT_EQ(control::together(world(), "h", [] { throw UsageError("wrong option"); })->kind,
            control::AgreedError::Kind::usage);
  EXPECT_EQ(control::together(world(), "h", [] { throw UsageError("wrong option"); })->text, "wrong option");
  EXPECT_EQ(control::together(world(), "h", [] { throw Unavailable("no memory"); })->kind,
            control::AgreedError::Kind::unavailable);
}

TEST(ClockOverMpi, RanksOfOneHostShareTheirClock) {
  SteadyClock clock;
  control::HierarchicalClock synchroniser(world(), clock, control::clock_identity(test::session().host()));
  EXPECT_EQ(synchroniser.clocks(), 1);
  const CommonClock common = synchroniser.synchronise();
  EXPECT_EQ(common.error_us, 0.0);
  std::array<double, 2> offset{common.offset_ns, -common.offset_ns};
  world().allreduce(offset, ReduceOp::max);
  EXPECT_EQ(offset[0], -offset[1]) << "the same relation on every rank";
}

TEST(ClockOverMpi, AsManyClocksAsIdentities) {
  SteadyClock clock;
  control::HierarchicalClock synchroniser(world(), clock, "clock" + std::to_string(world().rank()));
  EXPECT_EQ(synchroniser.clocks(), world().size());
  const CommonClock common = synchroniser.synchronise();
  if (world().rank() > 0) {
    EXPECT_GT(common.error_us, 0.0);
  }
  // It is the same kernel clock in truth, so at one instant of it all ranks must name about the same common
  // time.
  std::int64_t instant = clock.now_ns();
  world().broadcast(std::as_writable_bytes(std::span<std::int64_t, 1>(&instant, 1)), 0);
  const double here_us = common.to_common_ns(instant) / 1000.0;
  std::array<double, 2> spread{here_us, -here_us};
  world().allreduce(spread, ReduceOp::max);
  std::array<double, 1> error_us{common.error_us};
  world().allreduce(error_us, ReduceOp::max);
  EXPECT_LT(spread[0] + spread[1], std::max(20000.0, 2.0 * error_us[0]))
      << "ranks that share cores may be scheduled milliseconds apart, and their error tells of it";
}

}  // namespace
}  // namespace fabricheck
