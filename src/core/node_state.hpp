// What one visit to a node leaves for the next.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

/// A child that could not be killed: what it was about is not tried again until it is gone.
struct StuckProbe {
  std::string probe;  ///< "nvml", "file system /scratch"
  std::int64_t pid{};
  std::uint64_t start_ticks{};  ///< tells it from a later process of the same number
  double since_unix_s{};
  bool operator==(const StuckProbe&) const = default;
};

/// Where the kernel log was read up to.
struct LogPosition {
  std::string file;
  std::uint64_t next{};  ///< of /dev/kmsg the sequence number, of a file the byte
  bool operator==(const LogPosition&) const = default;
};

/// What a counter was, and when.
struct CounterBase {
  double value{};
  double unix_s{};
  bool operator==(const CounterBase&) const = default;
};

struct NodeState {
  static constexpr int kVersion = 2;
  std::string boot_id;  ///< counters and processes of another boot are no longer there
  double visited_unix_s{};
  std::optional<LogPosition> kernel_log;
  std::map<std::string, CounterBase> counters;  ///< "GPU3 pcie_replays"
  std::vector<StuckProbe> stuck;
  bool operator==(const NodeState&) const = default;
};

}  // namespace fabricheck
