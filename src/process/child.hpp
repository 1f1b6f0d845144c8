// Work that may hang or crash, done in a forked child that is given up at a deadline.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::process {

/// A process that cannot be mistaken for a later one of the same number.
struct ProcessId {
  pid_t pid{};
  std::uint64_t start_ticks{};  ///< since boot, as /proc/PID/stat has it
  bool operator==(const ProcessId&) const = default;
};

/// Whether it is still there and not merely a zombie.
bool is_running(const ProcessId& process);

struct ChildEnd {
  bool in_time{true};  ///< false: the deadline came first and the child was killed
  std::optional<std::chrono::milliseconds> silence;  ///< not in time, and this limit of silence came first
  std::optional<int> status;  ///< of waitpid; none when it did not end, or somebody else took it
  /// The child, where it outlived SIGKILL: it sits in the kernel (state D), and is nobody's to wait for.
  std::optional<ProcessId> left_behind;
  std::string failure;  ///< why there was no child at all ("fork: …"); empty: there was one
};

/// Runs `work` with the writing end of a pipe in a child and gives what it writes to `take`, until `take`
/// returns false (all is there), the child ends, nothing comes for `silence`, which is asked again after each
/// piece, or the deadline. Never waits much longer than that, also for a child that cannot be killed. The
/// child has no other descriptor of this process, and leaves no core file. `started` is told of the child
/// before it is waited for.
ChildEnd run_in_child(const std::function<void(int)>& work, std::chrono::milliseconds deadline,
                      const std::function<bool(std::string_view)>& take,
                      const std::function<void(const ProcessId&)>& started = {},
                      const std::function<std::chrono::milliseconds()>& silence = {});
/// "ended with signal 11", "ended with status 1", "ended early".
std::string how_it_ended(const std::optional<int>& status);

}  // namespace fabricheck::process
