#include "app/gpu_pairs.hpp"

#include <sstream>

#include <fmt/format.h>

#include "fabric/nvlink/bad_pairs.hpp"
#include "fabric/nvlink/catalog.hpp"
#include "fabric/nvlink/judgement.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
PairTargets gpu_pair_targets(const std::vector<RankGpu>& gpus, const ClusterTopology& topology,
                             const Platform* platform) {
  PairTargets targets;
  for (std::size_t index = 0; index < topology.hosts.size(); ++index) {
    const Host host = topology::whole_host(topology, index);
    for (const RankPlace& from : topology.ranks)
      for (const RankPlace& to : topology.ranks) {
        if (from.rank == to.rank || from.host != static_cast<int>(index) || to.host != from.host) continue;
        const auto a = nvlink::gpu_at(host, gpus[static_cast<std::size_t>(from.rank)].pci_address);
        const auto b = nvlink::gpu_at(host, gpus[static_cast<std::size_t>(to.rank)].pci_address);
        if (!a || !b || *a == *b) continue;
        if (const auto target = nvlink::pair_target(nvlink::expect_pair(host, *a, *b, platform)))
          targets.emplace(std::pair(from.rank, to.rank), *target);
      }
  }
  return targets;
}

std::string pair_targets_to_text(const PairTargets& targets) {
  std::string text;
  for (const auto& [pair, target] : targets)
    text += fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\n", pair.first, pair.second, target.value, target.check,
                        target.unit, target.statistic, target.source);
  return text;
}

PairTargets pair_targets_from_text(const std::string& text) {
  PairTargets targets;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string from, to, value;
    Target target;
    target.comparison = Comparison::at_least;
    std::getline(fields, from, '\t');
    std::getline(fields, to, '\t');
    std::getline(fields, value, '\t');
    std::getline(fields, target.check, '\t');
    std::getline(fields, target.unit, '\t');
    std::getline(fields, target.statistic, '\t');
    std::getline(fields, target.source);
    target.value = std::stod(value);
    targets.emplace(std::pair(std::stoi(from), std::stoi(to)), std::move(target));
  }
  return targets;
}

void use_pair_targets(PairTargets targets, plan::Request& request) {
  request.gpu_pair_target = [targets = std::move(targets)](const CheckRow& row, std::uint64_t bytes,
                                                           const plan::Pair& pair) -> std::optional<Target> {
    const auto found = targets.find({pair.from, pair.to});
    // In smaller copies what each costs to begin counts.
    if (found == targets.end() || found->second.check != row.id || bytes < nvlink::pair_bytes)
      return std::nullopt;
    return found->second;
  };
}

JudgedPairs judge_gpu_pairs(std::span<const CheckRecord> checks, const ClusterTopology& topology,
                            const Platform* platform) {
  JudgedPairs judged;
  std::vector<nvlink::JudgedPair> pairs;
  for (std::size_t index = 0; index < topology.hosts.size(); ++index) {
    const std::string& name = topology.hosts[index].name;
    const Host host = topology::whole_host(topology, index);
    for (const CheckRecord& check : checks) {
      if (!check.id.starts_with("nvlink.pair.") || check.participants.empty() ||
          check.participants.front() != name)
        continue;
      const auto from = nvlink::gpu_at(host, path_text(check, "gpu_from")),
                 to = nvlink::gpu_at(host, path_text(check, "gpu_to"));
      if (!from || !to) continue;
      CheckRecord noted = check;
      nvlink::note_topology(noted, host);
      const nvlink::PairExpectation expected = nvlink::expect_pair(host, *from, *to, platform);
      const auto finding = nvlink::pair_finding(check, expected);
      pairs.push_back({check, expected, finding});
      if (finding) {
        noted.verdict = Verdict::fail;
        noted.reason = nvlink::pair_reason(*finding, expected);
      }
      if (noted != check) judged.checks.push_back(std::move(noted));
    }
  }
  judged.findings = nvlink::findings_of(pairs);
  return judged;
}

}  // namespace fabricheck::app
