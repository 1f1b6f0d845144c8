// One look at a node: everything that is probed, each part where it cannot hang this process.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/topology_checks.hpp"
#include "core/node_config.hpp"
#include "core/node_state.hpp"
#include "node/facts.hpp"
#include "node/isolation.hpp"
#include "process/child.hpp"

namespace fabricheck::app {

struct LookOptions {
  std::string sysroot{"/"};
  bool skip_gpus{};                      ///< the job has none
  std::chrono::milliseconds patience{};  ///< for the devices
  double now_unix_s{};
  /// Called with what is known without waiting for anybody, before devices are looked at, which may take
  /// long.
  std::function<void(const node::NodeFacts&)> before_devices;
};

/// What the child that looks at devices said so far.
struct DeviceAnswer {
  std::string at;                            ///< the NIC that was being read last; empty: none is any more
  std::int64_t at_since_ns{};                ///< by the steady clock
  std::optional<process::ProcessId> asking;  ///< who asks NVML
  std::optional<process::ProcessId> left;    ///< the same, where it cannot be killed
  std::vector<node::CounterFact> counters;
  std::string json;  ///< the host; empty: it did not come so far
};
DeviceAnswer device_answer(std::string_view text);

/// Never throws for what a node lacks or hides.
node::NodeFacts look_at_node(const LookOptions& options, const NodeConfig& config, const TopologyWords& words,
                             const NodeState& last, node::Isolation& isolation);

struct VisitEnd {
  NodeState last;  ///< what this visit began with
  NodeState now;   ///< what is there at its end: another visit may have come in between
  std::string boot;
  double unix_s{};
  bool is_by_hand{};    ///< the visits around jobs are to see what it saw, too
  bool keeps_events{};  ///< an XID was seen and nothing came of it: the next visit is to see it again
};

/// How long the second look waits, which takes `patience` at most: long enough for a GPU's reset to be over,
/// where what is left of the budget allows it.
std::chrono::milliseconds pause_between_looks(std::chrono::milliseconds left,
                                              std::chrono::milliseconds patience);

/// What the next visit has to know.
NodeState state_after(const node::NodeFacts& facts, const VisitEnd& end, const node::Isolation& isolation);

}  // namespace fabricheck::app
