// What a GPU says of itself while it works: asked meanwhile, summed up afterwards.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/run_record.hpp"

namespace fabricheck::node::gpu {

/// One look. Unset: not told.
struct GpuSample {
  std::optional<int> sm_clock_MHz;
  std::optional<double> power_W;
  std::optional<int> temperature_C;
  std::optional<std::vector<std::string>> throttle_reasons;  ///< words as in GpuHealth::throttle_reasons
};

/// The part of NVML's answer that counts here.
GpuSample sample_of(const GpuHealth& health);

/// Tells how one GPU is now. sample() is called between looks at the GPU's work, several times a second, so
/// it must come back within milliseconds: what asks NVML asks it in another process or thread, and answers
/// with what it last heard. Nothing: nothing new, or it does not answer.
class GpuMonitor {
 public:
  virtual ~GpuMonitor() = default;
  virtual std::optional<GpuSample> sample() = 0;
};

/// Makes the monitor of the GPU at this PCI address ("0000:5d:00.0"); null: there is none.
using OpenMonitor = std::function<std::unique_ptr<GpuMonitor>(const std::string& pci_address)>;

struct MonitorSummary {
  std::size_t samples{};
  std::optional<int> sm_clock_min_MHz, sm_clock_median_MHz;
  std::optional<int> temperature_max_C;
  std::optional<double> power_median_W, power_max_W;
  /// Share of the looks that told reasons in which the hardware or its heat slowed the GPU down
  /// (hw-slowdown, hw-thermal-slowdown, sw-thermal-slowdown, hw-power-brake-slowdown), 0 to 1.
  std::optional<double> throttled_share;
  /// The same for sw-power-cap: a GPU at full load is held at its power limit, which is no fault.
  std::optional<double> power_capped_share;
  std::map<std::string, double> reason_shares;  ///< of each reason that slows down
  /// The last tenth's median rate against the first tenth's, percent; from 10 rates.
  std::optional<double> trend_percent;
};

/// Pure. `rates` in the order taken, any unit.
MonitorSummary summarise(std::span<const GpuSample> samples, std::span<const double> rates);

/// As a check's path tells it: "sm_clock_min_MHz", "throttled_percent", "throttle_reasons", ….
std::map<std::string, Parameter> path_of(const MonitorSummary& summary);

/// Asks a monitor at most every `interval_ns` and keeps what it said.
class MonitorLog {
 public:
  MonitorLog(std::unique_ptr<GpuMonitor> monitor, const Clock& clock, std::int64_t interval_ns)
      : monitor_(std::move(monitor)), clock_(clock), interval_ns_(interval_ns) {}
  /// Asks where the interval has passed.
  void look();
  /// Asks.
  void look_now();
  std::span<const GpuSample> samples() const { return samples_; }

 private:
  std::unique_ptr<GpuMonitor> monitor_;
  const Clock& clock_;
  std::int64_t interval_ns_;
  std::int64_t next_ns_{};
  std::vector<GpuSample> samples_;
};

}  // namespace fabricheck::node::gpu
