// Every check of one GPU and of two on real ones: nothing fails, every result is right, and rates are rates.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fabric/nvlink/catalog.hpp"
#include "node/gpu/catalog.hpp"
#include "support/cuda/timed_run.hpp"

namespace fabricheck {
namespace {

/// No GPU moves more than this in its own memory, nor multiplies more (GB300: 8 TB/s, 15 PFLOP/s of fp4).
constexpr double impossible_GBps = 20'000.0, impossible_TFLOPs = 20'000.0;

std::shared_ptr<cuda::Runtime> runtime_or_null() {
  try {
    std::shared_ptr<cuda::Runtime> runtime = cuda::open_runtime("this host");
    runtime->devices();
    return runtime;
  } catch (const Unavailable&) {
    return nullptr;
  }
}

std::shared_ptr<const cuda::Setup> setup_of(const std::shared_ptr<cuda::Runtime>& runtime, int ordinal) {
  auto setup = std::make_shared<cuda::Setup>();
  setup->runtime = runtime;
  setup->device = runtime->open(ordinal);
  return setup;
}

void expect_sound(const CheckRow& row, const test::TimedRun& run) {
  if (run.unavailable) {
    fmt::print("{:36} {}\n", row.id, run.thrown.front());
    return;
  }
  ASSERT_EQ(run.thrown.front(), "") << row.id;
  ASSERT_FALSE(run.result.error) << row.id << ": " << *run.result.error;
  ASSERT_FALSE(run.result.mismatch) << row.id << ": " << *run.result.mismatch;
  const double times = row.rate_times_us ? row.rate_times_us(row.sizes.empty() ? 0 : row.sizes.front()) : 0.0;
  const double median_us = describe(run.result.samples.values_us).median.value_or(0.0);
  const double value = row.rate_times_us ? times / median_us : median_us;
  fmt::print("{:36} {:10.2f} {} of {} samples\n", row.id, value, row.unit,
             run.result.samples.values_us.size());
  for (const auto& [name, words] : run.path)
    if (const std::string* text = std::get_if<std::string>(&words)) fmt::print("    {}: {}\n", name, *text);
  EXPECT_GT(median_us, 0.0) << row.id;
  EXPECT_LT(value, row.unit == "TFLOP/s" ? impossible_TFLOPs : impossible_GBps) << row.id;
  EXPECT_GE(run.result.samples.verified, 1U) << row.id;
}

TEST(RealGpu, EveryCheckOfOneIsSound) {
  const auto runtime = runtime_or_null();
  if (!runtime) GTEST_SKIP() << "no GPU that CUDA can use is here";
  const auto setup = setup_of(runtime, 0);
  auto settings = std::make_shared<node::gpu::Settings>();
  settings->burn_ns = 2'000'000'000;
  for (const CheckRow& row : node::gpu::catalog(setup, settings)) {
    const std::uint64_t bytes = row.sizes.empty() ? 0 : row.sizes.front();
    const bool burns = row.id == "gpu.burn.rate";
    expect_sound(row, test::timed_run({.bytes = bytes, .wanted = burns ? burn_samples(*settings) : 100},
                                      row.make_timed));
  }
}

TEST(RealGpu, EveryCheckOfAPairIsSound) {
  const auto runtime = runtime_or_null();
  if (!runtime || runtime->devices().size() < 2) GTEST_SKIP() << "no two GPUs that CUDA can use are here";
  const std::vector<std::shared_ptr<const cuda::Setup>> setups{setup_of(runtime, 0), setup_of(runtime, 1)};
  const std::vector<std::vector<CheckRow>> rows{nvlink::catalog(setups[0]), nvlink::catalog(setups[1])};
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    const CheckRow& row = rows[0][i];
    const std::uint64_t bytes = row.sizes.empty() ? 0 : row.sizes.front();
    expect_sound(
        row, test::timed_run({.ranks = 2, .bytes = bytes, .wanted = 100}, [&](const TimedRequest& request) {
          return rows[static_cast<std::size_t>(request.world_rank)][i].make_timed(request);
        }));
  }
}

}  // namespace
}  // namespace fabricheck
