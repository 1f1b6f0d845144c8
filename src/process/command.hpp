// Another program, run without a shell: an argument vector, a clean environment, a deadline.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck::process {

struct CommandEnd {
  std::optional<int> exit_status;  ///< none: it was killed by a signal, did not end in time, or never began
  std::string output;              ///< of standard output, at most `kMostOutput`
  std::string errors;              ///< of standard error, the same
  std::string failure;             ///< why there is no exit status, a part of a sentence; empty: there is one
};

inline constexpr std::size_t kMostOutput = std::size_t{64} << 20;

/// Runs `arguments[0]`, which is an absolute path, in a process group of its own; at the deadline the group
/// is killed. Nothing of this process's environment or descriptors is handed on.
CommandEnd run_command(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
                       std::chrono::milliseconds deadline);

}  // namespace fabricheck::process
