// The injected clock: every measured time comes from one of these.
#pragma once

#include <chrono>
#include <cstdint>
#include <thread>

namespace fabricheck {

/// A monotonic clock. Under a simulator the real clock is not the measured one, so nothing reads std::chrono
/// itself.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Nanoseconds since an arbitrary start; never goes back.
  virtual std::int64_t now_ns() const = 0;
  /// Gives the core away for about `ns` of this clock's time.
  virtual void sleep_ns(std::int64_t ns) const { std::this_thread::sleep_for(std::chrono::nanoseconds(ns)); }
};

/// std::chrono::steady_clock.
class SteadyClock final : public Clock {
 public:
  std::int64_t now_ns() const override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

/// What a rank knows of the common time: common = local + offset + skew * (local - reference).
struct CommonClock {
  double offset_ns{};
  double skew{};  ///< dimensionless rate difference
  std::int64_t reference_ns{};
  double error_us{};  ///< half-width: how far two ranks' common times may be apart, in microseconds

  double to_common_ns(std::int64_t local_ns) const {
    return static_cast<double>(local_ns - reference_ns) * (1.0 + skew) + offset_ns;
  }
  /// Inverse of to_common_ns.
  std::int64_t to_local_ns(double common_ns) const {
    return reference_ns + static_cast<std::int64_t>((common_ns - offset_ns) / (1.0 + skew));
  }
};

}  // namespace fabricheck
