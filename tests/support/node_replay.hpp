// Looks at recorded machines with the noise that a good one has: what the replays of node/ are made of.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "node/catalog.hpp"
#include "node/drain.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::node {

/// What topology/judge says of a host, as the program has it.
inline NodeFacts facts_of(const Host& host) {
  NodeFacts facts;
  facts.host = host;
  facts.nvml_deadline_s = 1.25;
  ClusterTopology cluster = topology::merge_hosts({host});
  topology::Judged judged = topology::judge_devices(cluster);
  facts.topology_checks.push_back(std::move(judged.check));
  facts.topology_findings = std::move(judged.findings);
  facts.kernel_log.events.emplace();
  return facts;
}

class Noise {
 public:
  explicit Noise(std::uint64_t seed) : random_(seed) {}

  bool chance(double probability) { return std::uniform_real_distribution<>(0, 1)(random_) < probability; }
  std::size_t below(std::size_t limit) {
    return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random_);
  }

  /// One look at the machine: counters that move, values that cannot be read, moments of throttling, GPUs at
  /// rest.
  Host look(Host host) {
    for (Gpu& gpu : host.gpus) {
      if (gpu.status != "answers") continue;
      if (gpu.health) {
        GpuHealth& health = *gpu.health;
        if (chance(0.5)) health.pcie_replays = below(100'000);
        if (chance(0.5)) health.ecc_corrected = below(100'000);
        if (chance(0.3))
          health.nvlink_errors.push_back({static_cast<int>(below(18)), below(1000), below(10), 5, 5});
        if (chance(0.05)) health.throttle_reasons = {"hw-power-brake", "hw-thermal-slowdown"};
        if (chance(0.05)) health.throttle_reasons.reset();
        if (chance(0.02)) health.ecc_uncorrected.reset();
        if (chance(0.02)) gpu.health.reset();
      }
      if (chance(0.3)) gpu.pcie.speed_GTps = 2.5;  // at rest
      if (chance(0.02)) gpu.pcie = {};
      if (chance(0.02)) gpu.fabric.reset();
      if (chance(0.02) && !gpu.nvlinks.empty()) gpu.nvlinks[below(gpu.nvlinks.size())].active.reset();
      if (chance(0.01)) gpu.nvlinks.clear();
      if (chance(0.01)) {  // NVML failed in a way that says nothing of it
        gpu.status = "state not known";
        gpu.problem = "nvmlDeviceGetHandleByIndex_v2: Unknown Error (999)";
        gpu.health.reset();
        gpu.nvlinks.clear();
      }
    }
    for (RdmaDevice& nic : host.rdma_devices) {
      for (RdmaPort& port : nic.ports) {
        if (chance(0.05))
          port.state = "DOWN";  // a cable that is being changed: whether it should be up nobody told
        if (chance(0.02)) port.state.clear();
        if (chance(0.02)) port.gids.clear();
        if (chance(0.02)) port.rate_Gbps.reset();
      }
    }
    for (PciNode& node : host.pci)
      if (chance(0.01)) node.link = {};
    return host;
  }

  /// A call of NVML that came late in one of two looks: the driver as a whole, or one GPU.
  void slow_call(Host& host) {
    if (host.gpus.empty()) return;
    const bool whole = chance(0.5);
    const std::size_t at = below(host.gpus.size());
    for (std::size_t i = 0; i < host.gpus.size(); ++i) {
      if (!whole && i < at) continue;
      Gpu& gpu = host.gpus[i];
      gpu.status = "not answering";
      gpu.health.reset();
      gpu.nvlinks.clear();
      const char* const why = "NVML did not return within 1.25 s";
      gpu.problem = whole ? fmt::format("not reached: {} (nvmlInit_v2)", why)
                    : i == at
                        ? fmt::format("{} (nvmlDeviceGetTotalEccErrors)", why)
                        : fmt::format("not reached: {} (nvmlDeviceGetTotalEccErrors for GPU {})", why, at);
    }
  }

  void system(NodeFacts& facts) {
    constexpr std::array kOfJobs{13, 31, 43, 45, 69};
    while (chance(0.3))
      facts.kernel_log.events->push_back({"Xid", kOfJobs.at(below(kOfJobs.size())), "0000:18:00", "x"});
    if (chance(0.02))
      facts.kernel_log = {std::nullopt, false, "/dev/kmsg: Operation not permitted", std::nullopt};
    for (const char* const kind :
         {"pcie_replays", "local_ack_timeout_err", "packet_seq_err", "symbol_error"}) {
      const auto moved = static_cast<double>(below(1'000'000));
      facts.counters.push_back(
          {std::string("mlx5_0/1 ") + kind, kind, moved, chance(0.1) ? std::nullopt : std::optional(moved)});
    }
    facts.file_systems = {{"/scratch", true, false, 1U << 30U, "", chance(0.02) ? "Stale file handle" : "",
                           false, chance(0.02) ? "Permission denied" : ""}};
    if (chance(0.02)) facts.file_systems.front().mounted.reset();
    facts.clock = {true, 0.01, ""};
    if (chance(0.02)) facts.clock = {std::nullopt, std::nullopt, "adjtimex: Function not implemented"};
    facts.shared_memory.bytes = 64U << 20U;
    if (chance(0.02)) facts.shared_memory.bytes.reset();
    if (chance(0.01)) {
      facts.host.reset();
      facts.host_unknown = "the devices could not be looked at: did not answer within 2000 ms";
      facts.topology_checks.clear();
      facts.topology_findings.clear();
    }
  }

 private:
  std::mt19937_64 random_;
};

/// Two noisy looks at a machine, and what becomes of the node; configured to drain, with limits that never
/// hold.
inline Decision replay(const Host& machine, const NodeConfig& config, const std::vector<PlannedRow>& plan,
                       Noise& noise) {
  constexpr double kSlowCalls = 0.1;
  const std::size_t slow = noise.chance(kSlowCalls) ? noise.below(2) : 2;
  std::array<Judgement, 2> looks;
  for (std::size_t i = 0; i < looks.size(); ++i) {
    Host seen = noise.look(machine);
    if (i == slow) noise.slow_call(seen);
    NodeFacts facts = facts_of(seen);
    noise.system(facts);
    looks.at(i) = judge(plan, facts, config, machine.name);
  }
  DrainQuestion question;
  question.node = "node1";
  question.faults = seen_twice(looks[0].faults, looks[1].faults);
  if (!looks[0].unclear.empty() && !looks[1].unclear.empty()) question.unclear = looks[1].unclear.front();
  question.nodes = {{"node1", "IDLE", "", std::nullopt, {"main"}}};
  return decide(question, config);
}

/// That of a site which asks for what the noisy machines have.
inline NodeConfig replay_config() {
  NodeConfig config;
  config.mode = DrainMode::drain;
  config.max_drain_percent = 100;
  config.max_drain_per_hour = 1000;
  config.file_systems = {{"/scratch", true, 1U << 20U}};
  config.clock_synchronised = true;
  config.shm_bytes_min = 1U << 20U;
  return config;
}

}  // namespace fabricheck::node
