// The watchdog of a run with MPI: one over all ranks, or that of a rank alone.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/incident.hpp"
#include "app/options.hpp"
#include "app/places.hpp"
#include "app/world_check.hpp"
#include "control/agreement.hpp"
#include "control/local_watch.hpp"
#include "control/mpi_session.hpp"
#include "control/watchdog.hpp"
#include "core/progress.hpp"

namespace fabricheck::app {

class RunWatch {
 public:
  /// On the watchdog's thread of rank 0; returns the status to end with.
  using OnIncident = std::function<int(const control::Incident&, const IncidentFacts&)>;

  /// All of them must outlive this.
  RunWatch(const RunOptions& options, const LauncherFacts& launcher, const Places& places,
           control::MpiSession& session, Progress& progress, OnIncident on_incident);

  /// Collective. Throws Error where a rank alone cannot start a thread.
  std::optional<control::AgreedError> start();

  /// From here on a rank alone is watched; that over all ranks watches from its start.
  void begin();
  /// For control::Patience; nullptr of a rank alone.
  control::Watchdog* over_all() const { return watchdog_.get(); }
  /// On rank 0: ranks that it does not hear, and why not.
  const std::vector<std::string>& unwatched() const { return unwatched_; }
  /// Rank 0: those that took part without being heard, "rank 2 on node3".
  std::vector<std::string> unheard() const;
  /// Ends the run for all, and does not come back; of a rank alone it does nothing.
  void fail(const std::string& why);
  /// Nothing is watched any more.
  void goodbye();

 private:
  void start_alone();
  int ended_by(const control::Incident& incident);
  void end_process(int status) const;
  void wait_for_launcher() const;

  const RunOptions& options_;
  const LauncherFacts& launcher_;
  const Places& places_;
  control::MpiSession& session_;
  Progress& progress_;
  OnIncident on_incident_;
  std::unique_ptr<control::Watchdog> watchdog_;
  std::unique_ptr<control::LocalWatch> local_watch_;  ///< in place of the watchdog, of one rank alone
  std::vector<std::string> unwatched_;
  bool ends_by_dead_link_{};  ///< set and read by the watchdog's thread
};

/// The finding of RunWatch::unwatched(), of which there is at least one.
Finding not_watched(const std::vector<std::string>& unwatched);
/// The finding of RunWatch::unheard(), of which there is at least one.
Finding not_heard(const std::vector<std::string>& unheard);

}  // namespace fabricheck::app
