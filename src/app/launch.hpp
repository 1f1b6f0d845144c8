// Runs mpirun: passes signals on, keeps a deadline, and turns how it ended into the designed exit status.
#pragma once

#include <chrono>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>

#include "app/launch_plan.hpp"
#include "app/options.hpp"

namespace fabricheck::app {

struct LaunchContext {
  Environment environment;  ///< what mpirun gets, and where PATH and Slurm's variables are looked up
  LaunchFacts facts;        ///< hostfile_text is filled in by launch()
  std::ostream* out{};      ///< the command of --dry-run
  std::ostream* err{};      ///< everything else that is said
  /// exit_status of the result in this folder, when there is one that can be read. May be empty.
  std::function<std::optional<int>(const std::string& out_directory)> recorded_exit_status;
  std::chrono::milliseconds grace{10'000};  ///< after the deadline or a signal, before mpirun is killed
};

/// This process's environment.
Environment current_environment();

/// What there is to know without probing; `gpus` comes from the caller.
LaunchFacts local_facts(int gpus);

/// Starts the job and waits for it; returns the exit status. Throws UsageError when the launch cannot be what
/// is meant. SIGINT and SIGTERM are passed on once. To be called from the main thread, before others are
/// started: it waits for signals, and mpirun ends with the thread that started it.
int launch(const LaunchOptions& options, const LaunchContext& context);

}  // namespace fabricheck::app
