#include "app/fits.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fabricheck::app {
namespace {

CheckRecord measured(std::int64_t bytes, double median_us, const std::string& host = "n1") {
  CheckRecord check;
  check.id = "mpi.allreduce.latency";
  check.metric = "latency";
  check.unit = "us";
  check.scope = "inside node";
  check.participants = {host};
  check.parameters = {{"bytes", bytes}, {"ranks", std::int64_t{2}}};
  check.statistics.median = median_us;
  check.value = median_us;
  return check;
}

TEST(Fits, OneLineForEachCollectiveAndPlace) {
  std::vector<CheckRecord> checks;
  for (const std::int64_t bytes : {8, 1024, 1 << 20}) {
    checks.push_back(measured(bytes, 2.0 + static_cast<double>(bytes) / 1000.0));        // 1 GB/s
    checks.push_back(measured(bytes, 5.0 + static_cast<double>(bytes) / 2000.0, "n2"));  // 2 GB/s
  }
  const auto fits = alpha_beta_fits(checks);
  ASSERT_EQ(fits.size(), 2u);
  EXPECT_NEAR(fits[0].coefficients.at("alpha_us"), 2.0, 1e-9);
  EXPECT_NEAR(fits[0].coefficients.at("beta_GBps"), 1.0, 1e-9);
  EXPECT_NEAR(fits[0].coefficients.at("beta_error_GBps"), 0.0, 1e-6);
  EXPECT_NEAR(fits[1].coefficients.at("alpha_us"), 5.0, 1e-9);
  EXPECT_NEAR(fits[1].coefficients.at("beta_GBps"), 2.0, 1e-9);
}

TEST(Fits, TwoSizesOrAnotherMetricAreNoLine) {
  EXPECT_TRUE(alpha_beta_fits(std::vector{measured(8, 1.0), measured(1024, 2.0)}).empty());
  std::vector<CheckRecord> rates{measured(8, 1.0), measured(1024, 2.0), measured(4096, 3.0)};
  for (CheckRecord& one : rates) one.metric = "busbw";
  EXPECT_TRUE(alpha_beta_fits(rates).empty());
}

TEST(Fits, WhatWasNotMeasuredIsNoPoint) {
  std::vector<CheckRecord> checks{measured(8, 1.0), measured(1024, 2.0), measured(4096, 3.0)};
  checks[2].statistics.median.reset();
  EXPECT_TRUE(alpha_beta_fits(checks).empty());
}

}  // namespace
}  // namespace fabricheck::app
