// The watchdog: hears every rank over TCP of its own, makes no MPI call, and ends a job that can no longer
// end itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "control/incident.hpp"
#include "core/progress.hpp"

namespace fabricheck::control {

struct WatchdogOptions {
  int rank{};
  int size{};
  std::vector<std::string> hosts;  ///< host of each rank; may be empty on ranks other than 0
  double silence_s{5.0};
  double deadline_s{30.0};
  /// On rank 0 only, on the watchdog's thread: writes what there is and gives the exit status.
  std::function<int(const Incident&)> on_incident;
  /// Once, on the watchdog's thread of every rank, before it ends the process with this status or its
  /// launcher does: for what would be left behind. Must come back soon.
  std::function<void(int)> put_away;
  /// How the process ends; _exit unless a test says otherwise.
  std::function<void(int)> end_process;
};

class Watchdog {
 public:
  /// Call before MPI starts any thread: SIGINT and SIGTERM are then only taken by the watchdog's thread.
  static void block_signals();

  Watchdog(WatchdogOptions options, Progress& progress);
  /// Stops the thread; makes no MPI call.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Rank 0: opens the listening socket and returns where, "token port address address …", for the other
  /// ranks' start(). Throws Error when no socket can be had.
  std::string listen();
  /// Starts the thread; other ranks connect to `contact` first. Returns false, with a reason, when rank 0 did
  /// not answer: then this rank is watched by its own deadline alone. Throws Error where no thread can be
  /// had.
  bool start(const std::string& contact, std::string& reason);

  /// Tells rank 0 that this rank cannot go on, and waits for the end of the process. Never returns.
  [[noreturn]] void fail(const std::string& text);
  /// Nothing need move for so long, where the deadline is shorter; 0: the deadline holds again, and time
  /// counts from now. See Patience.
  void be_patient(double seconds);
  /// Before MPI_Finalize: from here on a closed connection is no loss.
  void goodbye();
  /// Rank 0: those whose heartbeats stayed away for longer than `silence_s` although they took part in what
  /// all ranks did meanwhile.
  std::vector<int> unheard() const;

 private:
  class Thread;
  std::unique_ptr<Thread> thread_;
};

/// A phase in which nothing may move for longer than the deadline, as where a driver starts. Every rank has
/// one at the same place, and rank 0 leaves its own only when all are through.
class Patience {
 public:
  Patience(Watchdog* watchdog, double seconds);  ///< nullptr: nobody watches
  ~Patience();
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;

 private:
  Watchdog* watchdog_;
};

}  // namespace fabricheck::control
