#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include "collectives/mpi/catalog.hpp"
#include "core/check.hpp"
#include "core/error.hpp"
#include "core/sampler.hpp"
#include "mpi/session.hpp"
#include "support/fault_plan.hpp"

namespace fabricheck {
namespace {

OperationRequest request(std::uint64_t bytes, Variant variant = {}) {
  OperationRequest one;
  one.world_ranks.resize(static_cast<std::size_t>(test::session().world().size()));
  std::iota(one.world_ranks.begin(), one.world_ranks.end(), 0);
  one.bytes = bytes;
  one.variant = variant;
  one.world_rank = test::session().world().rank();
  one.host = test::session().host();
  return one;
}

int ranks() { return test::session().world().size(); }
int rank() { return test::session().world().rank(); }

std::vector<CheckRow> measured_rows() {
  std::vector<CheckRow> rows;
  for (const CheckRow& row : collectives::mpi::catalog())
    if (row.derived_from.empty()) rows.push_back(row);
  return rows;
}

CheckRow row_of(const std::string& id) {
  for (const CheckRow& row : collectives::mpi::catalog())
    if (row.id == id) return row;
  throw std::invalid_argument(id);
}

/// Every variant that a row has.
std::vector<Variant> variants_of(const CheckRow& row) {
  std::vector<Variant> all;
  for (const DataType type : host_types)
    for (const Reduction reduction : host_reductions)
      for (const bool in_place : {false, true}) {
        if ((!row.typed && type != DataType::float32) || (!row.reduces && reduction != Reduction::sum) ||
            (!row.can_be_in_place && in_place))
          continue;
        all.push_back({type, reduction, in_place});
      }
  return all;
}

std::string name(const CheckRow& row, const Variant& variant) {
  return row.id + " " + std::string(type_name(variant.type)) + " " +
         std::string(reduction_name(variant.reduction)) + (variant.in_place ? " in place" : "");
}

/// Whether the row can be had with so many bytes here; else making it must say so.
bool possible(const CheckRow& row, std::uint64_t bytes, const Variant& variant) {
  return !row.payload_bytes || row.payload_bytes(bytes, ranks(), type_bytes(variant.type)) > 0;
}

void runs_right(const CheckRow& row, std::uint64_t bytes, const Variant& variant, std::uint64_t iterations) {
  if (!possible(row, bytes, variant)) {
    EXPECT_THROW(row.make(request(bytes, variant)), Unavailable) << name(row, variant) << " " << bytes;
    return;
  }
  const auto operation = row.make(request(bytes, variant));
  for (std::uint64_t iteration = 0; iteration < iterations; ++iteration) {
    operation->prepare(iteration);
    operation->execute(iteration);
    const auto wrong = operation->verify(iteration);
    EXPECT_FALSE(wrong) << name(row, variant) << " of " << bytes << " bytes, iteration " << iteration
                        << ", element " << wrong->index << ": expected " << wrong->expected << ", got "
                        << wrong->got;
  }
}

// Every row of the catalogue, so that a new collective is tested by being there.
TEST(MpiCollectives, EveryRowGivesRightResultsWithChangingInputs) {
  for (const CheckRow& row : measured_rows())
    for (const std::uint64_t bytes : {8ULL, 1000ULL, 4096ULL, 1ULL << 20U})
      runs_right(row, row.payload_bytes ? bytes : 0, {}, 20);
}

TEST(MpiCollectives, EveryVariantGivesRightResults) {
  for (const CheckRow& row : measured_rows())
    for (const Variant& variant : variants_of(row))
      for (const std::uint64_t bytes : {8ULL, 1000ULL, 100'000ULL})
        runs_right(row, row.payload_bytes ? bytes : 0, variant, 4);
}

TEST(MpiCollectives, RowsSayWhatTheyAre) {
  const auto rows = collectives::mpi::catalog();
  for (const char* known :
       {"mpi.barrier.latency", "mpi.bcast.latency", "mpi.allreduce.latency", "mpi.allgather.busbw",
        "mpi.reduce_scatter.busbw", "mpi.alltoall.busbw", "mpi.alltoallv.busbw", "mpi.sendrecv.busbw",
        "mpi.reduce.busbw", "mpi.gather.busbw", "mpi.scatter.busbw", "mpi.iallreduce.overlap",
        "mpi.ibcast.overlap"})
    EXPECT_NO_THROW(row_of(known)) << known;
  for (const CheckRow& row : rows) {
    EXPECT_EQ(std::count_if(rows.begin(), rows.end(), [&](const auto& other) { return other.id == row.id; }),
              1)
        << row.id;
    if (!row.derived_from.empty()) {
      const CheckRow measured = row_of(row.derived_from);
      EXPECT_TRUE(measured.make) << row.id;
      EXPECT_TRUE(row.bus_factor) << row.id;
      EXPECT_EQ(row.in_quick, measured.in_quick) << row.id;
      EXPECT_EQ(row.payload_bytes(1001, 3, 4), measured.payload_bytes(1001, 3, 4)) << row.id;
      continue;
    }
    EXPECT_TRUE(row.make) << row.id;
    EXPECT_EQ(row.sizes.empty(), !row.payload_bytes) << row.id;
    EXPECT_EQ(row.typed, row.variant_bytes > 0) << row.id;
    if (!row.computes_for.empty()) {
      EXPECT_EQ(row.unit, "%");
      EXPECT_EQ(row_of(row.computes_for).unit, "us");
    }
  }
  std::vector<std::string> gate;
  for (const CheckRow& row : rows)
    if (row.in_gate) gate.push_back(row.id);
  EXPECT_EQ(gate,
            (std::vector<std::string>{"mpi.barrier.latency", "mpi.bcast.latency", "mpi.allreduce.latency"}));
}

TEST(MpiCollectives, AResultThatDidNotComeIsFound) {
  if (ranks() == 1) GTEST_SKIP() << "one rank alone has its own result";
  for (const CheckRow& row : measured_rows())
    for (const Variant& variant : variants_of(row)) {
      const auto operation = row.make(request(row.sizes.empty() ? 0 : 256, variant));
      if (!operation->verifies()) continue;
      const std::string call = row.id.substr(4, row.id.rfind('.') - 4);
      const bool root = rank() == 0;
      // The root's buffer of a broadcast is its own input; in place, so is its share of a scatter.
      const bool own =
          root && (call == "bcast" || call == "ibcast" || (call == "scatter" && variant.in_place));
      bool found = false;
      for (std::uint64_t iteration = 0; iteration < 4; ++iteration) {
        operation->prepare(iteration);
        operation->execute(iteration);
        operation->prepare(iteration + 1);  // and no execute: the output is what it was before
        if (own || operation->result().empty()) continue;
        // In place this rank's own input can be the maximum everywhere, but not in every iteration.
        const bool wrong = operation->verify(iteration + 1).has_value();
        found = found || wrong;
        if (!variant.in_place) {
          EXPECT_TRUE(wrong) << name(row, variant);
        }
      }
      if (!own && !operation->result().empty()) {
        EXPECT_TRUE(found) << name(row, variant);
      }
    }
}

TEST(MpiCollectives, OneFlippedBitIsFoundAndNamed) {
  for (const CheckRow& row : measured_rows())
    for (const Variant& variant : variants_of(row)) {
      const std::uint64_t bytes = row.sizes.empty() ? 0 : 1000;
      const std::size_t one = type_bytes(variant.type);
      // Every bit of one element, the lowest of the mantissa and the sign included, and some elsewhere; of
      // the other reductions and in place the first, the last and a few between.
      const bool all_bits = variant.reduction == Reduction::sum && !variant.in_place;
      for (std::uint64_t bit = 0; bit < 8 * one + 8; ++bit) {
        if (!all_bits && bit % 11 != 0 && bit != 8 * one - 1) continue;
        auto operation = row.make(request(bytes, variant));
        if (!operation->verifies()) break;
        const std::uint64_t size = operation->result().size();
        if (size == 0) {
          // The others must be able to go on: this rank takes part, and has nothing to compare.
          operation->prepare(bit);
          operation->execute(bit);
          EXPECT_FALSE(operation->verify(bit)) << name(row, variant);
          continue;
        }
        test::FaultPlan plan =
            test::parse_fault("flip check=" + row.id + " iteration=" + std::to_string(bit));
        plan.rank = rank();
        plan.byte = bit < 8 * one ? size / one / 2 * one + bit / 8 : (bit * 7919) % size;
        plan.bit = static_cast<unsigned>(bit % 8);
        const std::uint64_t byte = plan.byte;
        operation = test::with_fault(std::move(operation), plan, row.id, rank());
        operation->prepare(bit);
        operation->execute(bit);
        const auto wrong = operation->verify(bit);
        ASSERT_TRUE(wrong) << name(row, variant) << ": byte " << byte << " bit " << bit % 8;
        EXPECT_EQ(wrong->rank, rank());
        EXPECT_EQ(wrong->host, test::session().host());
        EXPECT_EQ(wrong->iteration, bit);
        EXPECT_EQ(wrong->index, byte / one) << name(row, variant);
        EXPECT_FALSE(wrong->expected == wrong->got) << name(row, variant) << " bit " << bit;
      }
    }
}

TEST(FaultPlan, AFlipOutsideTheResultIsRefused) {
  const CheckRow row = row_of("mpi.allreduce.latency");
  test::FaultPlan plan =
      test::parse_fault("flip rank=0 check=mpi.allreduce.latency iteration=3 byte=64 bit=7");
  EXPECT_EQ(plan.byte, 64u);
  EXPECT_EQ(plan.bit, 7u);
  plan.rank = rank();
  const auto operation = test::with_fault(row.make(request(64)), plan, row.id, rank());
  operation->prepare(3);
  EXPECT_THROW(operation->execute(3), std::out_of_range) << "a fault that is not planted proves nothing";
  EXPECT_THROW(test::parse_fault("flip rank=0 bit=8"), std::invalid_argument);
}

/// The sentence with which a row refuses.
std::string refusal(const CheckRow& row, const OperationRequest& wanted) {
  try {
    row.make(wanted);
  } catch (const Unavailable& error) {
    return error.what();
  }
  return "not refused";
}

TEST(MpiCollectives, SizesThatACollectiveCannotHaveAreRefused) {
  const Variant wide{DataType::float64, Reduction::sum, false};
  EXPECT_EQ(refusal(row_of("mpi.bcast.latency"), request(4, wide)),
            "4 B are no whole float64 element: ask for at least 8 B");
  for (const char* id : {"mpi.allreduce.latency", "mpi.alltoallv.latency", "mpi.gather.latency"})
    EXPECT_EQ(refusal(row_of(id), request(std::uint64_t{1} << 34U)),
              "16 GiB are more float32 elements than MPI's 2^31-1 in one call: ask for less than 8 GiB");
  if (ranks() < 3) return;
  for (const char* id : {"mpi.reduce_scatter.latency", "mpi.allgather.latency", "mpi.alltoall.latency",
                         "mpi.alltoallv.latency", "mpi.gather.latency", "mpi.scatter.latency"})
    EXPECT_EQ(refusal(row_of(id), request(8)), "8 B are 2 float32 elements, fewer than the " +
                                                   std::to_string(ranks()) + " ranks: ask for at least " +
                                                   std::to_string(4 * ranks()) + " B");
}

TEST(MpiCollectives, TypesAndReductionsOfGpusAreRefused) {
  const CheckRow row = row_of("mpi.allreduce.latency");
  const auto expected = [](const auto& host, auto one, std::string_view name) {
    const bool has = std::find(host.begin(), host.end(), one) != host.end();
    return has ? "not refused" : "MPI has no " + std::string(name);
  };
  for (const DataType type : known_types)
    EXPECT_EQ(refusal(row, request(64, {type, Reduction::sum, false})),
              expected(host_types, type, type_name(type)));
  for (const Reduction reduction : known_reductions)
    EXPECT_EQ(refusal(row, request(64, {DataType::float32, reduction, false})),
              expected(host_reductions, reduction, reduction_name(reduction)));
}

TEST(MpiCollectives, MoreMemoryThanIsLeftIsRefused) {
  OperationRequest wanted = request(std::uint64_t{128} << 20U);
  wanted.memory_limit_bytes = std::uint64_t{100} << 20U;
  EXPECT_EQ(refusal(row_of("mpi.allreduce.latency"), wanted),
            "needs 256 MiB of memory for this size, 100 MiB are left for this rank");
  wanted.variant.in_place = true;
  EXPECT_EQ(refusal(row_of("mpi.allreduce.latency"), wanted),
            "needs 128 MiB of memory for this size, 100 MiB are left for this rank");
  wanted.bytes = std::uint64_t{100} << 20U;
  EXPECT_EQ(refusal(row_of("mpi.allreduce.latency"), wanted), "not refused");
  for (const CheckRow& row : measured_rows()) {
    if (row.sizes.empty()) continue;
    OperationRequest small = request(4096);
    small.memory_limit_bytes = 8192;
    EXPECT_EQ(refusal(row, small), "not refused") << row.id << " needs an input and an output at most";
    small.memory_limit_bytes = 1;
    EXPECT_NE(refusal(row, small), "not refused") << row.id;
  }
}

TEST(MpiCollectives, MemoryThatIsNotThereIsRefused) {
  // As the batch system limits it: the address space, so that the allocation itself fails.
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_AS, &before), 0);
  rlimit little = before;
  little.rlim_cur = std::min<rlim_t>(before.rlim_max, rlim_t{1} << 30U);
  ASSERT_EQ(setrlimit(RLIMIT_AS, &little), 0);
  const std::string said = refusal(row_of("mpi.allreduce.latency"), request(std::uint64_t{4} << 30U));
  ASSERT_EQ(setrlimit(RLIMIT_AS, &before), 0);
  EXPECT_EQ(said, "not enough memory: 4 GiB in one piece were refused");
}

TEST(MpiCollectives, OverlapComputesBetweenPostAndWait) {
  for (const char* id : {"mpi.iallreduce.overlap", "mpi.ibcast.overlap"}) {
    OperationRequest wanted = request(4096);
    wanted.compute_us = 20'000.0;
    const auto operation = row_of(id).make(wanted);
    operation->prepare(1);
    const SteadyClock clock;
    const std::int64_t begin = clock.now_ns();
    operation->execute(1);
    // No speed: that it computed at all. A calibrated loop can only be too short where the core became
    // faster.
    EXPECT_GT(clock.now_ns() - begin, 2'000'000) << id;
    EXPECT_FALSE(operation->verify(1)) << id;
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
    EXPECT_FALSE(result.error) << row.id << ": " << *result.error;
    EXPECT_FALSE(result.mismatch) << row.id << ": " << *result.mismatch;
    if (test::session().world().rank() != 0) continue;
    EXPECT_GE(result.samples.values_us.size(), 3u) << row.id;
    EXPECT_TRUE(result.samples.osu_mean_us.has_value());
    EXPECT_EQ(result.samples.verified > 0, operation->verifies()) << row.id;
    for (const double us : result.samples.values_us) EXPECT_GT(us, 0.0);
  }
}

}  // namespace
}  // namespace fabricheck
