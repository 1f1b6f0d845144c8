#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/small_float.hpp"
#include "core/units.hpp"
#include "node/gpu/catalog.hpp"
#include "node/gpu/gemm.hpp"
#include "node/gpu/operations.hpp"
#include "support/clocks.hpp"
#include "support/cuda/host_multiplier.hpp"
#include "support/cuda/timed_run.hpp"

namespace fabricheck::node::gpu {
namespace {

using test::TimedRun;
using testing::HasSubstr;

constexpr std::uint64_t MiB = std::uint64_t{1} << 20;
constexpr double megaflops_256 = 2.0 * 256 * 256 * 256 / 1e6;

/// Says what a test wants it to.
class ScriptedMonitor final : public GpuMonitor {
 public:
  std::optional<GpuSample> sample() override {
    GpuSample one;
    one.sm_clock_MHz = 1980 - 10 * count_;
    one.temperature_C = 60 + count_;
    one.power_W = 690.0;
    one.throttle_reasons = std::vector<std::string>{"sw-power-cap"};
    if (++count_ > 5) one.throttle_reasons->push_back("hw-thermal-slowdown");
    return one;
  }

 private:
  int count_{};
};

class Multiplications : public testing::Test {
 protected:
  void SetUp() override {
    gpu_.facts.memory_bytes = 96 * MiB;  // 64 MiB of them are the library's workspace
    settings_->gemm_size = 256;
    settings_->burn_ns = 1'000'000'000;
    settings_->open = [plan = plan_] { return std::make_unique<test::HostMultiplier>(plan); };
  }
  TimedRun measure(Precision precision, bool burns = false, const Clock* clock = nullptr,
                   std::uint64_t wanted = 10) {
    const std::shared_ptr<cuda::Runtime> runtime = test::make_host_runtime({gpu_}, faults_, account_);
    const auto setup = test::host_setup(runtime, 0);
    TimedRun run = test::timed_run({.wanted = wanted, .clock = clock}, [&](const TimedRequest& request) {
      return burns ? make_burn(setup, settings_, request, precision)
                   : make_gemm(setup, settings_, request, precision);
    });
    EXPECT_TRUE(test::is_all_given_back(*account_));
    return run;
  }

  /// Of the product in half precision, computed here.
  static std::string expected_words(std::uint64_t row, std::uint64_t column) {
    const FloatFormat half = format_of(DataType::float16);
    const auto factor = [&](std::uint64_t seed, std::uint64_t index) {
      const std::uint64_t low = device::mix(seed * 1000003 + 2 * index + 1) & 0x3f,
                          high = device::mix(seed * 1000003 + 2 * index + 2) & 0x3f;
      return decode(half, low | high << 8);
    };
    double sum = 0.0;
    for (std::uint64_t k = 0; k < 256; ++k)
      sum += factor(gemm_seed, row * 256 + k) * factor(gemm_seed + 1, column * 256 + k);
    return format_number(decode(half, encode(half, sum)));
  }

  test::HostGpu gpu_ = test::slow_gpu();
  std::shared_ptr<Settings> settings_ = std::make_shared<Settings>();
  std::shared_ptr<test::HostMultiplierPlan> plan_ = std::make_shared<test::HostMultiplierPlan>();
  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::shared_ptr<test::HostAccount> account_ = std::make_shared<test::HostAccount>();
};

TEST_F(Multiplications, RatesAreTheModelsAndBitsAreTheSame) {
  for (const Precision precision : {Precision::bf16, Precision::fp16, Precision::tf32, Precision::fp8}) {
    const TimedRun run = measure(precision);
    ASSERT_FALSE(run.result.error) << *run.result.error;
    ASSERT_FALSE(run.result.mismatch) << *run.result.mismatch;
    EXPECT_NEAR(run.rate(megaflops_256), 0.01, 0.0005);
    EXPECT_EQ(run.text("digest").size(), 16U);
    EXPECT_EQ(run.text("precision"), precision_name(precision));
    EXPECT_EQ(run.text("digest"), measure(precision).text("digest"));
  }
}

TEST_F(Multiplications, TheFastestWayIsTakenAndOfEqualOnesTheFirst) {
  plan_->way_speeds = {0.5, 0.0, 0.99, 1.0, 0.7};
  EXPECT_EQ(measure(Precision::bf16).text("algorithm"), "way 2");
  plan_->way_speeds = {0.5, 0.9, 1.0};
  EXPECT_EQ(measure(Precision::bf16).text("algorithm"), "way 2");
}

TEST_F(Multiplications, TheFirstWayThatWorksIsDigestedOnAllGpus) {
  plan_->way_speeds = {0.0, 0.5, 1.0};
  const TimedRun run = measure(Precision::bf16);
  EXPECT_EQ(run.text("algorithm"), "way 2");
  EXPECT_EQ(run.text("common_algorithm"), "way 1");
  EXPECT_EQ(run.text("common_digest").size(), 16U);
}

TEST_F(Multiplications, WhereNoWayWorksTheLibrarysWordsAreTheReason) {
  plan_->way_speeds = {0.0};
  const TimedRun run = measure(Precision::bf16);
  EXPECT_TRUE(run.unavailable);
  EXPECT_EQ(run.thrown.front(), "the stand-in cannot do way 0");
}

TEST_F(Multiplications, AWrongBitIsFoundWithItsPlace) {
  plan_->rate_TFLOPs = 1e-3;  // 33 ms each, so an interval is one of them, and each is compared
  plan_->flip_at = 8;         // after 5 of the making
  for (const Precision precision : {Precision::bf16, Precision::tf32, Precision::fp8}) {
    plan_->products = 0;
    const TimedRun run = measure(precision, true);
    ASSERT_TRUE(run.result.mismatch);
    EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration "));
    EXPECT_THAT(*run.result.mismatch, HasSubstr("element 32768: expected "));
  }
}

TEST_F(Multiplications, AWrongBitOfHalfPrecisionIsShownAsSuch) {
  plan_->rate_TFLOPs = 1e-3;
  plan_->flip_at = 8;
  const TimedRun run = measure(Precision::fp16, true);
  ASSERT_TRUE(run.result.mismatch);
  EXPECT_THAT(*run.result.mismatch, HasSubstr("element 32768: expected " + expected_words(0, 128)));
}

TEST_F(Multiplications, AResultThatIsAlwaysTheSameAndWrongIsFound) {
  for (const Precision precision : {Precision::bf16, Precision::fp16, Precision::tf32, Precision::fp8}) {
    plan_->negates = false;
    EXPECT_FALSE(measure(precision).result.mismatch) << precision_name(precision);
    plan_->negates = true;
    const TimedRun run = measure(precision);
    ASSERT_TRUE(run.result.mismatch) << precision_name(precision);
    EXPECT_THAT(*run.result.mismatch, HasSubstr("rank 0 on n3: iteration "));
  }
}

TEST_F(Multiplications, LessMemoryMakesMatricesSmallerAndSaysSo) {
  settings_->gemm_size = 512;
  faults_->refuse_above_bytes = 64 * MiB;
  gpu_.facts.memory_bytes = 65 * MiB;
  const TimedRun run = measure(Precision::bf16);
  ASSERT_FALSE(run.result.error) << *run.result.error;
  EXPECT_NEAR(run.rate(8.0 * megaflops_256), 0.01, 0.0005);
  EXPECT_THAT(run.text("made_smaller"), HasSubstr("256 of 512 rows and columns"));
  EXPECT_EQ(run.text("unjudged_because"), "smaller matrices have another rate");
  gpu_.facts.memory_bytes = 64 * MiB;
  const TimedRun none = measure(Precision::bf16);
  EXPECT_TRUE(none.unavailable);
  EXPECT_THAT(none.thrown.front(), HasSubstr("GPU 0 (0000:5d:00.0) has"));
}

TEST_F(Multiplications, Fp8NeedsAdaOrLater) {
  gpu_.facts.major = 8;
  gpu_.facts.minor = 0;
  const TimedRun run = measure(Precision::fp8);
  EXPECT_TRUE(run.unavailable);
  EXPECT_EQ(run.thrown.front(), "GPU 0 (0000:5d:00.0) has compute capability 8.0, and fp8 needs 8.9");
  EXPECT_FALSE(measure(Precision::bf16).unavailable);
}

TEST_F(Multiplications, AFailingLibraryIsNotAFault) {
  settings_->open = []() -> std::unique_ptr<Multiplier> { throw Unavailable("built without CUDA"); };
  const TimedRun run = measure(Precision::bf16);
  EXPECT_TRUE(run.unavailable);
  EXPECT_EQ(run.thrown.front(), "built without CUDA");
}

TEST_F(Multiplications, AStuckGpuEndsAtTheDeadline) {
  faults_->stuck_at = 0;
  const test::TickingClock clock;
  const TimedRun run = measure(Precision::bf16, false, &clock);
  EXPECT_THAT(run.thrown.front(), HasSubstr("filling matrices on GPU 0 (0000:5d:00.0) did not end within"));
  ASSERT_EQ(plan_->alive.size(), 1U) << "the library's end may wait for the GPU";
  delete *plan_->alive.begin();
  *faults_ = {};
  EXPECT_FALSE(measure(Precision::bf16).result.error);
  EXPECT_TRUE(plan_->alive.empty());
  EXPECT_FALSE(run.unavailable);
}

TEST_F(Multiplications, ABurnTellsTheTrendAndWhatSlowedTheGpuDown) {
  plan_->rate_TFLOPs = 0.005;  // 6.7 ms each, 7 in an interval
  plan_->slower_each = 0.001;
  settings_->open_monitor = [](const std::string& address) {
    EXPECT_EQ(address, "0000:5d:00.0");
    return std::make_unique<ScriptedMonitor>();
  };
  EXPECT_EQ(burn_samples(*settings_), 20U);
  const TimedRun run = measure(Precision::bf16, true, nullptr, burn_samples(*settings_));
  ASSERT_FALSE(run.result.error) << *run.result.error;
  EXPECT_EQ(run.result.samples.values_us.size(), 20U);
  EXPECT_LT(run.number("rate_trend_percent"), -5.0);
  EXPECT_GE(run.number("monitor_samples"), 20.0);
  EXPECT_GT(run.number("throttled_percent"), 50.0);
  EXPECT_EQ(run.number("power_capped_percent"), 100.0);
  EXPECT_THAT(run.text("throttle_reasons"), HasSubstr("hw-thermal-slowdown ("));
  EXPECT_GT(run.number("sm_clock_median_MHz"), run.number("sm_clock_min_MHz"));
}

TEST(BurnSamples, AreAHundredOfAtMostASecondAndAtLeast50ms) {
  Settings settings;
  settings.burn_ns = 20'000'000'000;
  EXPECT_EQ(burn_interval_ns(settings), 200'000'000);
  EXPECT_EQ(burn_samples(settings), 100U);
  settings.burn_ns = 600'000'000'000;
  EXPECT_EQ(burn_samples(settings), 600U);
  settings.burn_ns = 1;
  EXPECT_EQ(burn_samples(settings), 1U);
}

}  // namespace
}  // namespace fabricheck::node::gpu
