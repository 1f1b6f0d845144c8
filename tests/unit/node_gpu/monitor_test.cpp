#include "node/gpu/monitor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/clocks.hpp"

namespace fabricheck::node::gpu {
namespace {

GpuSample looked(int clock_MHz, double power_W, int temperature_C, std::vector<std::string> reasons) {
  return {clock_MHz, power_W, temperature_C, std::move(reasons)};
}

TEST(Summary, OfClocksPowerAndHeat) {
  const std::vector<GpuSample> samples{looked(1980, 650, 60, {}), looked(1700, 700, 70, {"sw-power-cap"}),
                                       looked(1800, 690, 75, {"hw-slowdown", "sw-power-cap"}),
                                       looked(1900, 680, 72, {"gpu-idle"})};
  const MonitorSummary summary = summarise(samples, {});
  EXPECT_EQ(summary.sm_clock_min_MHz, 1700);
  EXPECT_EQ(summary.sm_clock_median_MHz, 1850);
  EXPECT_EQ(summary.temperature_max_C, 75);
  EXPECT_EQ(summary.power_max_W, 700.0);
  EXPECT_EQ(summary.power_median_W, 685.0);
  EXPECT_EQ(summary.throttled_share, 0.25);
  EXPECT_EQ(summary.power_capped_share, 0.5);
  EXPECT_FALSE(summary.trend_percent);
  const auto path = path_of(summary);
  EXPECT_EQ(path.at("throttle_reasons"), Parameter(std::string("hw-slowdown (25 %), sw-power-cap (50 %)")));
  EXPECT_EQ(path.at("throttled_percent"), Parameter(25.0));
  EXPECT_EQ(path.at("sm_clock_min_MHz"), Parameter(std::int64_t{1700}));
}

TEST(Summary, OfNothingSaysNothing) {
  EXPECT_EQ(path_of(summarise({}, {})),
            (std::map<std::string, Parameter>{{"monitor_samples", std::int64_t{0}}}));
  const std::vector<GpuSample> silent(3);
  const MonitorSummary summary = summarise(silent, {});
  EXPECT_EQ(summary.samples, 3U);
  EXPECT_FALSE(summary.throttled_share);
}

TEST(Summary, TrendIsTheLastTenthAgainstTheFirst) {
  std::vector<double> rates(30, 100.0);
  EXPECT_EQ(summarise({}, rates).trend_percent, 0.0);
  rates[27] = rates[28] = rates[29] = 90.0;
  EXPECT_NEAR(*summarise({}, rates).trend_percent, -10.0, 1e-9);
  rates[29] = 1.0;  // one sample is no trend
  EXPECT_NEAR(*summarise({}, rates).trend_percent, -10.0, 1e-9);
  EXPECT_FALSE(summarise({}, std::vector<double>(9, 1.0)).trend_percent);
}

class Counting final : public GpuMonitor {
 public:
  explicit Counting(int& count) : count_(count) {}
  std::optional<GpuSample> sample() override {
    ++count_;
    if (count_ == 2) return std::nullopt;
    return GpuSample{};
  }

 private:
  int& count_;
};

TEST(Log, AsksAtMostOnceInAnInterval) {
  test::TickingClock clock(1);
  int count = 0;
  MonitorLog log(std::make_unique<Counting>(count), clock, 1000);
  for (int i = 0; i < 10; ++i) log.look();
  EXPECT_EQ(count, 1);
  clock.advance(1000);
  log.look();
  log.look_now();
  EXPECT_EQ(count, 3);
  EXPECT_EQ(log.samples().size(), 2U);
  MonitorLog none(nullptr, clock, 1000);
  none.look();
  none.look_now();
  EXPECT_TRUE(none.samples().empty());
}

}  // namespace
}  // namespace fabricheck::node::gpu
