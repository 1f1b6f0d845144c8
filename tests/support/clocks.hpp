// Clocks that tests can set.
#pragma once

#include "core/clock.hpp"

namespace fabricheck::test {

/// Every look costs `tick_ns`; an operation adds its own time with advance().
class TickingClock final : public Clock {
 public:
  explicit TickingClock(std::int64_t tick_ns = 20) : tick_ns_(tick_ns) {}
  std::int64_t now_ns() const override { return now_ns_ += tick_ns_; }
  void sleep_ns(std::int64_t ns) const override { now_ns_ += ns; }
  void advance(std::int64_t ns) { now_ns_ += ns; }

 private:
  std::int64_t tick_ns_;
  mutable std::int64_t now_ns_{1'000'000'000};
};

/// The real clock as a host would read it whose own is `offset_ns` ahead and runs faster by `rate`.
class SkewedClock final : public Clock {
 public:
  SkewedClock(std::int64_t offset_ns, double rate)
      : offset_ns_(offset_ns), rate_(rate), start_ns_(real_.now_ns()) {}
  std::int64_t now_ns() const override { return at(real_.now_ns()); }
  /// What this clock shows when the real one shows `real_ns`.
  std::int64_t at(std::int64_t real_ns) const {
    return real_ns + offset_ns_ + static_cast<std::int64_t>(rate_ * static_cast<double>(real_ns - start_ns_));
  }

 private:
  SteadyClock real_;
  std::int64_t offset_ns_;
  double rate_;
  std::int64_t start_ns_;
};

}  // namespace fabricheck::test
