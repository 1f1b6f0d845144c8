#include "plan/gpu_targets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "config/platform_file.hpp"

namespace fabricheck::plan {
namespace {

using ::testing::HasSubstr;

constexpr std::uint64_t GiB = std::uint64_t{1} << 30;

Figure figure(const std::string& key, double value, const std::string& kind,
              std::map<std::string, std::string> conditions = {}, const std::string& unit = "GB/s") {
  return {key, value, unit, kind, "somebody's page", "", std::move(conditions)};
}

Platform platform() {
  Platform one;
  one.name = "board";
  one.figures = {
      figure("gpu.hbm.bandwidth", 3350, "datasheet"),
      figure("gpu.hbm.bandwidth", 2970, "published", {{"operation", "triad"}}),
      figure("gpu.hbm.bandwidth", 2900, "published", {{"operation", "copy"}}),
      figure("gpu.hbm.bandwidth", 2475, "published", {{"operation", "copy on the device"}}),
      figure("gpu.hbm.bandwidth", 1905, "threshold", {{"test", "memory bandwidth"}}),
      figure("gpu.host_to_device.bandwidth", 48, "threshold"),
      figure("gpu.gemm.rate", 989, "datasheet", {{"precision", "bf16"}, {"sparsity", "none"}}, "TFLOP/s"),
      figure("gpu.gemm.rate", 794.5, "published", {{"precision", "bf16"}}, "TFLOP/s"),
      figure("gpu.gemm.rate", 1900, "published", {{"precision", "bf16"}, {"sparsity", "2:4"}}, "TFLOP/s"),
      figure("gpu.gemm.rate", 900, "published", {{"precision", "bf16"}, {"shape", "best of a search"}},
             "TFLOP/s"),
      figure("nccl.allreduce.busbw", 476, "published", {{"nodes", "1"}, {"gpus_per_node", "8"}}),
      figure("nccl.allreduce.busbw", 480, "published",
             {{"nodes", "1"}, {"gpus_per_node", "8"}, {"nccl", "2.28"}}),
      figure("nccl.allreduce.busbw", 200, "published",
             {{"nodes", "1"}, {"gpus_per_node", "8"}, {"said_by", "its maintainer"}}),
      figure("nccl.allreduce.busbw", 370, "published",
             {{"nodes", "1"}, {"gpus_per_node", "8"}, {"nvls", "off"}}),
      figure("nccl.allreduce.busbw", 100, "published",
             {{"nodes", "1"}, {"gpus_per_node", "8"}, {"transport", "TCP"}}),
      figure("nccl.allreduce.busbw", 487, "published", {{"nodes", "2"}, {"gpus_per_node", "8"}}),
  };
  return one;
}

GpuCheck check(const std::string& id, const std::string& unit = "GB/s") {
  GpuCheck one;
  one.id = id;
  one.unit = unit;
  one.better = Better::higher;
  one.scope = Scope::every_gpu;
  return one;
}

GpuCheck collective(std::uint64_t bytes) {
  GpuCheck one = check("nccl.allreduce.busbw");
  one.scope = Scope::inside_node;
  one.ranks_per_node = 8;
  one.bytes = bytes;
  return one;
}

double value(const std::optional<Target>& target) { return target ? target->value : 0.0; }

TEST(GpuTargets, AreAShareOfTheLowestThatWasPublishedForTheSameOperation) {
  EXPECT_DOUBLE_EQ(value(platform_target(platform(), check("gpu.hbm.copy"))), 0.95 * 2900);
  EXPECT_DOUBLE_EQ(value(platform_target(platform(), check("gpu.hbm.triad"))), 0.95 * 2970);
  EXPECT_FALSE(platform_target(platform(), check("gpu.hbm.read"))) << "nobody published a read";
}

TEST(GpuTargets, AKernelsCopyAndTheRuntimesAreDifferentFigures) {
  Platform one = platform();
  EXPECT_DOUBLE_EQ(value(platform_target(one, check("gpu.hbm.copy_engine"))), 0.95 * 2475);
  one.figures.push_back(
      figure("gpu.hbm.bandwidth", 1371, "published", {{"operation", "copy on the device"}}));
  EXPECT_DOUBLE_EQ(value(platform_target(one, check("gpu.hbm.copy_engine"))), 0.95 * 1371);
  EXPECT_DOUBLE_EQ(value(platform_target(one, check("gpu.hbm.copy"))), 0.95 * 2900);
}

const Platform& built_in(const std::string& name) {
  for (const Platform& one : config::built_in_platforms())
    if (one.name == name) return one;
  throw std::runtime_error("no platform " + name);
}

TEST(GpuTargets, AHealthyH100ReachesThatOfTheRuntimesCopy) {
  // The slowest of eight in NVIDIA/nccl issue #1264.
  constexpr double healthy_GBps = 2474.76;
  const auto target = platform_target(built_in("dgx-h100"), check("gpu.hbm.copy_engine"));
  ASSERT_TRUE(target);
  EXPECT_LT(target->value, healthy_GBps);
  EXPECT_GT(target->value, 0.9 * healthy_GBps) << "and half of it does not pass";
}

TEST(GpuTargets, NoPlatformExpectsMoreOfTheRuntimesCopyThanOfAKernels) {
  for (const Platform& one : config::built_in_platforms()) {
    const auto kernel = platform_target(one, check("gpu.hbm.copy"));
    const auto runtime = platform_target(one, check("gpu.hbm.copy_engine"));
    if (!kernel || !runtime) continue;
    EXPECT_LT(runtime->value, kernel->value) << one.name;
  }
}

TEST(GpuTargets, NameTheirSourceAndTheDatasheet) {
  const auto target = platform_target(platform(), check("gpu.hbm.triad"));
  ASSERT_TRUE(target);
  EXPECT_EQ(target->source, "95 % of 2970 GB/s, published for board: somebody's page; datasheet 3350 GB/s");
  EXPECT_EQ(target->comparison, fabricheck::Comparison::at_least);
}

TEST(GpuTargets, AThresholdOfOthersCountsWhereNothingWasPublished) {
  GpuCheck copy = check("gpu.host_to_device.bandwidth");
  EXPECT_FALSE(platform_target(platform(), copy)) << "with all GPUs at once they share the host";
  copy.scope = Scope::gpu;
  copy.bytes = GiB / 1024;
  EXPECT_FALSE(platform_target(platform(), copy)) << "in small copies their beginning counts";
  copy.bytes = GiB / 16;
  copy.whole = false;
  EXPECT_FALSE(platform_target(platform(), copy)) << "another machine may have another PCIe";
  copy.whole = true;
  const auto target = platform_target(platform(), copy);
  EXPECT_DOUBLE_EQ(value(target), 48.0);
  EXPECT_THAT(target->source, HasSubstr("threshold"));
}

TEST(GpuTargets, SparseRatesAreOfAnotherOperation) {
  EXPECT_DOUBLE_EQ(value(platform_target(platform(), check("gpu.gemm.bf16", "TFLOP/s"))), 0.80 * 794.5);
  EXPECT_FALSE(platform_target(platform(), check("gpu.gemm.tf32", "TFLOP/s")));
  EXPECT_FALSE(platform_target(platform(), check("gpu.gemm.bf16", "GFLOP/s"))) << "another unit";
}

TEST(GpuTargets, MatrixRatesWerePublishedForOtherShapes) {
  const auto target = platform_target(platform(), check("gpu.gemm.bf16", "TFLOP/s"));
  EXPECT_THAT(target->source,
              HasSubstr("80 % of 794 TFLOP/s, published for board and matrices of other shapes: "));
  EXPECT_THAT(target->source, HasSubstr("datasheet 989 TFLOP/s"));
}

TEST(GpuTargets, CollectivesAreHeldAgainstTheirOwnWorld) {
  EXPECT_DOUBLE_EQ(value(platform_target(platform(), collective(8 * GiB))), 0.95 * 476);
  GpuCheck without = collective(8 * GiB);
  without.nvls = false;
  EXPECT_DOUBLE_EQ(value(platform_target(platform(), without)), 0.95 * 370);
  EXPECT_FALSE(platform_target(platform(), collective(GiB))) << "published of large messages";
  GpuCheck four = collective(8 * GiB);
  four.ranks_per_node = 4;
  EXPECT_FALSE(platform_target(platform(), four));
  GpuCheck across = collective(8 * GiB);
  across.scope = Scope::all_ranks;
  across.nodes = 2;
  EXPECT_FALSE(platform_target(platform(), across)) << "between nodes the network counts";
  GpuCheck part = collective(8 * GiB);
  part.whole = false;
  EXPECT_FALSE(platform_target(platform(), part));
}

TEST(GpuTargets, OfLatenciesThereAreNone) {
  GpuCheck latency = check("gpu.hbm.copy");
  latency.better = Better::lower;
  EXPECT_FALSE(platform_target(platform(), latency));
}

}  // namespace
}  // namespace fabricheck::plan
