// A deadline for calls that cannot be cancelled and come before or after the watchdog's time.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

#include "core/verdict.hpp"

namespace fabricheck::control {

struct GuardedCall {
  std::string what;
  double seconds{};
  int status{exit_status::rank_lost};  ///< unless a verdict was already written
  std::string why{"some rank or the link to it is stopped"};
  double remark_after_s{};  ///< when to say that it still goes on, and why that may be; 0: never
};

/// While it lives the process has so many seconds to go on; then it says which call did not return, and
/// where, and ends with the status. Where no thread can be had there is no deadline.
class DeadlineGuard {
 public:
  explicit DeadlineGuard(GuardedCall call);
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
