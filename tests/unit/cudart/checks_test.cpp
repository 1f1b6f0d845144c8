// Checks of one GPU and of two, small ones, with the device layer that ships.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fabric/nvlink/catalog.hpp"
#include "node/gpu/catalog.hpp"
#include "support/cuda/timed_run.hpp"
#include "support/cudart/host_cudart.hpp"

namespace fabricheck {
namespace {

namespace cudart = test::cudart;
using ::testing::HasSubstr;

constexpr std::uint64_t small_bytes = 256 << 10;

class ChecksOverCudart : public ::testing::Test {
 protected:
  void SetUp() override {
    cudart::Machine machine = cudart::two_gpus();
    for (cudart::GpuModel& gpu : machine.gpus) gpu.memory_bytes = 16 << 20;
    cudart::use_machine(machine);
    runtime_ = cuda::open_runtime("node7");
  }
  void TearDown() override {
    EXPECT_EQ(cudart::held(), 0U) << "something was not given back";
    cudart::use_machine(cudart::two_gpus());
  }

  std::shared_ptr<const cuda::Setup> setup_of(int ordinal) {
    auto setup = std::make_shared<cuda::Setup>();
    setup->runtime = runtime_;
    setup->device = runtime_->open(ordinal);
    return setup;
  }

  std::shared_ptr<cuda::Runtime> runtime_;
};

void expect_right(const CheckRow& row, const test::TimedRun& run) {
  ASSERT_EQ(run.thrown.front(), "") << row.id;
  ASSERT_FALSE(run.result.error) << row.id << ": " << *run.result.error;
  EXPECT_FALSE(run.result.mismatch) << row.id << ": " << *run.result.mismatch;
  EXPECT_GE(run.result.samples.verified, 1U) << row.id;
  EXPECT_GE(run.result.samples.values_us.size(), 4U) << row.id;
}

TEST_F(ChecksOverCudart, EveryOneOfAGpusMemoryIsRight) {
  const auto setup = setup_of(1);
  int checks = 0;
  for (const CheckRow& row : node::gpu::catalog(setup, std::make_shared<node::gpu::Settings>())) {
    if (!row.make_timed || (!row.id.starts_with("gpu.hbm.") && !row.id.starts_with("gpu.host."))) continue;
    SCOPED_TRACE(row.id);
    expect_right(row, test::timed_run({.bytes = small_bytes, .wanted = 4}, row.make_timed));
    ++checks;
  }
  EXPECT_GE(checks, 6);
}

TEST_F(ChecksOverCudart, EveryOneOfAPairIsRight) {
  const std::vector<std::shared_ptr<const cuda::Setup>> setups{setup_of(0), setup_of(1)};
  const std::vector<std::vector<CheckRow>> rows{nvlink::catalog(setups[0]), nvlink::catalog(setups[1])};
  for (std::size_t i = 0; i < rows[0].size(); ++i) {
    SCOPED_TRACE(rows[0][i].id);
    const auto make = [&](const TimedRequest& request) {
      return rows[static_cast<std::size_t>(request.world_rank)][i].make_timed(request);
    };
    expect_right(rows[0][i], test::timed_run({.ranks = 2, .bytes = small_bytes, .wanted = 4}, make));
  }
}

TEST_F(ChecksOverCudart, ALostContextFailsTheCheckWithItsWords) {
  const auto setup = setup_of(0);
  for (const CheckRow& row : node::gpu::catalog(setup, std::make_shared<node::gpu::Settings>())) {
    if (row.id != "gpu.hbm.copy") continue;
    cudart::machine().next_failure["cudaEventQuery"] = cudaErrorECCUncorrectable;
    const test::TimedRun run = test::timed_run({.bytes = small_bytes, .wanted = 4}, row.make_timed);
    const std::string words = run.result.error ? *run.result.error : run.thrown.front();
    EXPECT_THAT(words, HasSubstr("GPU 0 (0000:5d:00.0)"));
    EXPECT_THAT(words, HasSubstr("cudaErrorECCUncorrectable"));
  }
}

}  // namespace
}  // namespace fabricheck
