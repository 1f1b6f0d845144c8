#include <gtest/gtest.h>

#include <numeric>

#include "collectives/mpi/catalog.hpp"
#include "core/check.hpp"
#include "core/sampler.hpp"
#include "mpi/session.hpp"

namespace fabricheck {
namespace {

OperationRequest request(std::uint64_t bytes) {
  OperationRequest one;
  one.world_ranks.resize(static_cast<std::size_t>(test::session().world().size()));
  std::iota(one.world_ranks.begin(), one.world_ranks.end(), 0);
  one.bytes = bytes;
  one.world_rank = test::session().world().rank();
  one.host = test::session().host();
  return one;
}

std::vector<CheckRow> measured_rows() {
  std::vector<CheckRow> rows;
  for (const CheckRow& row : collectives::mpi::catalog())
    if (row.derived_from.empty()) rows.push_back(row);
  return rows;
}

// Every row of the catalogue, so that a new collective is tested by being there.
TEST(MpiCollectives, EveryRowGivesRightResultsWithChangingInputs) {
  for (const CheckRow& row : measured_rows())
    for (const std::uint64_t bytes : {std::uint64_t{8}, std::uint64_t{1000}, std::uint64_t{1} << 20}) {
      const auto operation = row.make(request(row.sizes.empty() ? 0 : bytes));
      for (std::uint64_t iteration = 0; iteration < 20; ++iteration) {
        operation->prepare(iteration);
        operation->execute(iteration);
        const auto wrong = operation->verify(iteration);
        EXPECT_FALSE(wrong) << row.id << " of " << bytes << " bytes, iteration " << iteration << ", element "
                            << wrong->index << ": expected " << wrong->expected << ", got " << wrong->got;
      }
    }
}

TEST(MpiCollectives, AResultThatDidNotComeIsFound) {
  if (test::session().world().size() == 1) GTEST_SKIP() << "one rank alone has its own result";
  for (const CheckRow& row : measured_rows()) {
    const auto operation = row.make(request(row.sizes.empty() ? 0 : 64));
    if (!operation->verifies()) continue;
    operation->prepare(0);
    operation->execute(0);
    operation->prepare(1);  // and no execute: the output is that of iteration 0
    const bool root_of_bcast = row.id == "mpi.bcast.latency" && test::session().world().rank() == 0;
    if (root_of_bcast) continue;  // its buffer is its own input
    EXPECT_TRUE(operation->verify(1)) << row.id;
  }
}

TEST(MpiCollectives, SampleThroughTheOneSampler) {
  for (const CheckRow& row : measured_rows()) {
    const auto operation = row.make(request(row.sizes.empty() ? 0 : 1024));
    SteadyClock clock;
    SharedClock shared;
    Progress progress;
    SamplingWorld world;
    world.group = world.everyone = &test::session().world();
    world.clock = &clock;
    world.synchroniser = &shared;
    world.progress = &progress;
    world.yield = true;
    SamplingPlan plan;
    plan.budget_ns = 3'000'000'000;
    plan.barrier_samples = 20;
    plan.bytes = 1024;
    const auto result =
        run_sampler(*operation, plan, world, [](const SampleSet& s) { return s.values_us.size() >= 100; });
    EXPECT_FALSE(result.error);
    EXPECT_FALSE(result.mismatch);
    if (test::session().world().rank() != 0) continue;
    EXPECT_GE(result.samples.values_us.size(), 3u) << row.id;
    EXPECT_TRUE(result.samples.osu_mean_us.has_value());
    EXPECT_EQ(result.samples.verified > 0, operation->verifies());
    for (const double us : result.samples.values_us) EXPECT_GT(us, 0.0);
  }
}

}  // namespace
}  // namespace fabricheck
