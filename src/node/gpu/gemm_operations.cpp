#include <algorithm>
#include <chrono>
#include <numeric>

#include "node/gpu/gemm.hpp"
#include "node/gpu/operations.hpp"

namespace fabricheck::node::gpu {
namespace {

constexpr std::int64_t look_ns = 100'000'000;

std::unique_ptr<GpuMonitor> open_monitor(const Settings& settings, const cuda::Device& device) {
  return settings.open_monitor ? settings.open_monitor(device.facts().pci_address) : nullptr;
}

/// What both tell: the multiplication, and what the GPU said of itself meanwhile.
class GemmOperation : public TimedOperation {
 public:
  GemmOperation(const SharedSetup& setup, const Settings& settings, const TimedRequest& request,
                Precision precision)
      : gemm_(setup, settings, request, precision),
        log_(open_monitor(settings, gemm_.device()), *request.clock, look_ns) {}

  bool verifies_each() const override { return false; }
  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = gemm_.path();
    if (!log_.samples().empty() || !rates_.empty()) path.merge(path_of(summarise(log_.samples(), rates_)));
    return path;
  }

 protected:
  Gemm gemm_;
  MonitorLog log_;
  std::vector<double> rates_;  ///< multiplications per microsecond
};

class GemmRate final : public GemmOperation {
 public:
  using GemmOperation::GemmOperation;

  void run(std::uint64_t, std::span<double> times_us) override {
    gemm_.run(times_us, gemm_.passes(), [this] { log_.look(); });
  }
  Verified verify(std::uint64_t first, std::size_t count) override {
    return {1, gemm_.verify(first + count - 1)};
  }
};

class Burn final : public GemmOperation {
 public:
  Burn(const SharedSetup& setup, const Settings& settings, const TimedRequest& request, Precision precision)
      : GemmOperation(setup, settings, request, precision),
        interval_us_(static_cast<double>(burn_interval_ns(settings)) / 1e3),
        once_us_(gemm_.once_us()),
        clock_(*request.clock) {}

  void run(std::uint64_t first, std::span<double> times_us) override {
    comparing_us_ = 0.0;
    for (std::size_t i = 0; i < times_us.size(); ++i) {
      const auto count = static_cast<std::size_t>(std::max(1.0, interval_us_ / std::max(once_us_, 0.1)));
      singles_us_.assign(count, 0.0);
      gemm_.run(singles_us_, 1, [this] { log_.look(); });
      log_.look_now();
      once_us_ = std::accumulate(singles_us_.begin(), singles_us_.end(), 0.0) / static_cast<double>(count);
      times_us[i] = once_us_ * static_cast<double>(gemm_.passes());
      if (once_us_ > 0.0) rates_.push_back(1.0 / once_us_);
      const std::int64_t begun_ns = clock_.now_ns();
      ++compared_;
      if (auto wrong = gemm_.verify(first + i); wrong && !mismatch_) mismatch_ = wrong;
      comparing_us_ += static_cast<double>(clock_.now_ns() - begun_ns) / 1e3;
    }
  }

  Verified verify(std::uint64_t, std::size_t) override { return {std::exchange(compared_, 0), mismatch_}; }
  double comparing_us() const override { return comparing_us_; }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = GemmOperation::path();
    path["interval_s"] = interval_us_ / 1e6;
    return path;
  }

 private:
  double interval_us_;
  double once_us_;
  const Clock& clock_;
  double comparing_us_{};  ///< in the last run
  std::vector<double> singles_us_;
  std::uint64_t compared_{};
  std::optional<Mismatch> mismatch_;
};

}  // namespace

std::unique_ptr<TimedOperation> make_gemm(const SharedSetup& setup, const SharedSettings& settings,
                                          const TimedRequest& request, Precision precision) {
  return std::make_unique<GemmRate>(setup, settings_or_default(settings), request, precision);
}

std::unique_ptr<TimedOperation> make_burn(const SharedSetup& setup, const SharedSettings& settings,
                                          const TimedRequest& request, Precision precision) {
  return std::make_unique<Burn>(setup, settings_or_default(settings), request, precision);
}

}  // namespace fabricheck::node::gpu
