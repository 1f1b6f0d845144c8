// What a program leaves that is told to end before it is through.
#pragma once

#include <functional>
#include <mutex>
#include <thread>

#include "core/descriptor.hpp"

namespace fabricheck::app {

/// While it lives, SIGTERM does not end the process at once: a thread of its own waits for it, calls `leave`
/// and ends the process with the status that it returns. `leave` has but a moment: SIGKILL follows.
class LeaveAtSigterm {
 public:
  /// Children that are made from now on inherit that SIGTERM is held back; they end with this process.
  explicit LeaveAtSigterm(std::function<int()> leave);
  ~LeaveAtSigterm();
  LeaveAtSigterm(const LeaveAtSigterm&) = delete;
  LeaveAtSigterm& operator=(const LeaveAtSigterm&) = delete;

  /// While it is held, `leave` does not run: for changing what it tells.
  [[nodiscard]] std::unique_lock<std::mutex> hold() { return std::unique_lock(gate_); }

  /// From now on `leave` does not run any more, and SIGTERM changes nothing while this lives.
  void disarm();

 private:
  void watch();
  std::function<int()> leave_;
  std::mutex gate_;
  bool is_armed_{true};
  Descriptor signals_, stop_;
  std::thread watcher_;
};

}  // namespace fabricheck::app
