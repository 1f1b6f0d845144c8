#include "app/node_look.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <thread>

#include "app/probe_host.hpp"
#include "core/descriptor.hpp"
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

constexpr std::string_view kNvmlPartHead = "nvml GPU";

std::int64_t steady_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// What the child writes: "at SINCE_NS DEVICE" before each NIC, and without a device after them; "asking PID
/// START" for the process that asks NVML, "left PID START" where it cannot be killed; "counter VALUE NAME";
/// last the host as JSON.
void probe_devices(topology::ProbeOptions options, int descriptor) {
  options.at = [descriptor](const std::string& device) {
    write_all(descriptor, fmt::format("at {} {}\n", steady_ns(), device));
  };
  options.asking = [descriptor](std::int64_t pid, std::uint64_t start) {
    write_all(descriptor, fmt::format("asking {} {}\n", pid, start));
  };
  options.left_behind = [descriptor](std::int64_t pid, std::uint64_t start) {
    write_all(descriptor, fmt::format("left {} {}\n", pid, start));
  };
  const Host host = probe_this_host(options);
  for (const node::CounterFact& counter : node::read_counters(options.sysroot, host))
    write_all(descriptor, fmt::format("counter {} {}\n", counter.value, counter.name));
  write_all(descriptor, report::host_to_json(host));
}

std::optional<process::ProcessId> process_of(std::string_view words) {
  process::ProcessId child;
  const char* const stop = words.data() + words.size();
  const auto pid = std::from_chars(words.data(), stop, child.pid);
  if (pid.ec != std::errc{} || pid.ptr == stop ||
      std::from_chars(pid.ptr + 1, stop, child.start_ticks).ec != std::errc{})
    return std::nullopt;
  return child;
}

/// Whether a process that was killed is still there after a moment.
bool outlives_its_killing(const process::ProcessId& child) {
  const Deadline moment(milliseconds{200});
  while (process::is_running(child)) {
    if (moment.over()) return true;
    std::this_thread::sleep_for(milliseconds{5});
  }
  return false;
}

/// Keeps at which GPU the process hangs that cannot be killed, for those who will not ask again.
void name_stuck_gpu(const Host& host, node::Isolation& isolation) {
  for (const Gpu& gpu : host.gpus) {
    if (gpu.status != "not answering" || gpu.problem.starts_with("not reached")) continue;
    for (const StuckProbe& stuck : std::vector<StuckProbe>(isolation.stuck()))
      if (stuck.probe == kNvml)
        isolation.add_stuck(fmt::format("{}{}", kNvmlPartHead, gpu.index),
                            {static_cast<pid_t>(stuck.pid), stuck.start_ticks});
    return;
  }
}

/// NVML is not asked again while a process that did cannot be killed.
void take_stuck_nvml(const LookOptions& options, const node::Isolation& isolation, node::NodeFacts& facts) {
  constexpr double kSurelyHung_s = 20;
  const auto since = isolation.stuck_since(kNvml);
  if (!since) return;
  facts.nvml_stuck = "a process that asked NVML cannot be killed";
  facts.is_nvml_surely_stuck = options.now_unix_s - *since >= kSurelyHung_s;
  for (const StuckProbe& stuck : isolation.stuck()) {
    if (!stuck.probe.starts_with(kNvmlPartHead)) continue;
    facts.nvml_stuck_part = stuck.probe.substr(kNvmlPartHead.find("GPU"));
    if (stuck.since_unix_s >= options.now_unix_s) facts.is_nvml_surely_stuck = true;
  }
}

}  // namespace

DeviceAnswer device_answer(std::string_view text) {
  DeviceAnswer answer;
  while (!text.empty() && text.front() != '{') {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t blank = std::min(line.find(' '), line.size());
    const std::string_view kind = line.substr(0, blank);
    const std::string_view rest = line.substr(std::min(blank + 1, line.size()));
    const std::size_t next = std::min(rest.find(' '), rest.size());
    const std::string_view name = rest.substr(std::min(next + 1, rest.size()));
    const char* const stop = rest.data() + rest.size();
    if (kind == "at") {
      answer.at = topology::printable(name);
      std::from_chars(rest.data(), stop, answer.at_since_ns);
    } else if (kind == "asking") {
      answer.asking = process_of(rest);
    } else if (kind == "left") {
      answer.left = process_of(rest);
    } else if (kind == "counter") {
      node::CounterFact counter;
      counter.name = name;
      counter.kind = name.substr(std::min(name.rfind(' ') + 1, name.size()));
      if (std::from_chars(rest.data(), stop, counter.value).ec == std::errc{})
        answer.counters.push_back(std::move(counter));
    }
  }
  if (!text.empty() && text.front() == '{') answer.json = std::string(text);
  return answer;
}

namespace {

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
  probe.nvml_start = probe.nvml_silence = probe.nvml_deadline;
  facts.nvml_deadline_s = std::chrono::duration<double>(probe.nvml_deadline).count();
  take_stuck_nvml(options, isolation, facts);
  if (options.skip_gpus || !facts.nvml_stuck.empty()) probe.nvml_library.clear();
  const std::size_t stuck_before = isolation.stuck().size();
  const node::IsolatedAnswer answer =
      isolation.run(kDevices, options.patience, [&](int descriptor) { probe_devices(probe, descriptor); });
  DeviceAnswer taken = device_answer(answer.so_far);
  const bool is_newly_stuck = isolation.stuck().size() > stuck_before;
  if (answer.hung || answer.stuck) {
    constexpr std::int64_t kSurelyHung_ns = 1'000'000'000;
    facts.hung_device = taken.at;
    facts.is_surely_hung = answer.stuck || steady_ns() - taken.at_since_ns >= kSurelyHung_ns;
  }
  if (is_newly_stuck && !taken.at.empty()) {
    const StuckProbe child = isolation.stuck().back();
    isolation.add_stuck(std::string(kNicHead) + taken.at, {static_cast<pid_t>(child.pid), child.start_ticks});
  }
  if (answer.stuck && facts.hung_device.empty())
    for (const StuckProbe& stuck : isolation.stuck())
      if (stuck.probe.starts_with(kNicHead)) facts.hung_device = stuck.probe.substr(kNicHead.size());
  const bool has_answered = answer.text && !taken.json.empty();
  // This child's own end may have come before it could tell of the process that it had made for NVML.
  if (!has_answered && !taken.left && taken.asking && outlives_its_killing(*taken.asking))
    taken.left = taken.asking;
  if (taken.left) isolation.add_stuck(kNvml, *taken.left);
  if (!has_answered) {
    facts.host_unknown = "the devices could not be looked at: " +
                         (answer.problem.empty() ? std::string("their probe said nothing") : answer.problem);
    return;
  }
  try {
    facts.host = report::host_from_json(taken.json, "the devices' probe");
    facts.counters = std::move(taken.counters);
    if (taken.left) name_stuck_gpu(*facts.host, isolation);
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
  facts.shared_memory = node::look_at_shared_memory(options.sysroot);
  facts.clock = node::look_at_clock(options.sysroot);
  facts.kernel_log = node::read_kernel_log(options.sysroot, last.kernel_log);
  if (options.before_devices) options.before_devices(facts);
  look_at_devices(options, config, isolation, facts);
  judge_devices(config, words, facts);
  facts.file_systems = node::look_at_file_systems(options.sysroot, config.file_systems, isolation);
  node::add_rates(facts.counters, last, options.now_unix_s);
  return facts;
}

milliseconds pause_between_looks(milliseconds left, milliseconds patience) {
  constexpr milliseconds kLongest{1500};
  constexpr milliseconds kShortest{100};
  constexpr milliseconds kForTheRest{200};
  return std::min(std::clamp(left - patience - kForTheRest, kShortest, kLongest),
                  std::max(left, milliseconds{0}));
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
