#include "fabric/nvlink/pair_matrices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/topology/model/machines.hpp"

namespace fabricheck::nvlink {
namespace {

using testing::ElementsAre;
using testing::Optional;
using testing::SizeIs;

CheckRecord record(const std::string& host, const std::string& from, const std::string& to, double value,
                   const std::string& id = "nvlink.pair.bandwidth") {
  CheckRecord check;
  check.id = id;
  check.unit = id == "nvlink.pair.latency" ? "us" : "GB/s";
  check.value = value;
  check.participants = {host, host};
  check.parameters["bytes"] = std::int64_t{1} << 26;
  check.path = std::map<std::string, Parameter>{{"gpu_from", from}, {"gpu_to", to}};
  return check;
}

TEST(GpuPairMatrices, OnePerHostCheckAndSize) {
  const std::vector<CheckRecord> checks{
      record("n1", "0000:1b:00.0", "0000:5d:00.0", 380),
      record("n1", "0000:5d:00.0", "0000:1b:00.0", 381),
      record("n2", "0000:1b:00.0", "0000:5d:00.0", 379),
      record("n1", "0000:1b:00.0", "0000:5d:00.0", 700, "nvlink.pair.bidirectional"),
      record("n1", "0000:1b:00.0", "0000:5d:00.0", 1.2, "nvlink.pair.latency"),
      record("n1", "0000:1b:00.0", "0000:5d:00.0", 1, "verbs.write.bandwidth")};
  const auto matrices = gpu_pair_matrices(checks);
  ASSERT_THAT(matrices, SizeIs(4));
  EXPECT_EQ(matrices[0].id, "nvlink.pair.bandwidth 64 MiB on n1");
  EXPECT_EQ(matrices[0].direction, "row sends");
  EXPECT_THAT(matrices[0].rows, ElementsAre("0000:1b:00.0", "0000:5d:00.0"));
  EXPECT_EQ(matrices[0].cols, matrices[0].rows);
  EXPECT_THAT(matrices[0].data[0], ElementsAre(std::nullopt, Optional(380.0)));
  EXPECT_THAT(matrices[0].data[1], ElementsAre(Optional(381.0), std::nullopt));
  EXPECT_EQ(matrices[1].direction, "both ways");
  EXPECT_THAT(matrices[1].data[1], ElementsAre(Optional(700.0), std::nullopt));
  EXPECT_EQ(matrices[2].id, "nvlink.pair.latency 64 MiB on n1");
  EXPECT_EQ(matrices[2].direction, "row reads");
  EXPECT_THAT(matrices[2].data[1], ElementsAre(std::nullopt, std::nullopt));
  EXPECT_EQ(matrices[3].id, "nvlink.pair.bandwidth 64 MiB on n2");
}

TEST(GpuPairMatrices, RowsAreNamedByTheTopologyAndInItsOrder) {
  Host host = topology::machines::dgx_h100("n1");
  std::swap(host.gpus[0].pci_address, host.gpus[7].pci_address);
  const std::vector<CheckRecord> checks{
      record("n1", host.gpus[7].pci_address, host.gpus[0].pci_address, 370),
      record("n1", host.gpus[0].pci_address, host.gpus[3].pci_address, 380)};
  const std::vector<Host> hosts{host};
  const auto matrices = gpu_pair_matrices(checks, hosts);
  ASSERT_THAT(matrices, SizeIs(1));
  EXPECT_THAT(matrices[0].rows, ElementsAre("GPU0", "GPU3", "GPU7"));
  EXPECT_THAT(matrices[0].data[2], ElementsAre(Optional(370.0), std::nullopt, std::nullopt));
}

TEST(GpuPairMatrices, WhatHasNoFigureOrNoGpusIsLeftOut) {
  std::vector<CheckRecord> checks{record("n1", "a", "b", 1), record("n1", "a", "b", 1),
                                  record("n1", "", "b", 1)};
  checks[0].value.reset();
  checks[1].path.reset();
  EXPECT_THAT(gpu_pair_matrices(checks), SizeIs(0));
}

TEST(Estimate, AWholeMatrixOfEightGpusTakesLessThanAMinute) {
  const double seconds = estimate_pairs_s(8, default_pair_costs());
  EXPECT_LT(seconds, 60.0);
  EXPECT_GT(seconds, 5.0);
}

TEST(Estimate, FollowsFromRoundsSizesAndTheRate) {
  const std::vector<PairCost> one{{1'000'000'000, 10, false}};
  const EstimateBasis basis{.rate_GBps = 10.0, .open_s = 0.0, .pair_s = 0.0};
  EXPECT_DOUBLE_EQ(estimate_pairs_s(2, one, basis), 1.0);
  EXPECT_DOUBLE_EQ(estimate_pairs_s(8, one, basis), 7.0);
  EXPECT_DOUBLE_EQ(estimate_pairs_s(5, one, basis), 5.0);
  EXPECT_DOUBLE_EQ(estimate_pairs_s(1, one, basis), 0.0);
  const std::vector<PairCost> both{{1'000'000'000, 10, true}};
  EXPECT_DOUBLE_EQ(estimate_pairs_s(4, both, basis), 6.0);
  EXPECT_DOUBLE_EQ(estimate_pairs_s(2, one, {.rate_GBps = 10.0, .open_s = 0.5, .pair_s = 0.25}), 2.25);
}

}  // namespace
}  // namespace fabricheck::nvlink
