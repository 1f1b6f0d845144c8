#include "app/nccl_findings.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "app/incident.hpp"
#include "core/speaker.hpp"

namespace fabricheck::app {
namespace {

struct DifferingFact {
  const char* name;    ///< in a check's path
  const char* advice;  ///< goes on after "On n2: "
  const char* confirm;
};
constexpr std::array<DifferingFact, 3> differing{
    {{"nccl_network",
      "find why NCCL took another network: ibv_devinfo, /dev/infiniband in the container, NCCL_IB_DISABLE, "
      "NCCL_IB_HCA, NCCL_NET and NCCL_NET_PLUGIN in the environment, a plugin (libnccl-net.so) that is not "
      "installed there",
      "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,NET in the job: each rank says \"Using network …\""},
     {"nccl_gdr",
      "make GPUDirect RDMA possible: nvidia-peermem loaded, or DMA-BUF in kernel and driver; "
      "NCCL_NET_GDR_LEVEL, "
      "the IOMMU, and how far the NIC is from its GPU (nvidia-smi topo -m)",
      "NCCL_DEBUG=INFO NCCL_DEBUG_SUBSYS=INIT,NET,GRAPH in the job: with it connections end in /GDRDMA"},
     {"nccl_version",
      "start all ranks with one libnccl.so.2: compare LD_LIBRARY_PATH and the containers, or name it with "
      "--nccl",
      "NCCL_DEBUG=VERSION in the job, and ldconfig -p | grep nccl on a host of each kind"}}};

Finding finding_of(const DifferingFact& fact, const std::string& hosts, const std::string& words) {
  Finding finding;
  finding.slug = "nccl-ranks-differ";
  finding.severity = Severity::bad;
  finding.component = {"cluster", "NCCL", ""};
  if (!hosts.empty() && hosts.find(',') == std::string::npos) finding.component = {"host", hosts, hosts};
  finding.meaning = fmt::format(
      "NCCL does not run alike on all ranks, and each collective waits for the slowest: {}", words);
  finding.advice =
      fmt::format("{}: {}", hosts.empty() ? "On the hosts of either kind" : "On " + hosts, fact.advice);
  finding.confirm = fact.confirm;
  finding.confidence = "certain";
  return finding;
}

/// Checks that ended at their deadline. Of a rank where one is accused, else of NCCL as a whole.
std::vector<Finding> hung_checks(std::span<const CheckRecord> checks) {
  std::map<std::string, Finding> of_part;
  for (const CheckRecord& check : checks) {
    const bool hung = check.reason.find("NCCL was aborted") != std::string::npos ||
                      check.reason.find("was left behind") != std::string::npos;
    if (!check.id.starts_with("nccl.") || check.verdict != Verdict::error || !hung) continue;
    const auto speaker = speaker_of(check.reason);
    const bool is_accused = speaker && check.reason.find("is not accused") == std::string::npos;
    Finding& finding = of_part[is_accused ? fmt::format("{} {}", speaker->rank, speaker->host) : ""];
    finding.evidence.push_back({"", 0, check_words(check) + ": " + check.reason});
    if (std::find(finding.explains.begin(), finding.explains.end(), check.id) == finding.explains.end())
      finding.explains.push_back(check.id);
    if (!finding.slug.empty()) continue;
    finding.slug = "nccl-hung";
    finding.severity = Severity::fatal;
    finding.component = {"cluster", "NCCL", ""};
    finding.meaning = "an NCCL operation did not end in time, and no rank knows more than that it waited";
    if (is_accused) {
      finding.component = {"rank", fmt::format("rank {}", speaker->rank), speaker->host};
      finding.meaning = "an NCCL operation did not end in time on it";
    }
    finding.advice = fmt::format(
        "Look for XIDs, NVLink and NIC errors in the kernel log {}; then measure what is below NCCL: each "
        "GPU alone "
        "(--only 'gpu.*'), each pair (--only 'nvlink.*'), the network (--only 'verbs.*').",
        is_accused ? "of " + speaker->host : "of these hosts");
    finding.confirm =
        "fabricheck diagnose nccl.log, which lies beside the result; NCCL_DEBUG=INFO in the job";
    finding.confidence = is_accused ? "likely" : "certain";
  }
  std::vector<Finding> findings;
  findings.reserve(of_part.size());
  for (auto& [part, finding] : of_part) findings.push_back(std::move(finding));
  return findings;
}

/// NCCL's names are "NVLS" and "NVLS_TREE"; of kernels for symmetric memory, LDMC and STMC are multicast.
bool ran_without_nvls(const CheckRecord& check) {
  const std::string algorithms = path_text(check, "nccl_algorithms");
  if (algorithms.empty()) return path_text(check, "nccl_nvls") == "no";
  return algorithms.find("NVLS") == std::string::npos && algorithms.find("MC") == std::string::npos;
}

}  // namespace

std::vector<CheckRecord> failed_without_nvls(std::span<const CheckRecord> checks, const Platform& platform) {
  std::vector<CheckRecord> failed;
  for (const CheckRecord& check : checks) {
    const auto tells_of_nvls = [&](const Figure& figure) {
      return figure.key == check.id && figure.conditions.contains("nvls");
    };
    const bool depends = check.verdict == Verdict::fail && ran_without_nvls(check) &&
                         std::any_of(platform.figures.begin(), platform.figures.end(), tells_of_nvls);
    if (!depends) continue;
    failed.push_back(check);
    failed.back().reason += fmt::format(
        "{}it ran without NVLS (NVLink SHARP), with which it is faster on a {}: NCCL_DEBUG=INFO says why not",
        check.reason.empty() ? "" : "; ", platform.name);
  }
  return failed;
}

std::vector<Finding> nccl_findings(std::span<const CheckRecord> checks) {
  std::vector<Finding> findings;
  std::map<std::pair<std::string, std::string>, std::size_t> places;  // fact and hosts
  for (const CheckRecord& check : checks)
    for (const DifferingFact& fact : differing) {
      const std::string words = path_text(check, fmt::format("{}_differs", fact.name));
      if (words.empty()) continue;
      const std::string hosts = path_text(check, fmt::format("{}_odd_hosts", fact.name));
      const auto [place, is_new] = places.emplace(std::pair(std::string(fact.name), hosts), findings.size());
      if (is_new) findings.push_back(finding_of(fact, hosts, words));
      Finding& finding = findings[place->second];
      const Evidence evidence{"", 0, fmt::format("{}, {}: {}", check.id, check.scope, words)};
      if (std::find(finding.evidence.begin(), finding.evidence.end(), evidence) == finding.evidence.end())
        finding.evidence.push_back(evidence);
      if (std::find(finding.explains.begin(), finding.explains.end(), check.id) == finding.explains.end())
        finding.explains.push_back(check.id);
    }
  for (Finding& one : hung_checks(checks)) findings.push_back(std::move(one));
  return findings;
}

}  // namespace fabricheck::app
