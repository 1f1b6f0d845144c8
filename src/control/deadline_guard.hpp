// A deadline for calls that cannot be cancelled and come before or after the watchdog's time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace fabricheck::control {

/// While it lives the process has `seconds` to go on; then it says which call did not return, and where, and
/// ends with `status` (4 unless a verdict was already written). Where no thread can be had there is no
/// deadline.
class DeadlineGuard {
 public:
  DeadlineGuard(std::string what, double seconds, int status = 4);
  ~DeadlineGuard();
  DeadlineGuard(const DeadlineGuard&) = delete;
  DeadlineGuard& operator=(const DeadlineGuard&) = delete;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool done_{};
  std::thread thread_;
};

}  // namespace fabricheck::control
