#include "app/node_look.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>

#include "app/probe_host.hpp"
#include "core/error.hpp"
#include "node/probes.hpp"
#include "report/report.hpp"
#include "topology/model/merge.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::milliseconds;

constexpr const char* kNvml = "nvml";
constexpr const char* kDevices = "devices";
constexpr std::string_view kNicHead = "nic ";

/// What the child writes: "at DEVICE" before each NIC, "left PID START" for a process that cannot be killed,
/// "probed", and last the host as JSON.
void probe_devices(topology::ProbeOptions options, int descriptor) {
  options.at = [descriptor](const std::string& device) {
    process::write_all(descriptor, "at " + device + "\n");
  };
  options.left_behind = [descriptor](std::int64_t pid, std::uint64_t start) {
    process::write_all(descriptor, fmt::format("left {} {}\n", pid, start));
  };
  const Host host = probe_this_host(options);
  process::write_all(descriptor, "at \n" + report::host_to_json(host));
}

struct DeviceAnswer {
  std::string at;    ///< the NIC that was being read last
  std::string json;  ///< empty: it did not come so far
};

DeviceAnswer take_lines(std::string_view text, node::Isolation& isolation) {
  DeviceAnswer answer;
  while (!text.empty() && text.front() != '{') {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    if (line.starts_with("at ")) answer.at = topology::printable(line.substr(3));
    if (!line.starts_with("left ")) continue;
    process::ProcessId child;
    const char* const stop = line.data() + line.size();
    const auto pid = std::from_chars(line.data() + 5, stop, child.pid);
    if (pid.ec == std::errc{} && pid.ptr != stop &&
        std::from_chars(pid.ptr + 1, stop, child.start_ticks).ec == std::errc{})
      isolation.add_stuck(kNvml, child);
  }
  if (!text.empty() && text.front() == '{') answer.json = std::string(text);
  return answer;
}

void look_at_devices(const LookOptions& options, const NodeConfig& config, node::Isolation& isolation,
                     node::NodeFacts& facts) {
  topology::ProbeOptions probe;
  probe.sysroot = options.sysroot;
  probe.nvml_library = config.nvml_library;
  probe.brief = true;
  // A child of NVML's that cannot be killed is waited for a moment, inside of the child that is given
  // `patience`.
  constexpr milliseconds kForKilling{750};
  probe.nvml_deadline = std::max(options.patience / 2, options.patience - kForKilling);
  facts.nvml_deadline_s = std::chrono::duration<double>(probe.nvml_deadline).count();
  if (options.skip_gpus) probe.nvml_library.clear();
  if (isolation.stuck_since(kNvml)) {
    facts.nvml_stuck = "a process that asked NVML cannot be killed";
    probe.nvml_library.clear();
  }
  const std::size_t stuck_before = isolation.stuck().size();
  const node::IsolatedAnswer answer =
      isolation.run(kDevices, options.patience, [&](int descriptor) { probe_devices(probe, descriptor); });
  const DeviceAnswer taken = take_lines(answer.so_far, isolation);
  if (answer.hung) facts.hung_device = taken.at;
  if (isolation.stuck().size() > stuck_before && !taken.at.empty() && answer.hung) {
    const StuckProbe child = isolation.stuck().back();
    isolation.add_stuck(std::string(kNicHead) + taken.at, {static_cast<pid_t>(child.pid), child.start_ticks});
  }
  if (answer.hung && facts.hung_device.empty())
    for (const StuckProbe& stuck : isolation.stuck())
      if (stuck.probe.starts_with(kNicHead)) facts.hung_device = stuck.probe.substr(kNicHead.size());
  if (!answer.text || taken.json.empty()) {
    facts.host_unknown = "the devices could not be looked at: " +
                         (answer.problem.empty() ? std::string("their probe said nothing") : answer.problem);
    return;
  }
  try {
    facts.host = report::host_from_json(taken.json, "the devices' probe");
  } catch (const Error& error) {
    facts.host_unknown = error.what();
  }
}

void judge_devices(const NodeConfig& config, const TopologyWords& words, node::NodeFacts& facts) {
  if (!facts.host) return;
  ClusterTopology cluster = topology::merge_hosts({*facts.host});
  TopologyVerdicts verdicts = judge_topology(cluster, words, config.gres, {}, {});
  facts.topology_checks = std::move(verdicts.checks);
  facts.topology_findings = std::move(verdicts.findings);
  facts.topology_not_tested = std::move(verdicts.not_tested);
}

}  // namespace

node::NodeFacts look_at_node(const LookOptions& options, const NodeConfig& config, const TopologyWords& words,
                             const NodeState& last, node::Isolation& isolation) {
  node::NodeFacts facts;
  facts.gpus_skipped = options.skip_gpus;
  look_at_devices(options, config, isolation, facts);
  judge_devices(config, words, facts);
  facts.file_systems = node::look_at_file_systems(options.sysroot, config.file_systems, isolation);
  facts.shared_memory = node::look_at_shared_memory(options.sysroot);
  facts.clock = node::look_at_clock(options.sysroot);
  facts.kernel_log = node::read_kernel_log(options.sysroot, last.kernel_log);
  if (facts.host) facts.counters = node::read_counters(options.sysroot, *facts.host);
  node::add_rates(facts.counters, last, options.now_unix_s);
  return facts;
}

NodeState state_after(const node::NodeFacts& facts, const VisitEnd& end, const node::Isolation& isolation) {
  NodeState state = end.now;
  state.boot_id = end.boot;
  state.stuck = isolation.stuck();
  // Of what is there now, those that are gone are forgotten, too.
  const node::Isolation others(end.now.stuck, end.unix_s, Deadline(milliseconds{0}));
  for (const StuckProbe& other : others.stuck())
    if (std::find(state.stuck.begin(), state.stuck.end(), other) == state.stuck.end())
      state.stuck.push_back(other);
  if (end.is_by_hand) return state;
  state.visited_unix_s = end.unix_s;
  // What could not be read now is compared with the older value next time.
  node::move_bases(state.counters, facts.counters, end.unix_s);
  const auto& mine = facts.kernel_log.position;
  const auto& theirs = end.now.kernel_log;
  const bool others_went_on = theirs != end.last.kernel_log && theirs && mine && theirs->file == mine->file &&
                              theirs->next > mine->next;
  if (mine && !end.keeps_events && !others_went_on) state.kernel_log = mine;
  return state;
}

}  // namespace fabricheck::app
