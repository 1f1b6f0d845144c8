// The same operations over the real devices of this host, between two of its ports (Soft-RoCE will do).
// Skipped where there are none.
#include <gtest/gtest.h>

#include <cstdio>

#include "core/statistics.hpp"
#include "fabric/verbs/measure/catalog.hpp"
#include "pairs_over_stub.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::verbs {
namespace {

/// The first two active ports of this host, or its only one twice.
std::vector<PortPlace> active_ports() {
  std::vector<std::string> unknown;
  std::vector<PortPlace> places;
  for (const RdmaDevice& device : topology::probe_rdma("/", unknown))
    for (const RdmaPort& port : device.ports)
      if (port.state == "ACTIVE" && places.size() < 2) places.push_back({"", device.name, port});
  if (places.size() == 1) places.push_back(places.front());
  return places;
}

class Native : public ::testing::Test {
 protected:
  void SetUp() override {
    provider_ = system_provider();
    if (!provider_) GTEST_SKIP() << unavailable_reason();
    ports_ = active_ports();
    if (ports_.empty()) GTEST_SKIP() << "no active RDMA port on this host";
  }

  PairRun measure(std::size_t row, std::uint64_t bytes, std::uint64_t wanted) {
    return measure_pair(
        [&](const PairSetup& setup, const TimedRequest& request) {
          return catalog(std::make_shared<PairSetup>(setup))[row].make_timed(request);
        },
        bytes, wanted, {}, std::chrono::seconds(20),
        [&](PairSetup& setup, int rank) {
          PortPlace place = ports_[static_cast<std::size_t>(rank)];
          place.host = "end " + std::to_string(rank);
          setup.port = {provider_->open(place.device), place};
          setup.depth = 64;
        });
  }

  std::unique_ptr<Provider> provider_;
  std::vector<PortPlace> ports_;
};

TEST_F(Native, EveryCheckBetweenTwoPortsOfThisHost) {
  const auto rows = catalog();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const CheckRow& row = rows[i];
    if (row.needs_gpu) continue;  // a NIC of this host reaches no stand-in
    const std::uint64_t bytes =
        row.sizes.front() == 2 ? 8 : std::min<std::uint64_t>(row.sizes.front(), 65536);
    SCOPED_TRACE(row.id);
    const PairRun run = measure(i, bytes, row.metric.better() == Better::lower ? 200 : 16);
    EXPECT_EQ(run.thrown[0], "");
    EXPECT_EQ(run.results[0].error.value_or(""), "");
    EXPECT_EQ(run.results[0].mismatch.value_or(""), "");
    const SampleSet& samples = run.results[0].samples;
    EXPECT_GT(samples.verified, 0U);
    if (samples.values_us.empty()) continue;
    const Statistics statistics = describe(samples.values_us);
    std::printf("%-28s %7llu B  median %10.3f us  max %10.3f us  of %llu\n", row.id.c_str(),
                static_cast<unsigned long long>(bytes), *statistics.median, *statistics.max,
                static_cast<unsigned long long>(statistics.samples));
  }
}

TEST_F(Native, AGidIndexThatIsNotThereIsRefusedByName) {
  const PairRun run = measure_pair(
      [&](const PairSetup& setup, const TimedRequest& request) {
        return catalog(std::make_shared<PairSetup>(setup)).front().make_timed(request);
      },
      8, 10, {}, std::chrono::seconds(20),
      [&](PairSetup& setup, int rank) {
        PortPlace place = ports_[static_cast<std::size_t>(rank)];
        place.host = "end";
        setup.port = {provider_->open(place.device), place};
        setup.gid_wish.gid_index = 250;
      });
  EXPECT_NE(run.thrown[0].find("250"), std::string::npos) << run.thrown[0];
}

TEST_F(Native, ADeviceThatIsNotThereIsRefusedByName) {
  try {
    provider_->open("nonsense_9");
    FAIL() << "it was opened";
  } catch (const std::exception& error) {
    EXPECT_NE(std::string(error.what()).find("nonsense_9"), std::string::npos);
  }
}

}  // namespace
}  // namespace fabricheck::verbs
