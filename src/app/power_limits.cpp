#include "app/power_limits.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/units.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

constexpr double lowered_share = 0.98;

bool hangs_on_power(const CheckRecord& check) {
  return check.value && (check.id.starts_with("gpu.gemm.") || check.id.starts_with("gpu.burn."));
}

struct Limited {
  std::vector<std::string> hosts;
  int gpus{};
};

}  // namespace

std::vector<Finding> power_limit_findings(std::span<const CheckRecord> checks,
                                          const ClusterTopology& topology) {
  std::vector<std::string> explained;
  for (const CheckRecord& check : checks)
    if (hangs_on_power(check) && std::find(explained.begin(), explained.end(), check.id) == explained.end())
      explained.push_back(check.id);
  if (explained.empty()) return {};
  std::map<std::pair<double, double>, Limited> by_limit;
  for (std::size_t i = 0; i < topology.hosts.size(); ++i) {
    const Host host = topology::whole_host(topology, i);
    for (const Gpu& gpu : host.gpus) {
      if (!gpu.power_limit_W || !gpu.default_power_limit_W) continue;
      if (*gpu.power_limit_W >= lowered_share * *gpu.default_power_limit_W) continue;
      Limited& limited = by_limit[{*gpu.power_limit_W, *gpu.default_power_limit_W}];
      ++limited.gpus;
      if (limited.hosts.empty() || limited.hosts.back() != host.name) limited.hosts.push_back(host.name);
    }
  }
  std::vector<Finding> findings;
  for (const auto& [watts, limited] : by_limit) {
    const std::string limit = format_number(watts.first), usual = format_number(watts.second);
    Finding finding;
    finding.slug = "gpu-power-limit-lowered";
    finding.severity = Severity::info;
    finding.component = {"cluster", "GPUs", ""};
    finding.meaning = fmt::format(
        "{} of {} {} held to {} W where {} W is the default: under full load clocks fall sooner, and matrix "
        "rates are below those that were published",
        limited.gpus == 1 ? "1 GPU" : fmt::format("{} GPUs", limited.gpus),
        topology::fold_names(limited.hosts), limited.gpus == 1 ? "is" : "are", limit, usual);
    finding.advice = fmt::format(
        "If nobody wanted that: nvidia-smi -pl {} on these hosts, with the persistence daemon, without which "
        "it is forgotten. If it is meant, hold the rates against your own with --targets.",
        usual);
    finding.confirm = "nvidia-smi -q -d POWER";
    finding.confidence = "certain";
    finding.explains = explained;
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace fabricheck::app
