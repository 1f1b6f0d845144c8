#include "fabric/verbs/measure/catalog.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "gpus_over_stub.hpp"

namespace fabricheck::verbs {
namespace {

using ::testing::HasSubstr;

void with_gpu(PairSetup& setup, int) { setup.gpu = a_gpu(); }

TEST(Catalog, IdsAreDistinctAndEveryRowCanBeMade) {
  std::set<std::string> ids;
  for (const CheckRow& row : catalog()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_THAT(row.id, ::testing::StartsWith("verbs."));
    EXPECT_TRUE(row.make_timed) << row.id;
    EXPECT_FALSE(row.make) << row.id;
    EXPECT_FALSE(row.description.empty()) << row.id;
    EXPECT_TRUE(std::is_sorted(row.sizes.begin(), row.sizes.end())) << row.id;
  }
  for (const char* id :
       {"verbs.write.latency", "verbs.send.latency", "verbs.read.latency", "verbs.fetch_add.latency",
        "verbs.compare_swap.latency", "verbs.uc_send.latency", "verbs.uc_write.latency",
        "verbs.ud_send.latency", "verbs.write.bandwidth", "verbs.send.bidirectional",
        "verbs.send.message_rate", "verbs.write.paths", "verbs.uc_send.bandwidth", "verbs.ud_send.bandwidth",
        "verbs.ud_send.message_rate", "verbs.gpu_write.bandwidth", "verbs.gpu_send.latency",
        "verbs.gpu_read.latency", "verbs.gpu_write.latency"})
    EXPECT_TRUE(ids.count(id)) << id;
}

TEST(Catalog, ALatencyBetweenGpusIsAsThatOfTheHostsAndSaysHowItEnds) {
  const auto row = [](const std::string& id) {
    for (const CheckRow& one : catalog())
      if (one.id == id) return one;
    return CheckRow{};
  };
  for (const char* name : {"write", "send", "read"}) {
    const CheckRow host = row(fmt::format("verbs.{}.latency", name)),
                   gpu = row(fmt::format("verbs.gpu_{}.latency", name));
    EXPECT_TRUE(gpu.needs_gpu);
    EXPECT_FALSE(host.needs_gpu);
    EXPECT_EQ(gpu.sizes, host.sizes);
    EXPECT_EQ(gpu.unit, "us");
    EXPECT_EQ(gpu.metric.name(), "latency");
    EXPECT_EQ(gpu.in_quick, row(fmt::format("verbs.gpu_{}.bandwidth", name)).in_quick);
    EXPECT_THAT(gpu.description, HasSubstr("until the completion"));
  }
  EXPECT_EQ(row("verbs.gpu_write.latency").title, "RC write with immediate latency between GPUs' memory");
  EXPECT_THAT(row("verbs.gpu_write.latency").description, HasSubstr("with immediate"));
  EXPECT_THAT(row("verbs.gpu_read.latency").description, HasSubstr("the full round trip"));
}

TEST(Catalog, EveryRowMeasuresAtItsSmallestSize) {
  const std::size_t rows = catalog().size();
  for (std::size_t i = 0; i < rows; ++i) {
    SCOPED_TRACE(catalog()[i].id);
    const PairRun run = measure_pair(
        [&](const PairSetup& setup, const TimedRequest& request) {
          return catalog(std::make_shared<PairSetup>(setup))[i].make_timed(request);
        },
        catalog()[i].sizes.front(), 16, {}, std::chrono::seconds(20), with_gpu);
    EXPECT_EQ(run.thrown[0], "");
    EXPECT_EQ(run.results[0].error.value_or(""), "");
    EXPECT_EQ(run.results[0].mismatch.value_or(""), "");
    EXPECT_GE(run.results[0].samples.values_us.size(), 16U);
    EXPECT_GT(run.results[0].samples.verified, 0U);
  }
}

TEST(Catalog, ADeviceThatCannotIsSkippedWithTheReason) {
  PairSetup setup;
  setup.unavailable = "no RDMA device on node7";
  const auto rows = catalog(std::make_shared<PairSetup>(setup));
  try {
    rows.front().make_timed({});
    FAIL() << "it was made";
  } catch (const Unavailable& reason) {
    EXPECT_STREQ(reason.what(), "no RDMA device on node7");
  }
  const PairRun run = measure_pair(
      [&](const PairSetup& with, const TimedRequest& request) {
        for (const CheckRow& row : catalog(std::make_shared<PairSetup>(with)))
          if (row.id == "verbs.fetch_add.latency") return row.make_timed(request);
        return std::unique_ptr<TimedOperation>();
      },
      8, 10, {}, std::chrono::seconds(1),
      [](PairSetup& with, int) {
        test::StubDevice plain;
        plain.limits.atomics = false;
        with.port.device = test::make_stub_device(plain);
      });
  EXPECT_THAT(run.thrown[0], HasSubstr("stub0 cannot do atomic operations"));
}

}  // namespace
}  // namespace fabricheck::verbs
