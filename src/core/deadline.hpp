// Deadlines of waits: real time, whatever clock is measured with.
#pragma once

#include <chrono>

namespace fabricheck {

/// A moment that a wait must not outlast.
class Deadline {
 public:
  explicit Deadline(std::chrono::nanoseconds from_now) : end_(std::chrono::steady_clock::now() + from_now) {}
  bool over() const { return std::chrono::steady_clock::now() >= end_; }
  /// What is left, rounded up to whole milliseconds; never negative.
  std::chrono::milliseconds left() const {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(end_ - std::chrono::steady_clock::now());
    return rest.count() > 0 ? rest : std::chrono::milliseconds(0);
  }

 private:
  std::chrono::steady_clock::time_point end_;
};

}  // namespace fabricheck
