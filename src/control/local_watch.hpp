// The watchdog of ranks that are all in this process: for a world of one rank, and for ranks that are
// threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/incident.hpp"
#include "core/progress.hpp"

namespace fabricheck::control {

struct LocalWatchOptions {
  std::string host;
  double deadline_s{30.0};
  /// On the watch's thread: writes what there is and gives the exit status.
  std::function<int(const Incident&)> on_incident;
  /// How the process ends; _exit unless a test says otherwise.
  std::function<void(int)> end_process;
};

/// Ends the process when it is told to by SIGINT or SIGTERM, which Watchdog::block_signals() must have
/// blocked before there was a second thread, or when none of its ranks moves for so long.
class LocalWatch {
 public:
  /// Throws Error where no thread can be had.
  explicit LocalWatch(LocalWatchOptions options);
  /// Stops the thread.
  ~LocalWatch();
  LocalWatch(const LocalWatch&) = delete;
  LocalWatch& operator=(const LocalWatch&) = delete;

  /// From here on standstill counts. `ranks` must live until goodbye().
  void begin(std::vector<const Progress*> ranks);
  /// All is done: from here on nothing ends the process.
  void goodbye();

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

}  // namespace fabricheck::control
