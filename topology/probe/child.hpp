// Work that may hang or crash, done in a forked child that is given up at a deadline.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::topology {

struct ChildEnd {
  bool in_time{true};         ///< false: the deadline came first and the child was killed
  std::optional<int> status;  ///< of waitpid; none when it did not end, or somebody else took it
  std::string failure;        ///< why there was no child at all ("fork: …"); empty: there was one
};

/// Runs `work` with the writing end of a pipe in a child and gives what it writes to `take`, until `take`
/// returns false (all is there), the child ends, or the deadline. Never waits much longer than that, also for
/// a child that cannot be killed. The child has no other descriptor of this process, and leaves no core file.
ChildEnd run_in_child(const std::function<void(int)>& work, std::chrono::milliseconds deadline,
                      const std::function<bool(std::string_view)>& take);

/// "ended with signal 11", "ended with status 1", "ended early".
std::string how_it_ended(const std::optional<int>& status);

}  // namespace fabricheck::topology
