// From options, environment and facts about this machine to the mpirun command. Pure: nothing is read or
// started.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/host_list.hpp"
#include "app/options.hpp"

namespace fabricheck::app {

using Environment = std::map<std::string, std::string>;

/// What `launch` knows about the machine that it runs on.
struct LaunchFacts {
  int gpus{};
  int cpus{1};                         ///< that this process may use
  std::string host_name;               ///< as gethostname says
  std::vector<std::string> addresses;  ///< this machine's, as in "10.0.0.7"
  std::string program;                 ///< path of this program
  bool is_root{};
  bool stdout_is_terminal{};
  std::string hostfile_text;  ///< what LaunchOptions::hostfile holds; read by the caller
};

struct LaunchPlan {
  std::vector<std::string> argv;                ///< mpirun and its arguments
  Environment environment;                      ///< to be added to the child's
  std::vector<LaunchHost> hosts;                ///< in rank order; rank 0 is on the first
  std::vector<std::string> explanation;         ///< sentences that say why it is launched so
  bool first_host_is_here{};                    ///< rank 0, which writes the result, runs on this machine
  std::optional<std::chrono::seconds> timeout;  ///< after which mpirun ends the job
};

/// Ranks on each host: what the host list says, then --ranks-per-node, then Slurm's GPUs, then this machine's
/// GPUs, else two. Throws UsageError when the hosts cannot be what is meant (see host_list.hpp), both lists
/// are given, a host is outside of the Slurm allocation, or launch was itself started as a rank of a job.
LaunchPlan plan_launch(const LaunchOptions& options, const Environment& environment,
                       const LaunchFacts& facts);

/// mpirun's options with which it notices a dead link by itself, clearly later than the ranks' watchdog,
/// which calls a rank hung after `silence`.
std::vector<std::string> keepalive_words(std::chrono::nanoseconds silence);

/// One line that a shell takes back as exactly these words.
std::string shell_command(const std::vector<std::string>& argv);

/// How mpirun ended and what it left.
struct JobEnding {
  int code{};                   ///< its exit status
  bool killed{};                ///< by a signal of its own; code is then without meaning
  bool interrupted{};           ///< SIGINT or SIGTERM was passed on to it
  bool timed_out{};             ///< the deadline of the whole job had passed
  bool wrote_result{};          ///< the result or the journal changed since the start
  bool result_is_here{true};    ///< rank 0 ran on this machine, so that it would be seen
  std::optional<int> recorded;  ///< exit_status of the result, when it was written and could be read
};

struct JobOutcome {
  int exit_status{};
  std::string sentence;  ///< empty when there is nothing to say beyond the report
};

/// The designed exit status: 0 to 4 of the program pass through; codes of mpirun become 3 (never began) or 4
/// (a rank was lost). mpirun's own failure is 1 too, and is told apart by no result having been written.
JobOutcome job_outcome(const JobEnding& ending);

}  // namespace fabricheck::app
