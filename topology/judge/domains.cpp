#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "topology/judge/attribute_table.hpp"
#include "topology/judge/differences.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr FaultKind split_domain{
    "nvlink-domain-split",
    Severity::bad,
    "host",
    "GPUs are in different NVLink domains:",
    "GPUs of one host do not reach each other over NVLink",
    "read the fabric manager's log; restart nvidia-fabricmanager, on MNNVL the NMX controller's partition",
    "nvidia-smi -q | grep -A4 Fabric",
    "certain"};
constexpr FaultKind other_clique{
    "nvlink-clique-mismatch",
    Severity::bad,
    "host",
    "NVLink clique",
    "GPUs of one NVLink domain in different cliques reach each other only over the network",
    "compare the NMX partitions; restart nvidia-imex and the fabric manager on the host",
    "nvidia-smi -q | grep -A4 Fabric",
    "certain"};
constexpr FaultKind no_domain{
    "nvlink-domain-missing",
    Severity::bad,
    "host",
    "is in no NVLink domain, unlike the others",
    "its GPUs reach those of other hosts only over the network",
    "read the fabric manager's log on the host; check its NVLink cables and the NVLink switches",
    "nvidia-smi -q | grep -A4 Fabric",
    "certain"};

std::string gibibytes(std::uint64_t bytes) {
  constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.1f} GiB", static_cast<double>(bytes) / kGiB);
}

/// One module of 48 is more; what firmware and the kernel keep for a dump is less.
bool about_equal(std::uint64_t a, std::uint64_t b) {
  constexpr double kTolerance = 0.02;
  const double most = static_cast<double>(std::max(a, b));
  return most - static_cast<double>(std::min(a, b)) <= kTolerance * most;
}

/// Of the nodes with CPUs: others are GPUs' or far memory, where no module of the host is missing.
std::uint64_t memory_of(const Host& kind, const HostParticulars& own) {
  const bool cpus_known = std::any_of(kind.numa_nodes.begin(), kind.numa_nodes.end(),
                                      [](const NumaNode& node) { return !node.cpus.empty(); });
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < own.numa_memory_bytes.size() && i < kind.numa_nodes.size(); ++i)
    if (!cpus_known || !kind.numa_nodes[i].cpus.empty()) bytes += own.numa_memory_bytes[i];
  return bytes;
}

bool is_nothing(const std::string& uuid) { return uuid.find_first_not_of("0-") == std::string::npos; }

struct Domain {
  std::string uuid;  ///< empty: none
  std::optional<int> clique;
  bool known{};
  bool split{};
};

Domain domain_of(const HostEntry& host) {
  Domain domain;
  for (const GpuParticulars& gpu : host.own.gpus) {
    if (gpu.cluster_uuid.empty()) continue;
    const std::string uuid = is_nothing(gpu.cluster_uuid) ? std::string{} : gpu.cluster_uuid;
    if (domain.known && (uuid != domain.uuid || gpu.clique_id != domain.clique)) domain.split = true;
    domain.uuid = uuid;
    domain.clique = gpu.clique_id;
    domain.known = true;
  }
  return domain;
}

/// Hosts of one domain by clique: the few are accused, a tie is said.
void compare_cliques(const ClusterTopology& cluster, const std::map<int, std::vector<std::size_t>>& cliques,
                     Differences& differences) {
  if (cliques.size() < 2) return;
  std::size_t all = 0;
  const auto* most = &*cliques.begin();
  for (const auto& side : cliques) {
    all += side.second.size();
    if (side.second.size() > most->second.size()) most = &side;
  }
  if (2 * most->second.size() > all) {
    for (const auto& [clique, hosts] : cliques)
      if (clique != most->first)
        for (const std::size_t host : hosts)
          differences.book.add(host, other_clique, "", fmt::format("{} instead of {}", clique, most->first));
    return;
  }
  std::vector<std::string> sides;
  sides.reserve(cliques.size());
  for (const auto& [clique, hosts] : cliques)
    sides.push_back(fmt::format("{} on {}", clique, host_names(cluster, hosts)));
  constexpr std::size_t kMostListed = 4;
  differences.ties.push_back("NVLink clique: " + joined(sides, ", ", kMostListed));
  differences.undecided = true;
}

}  // namespace

void compare_memory(const ClusterTopology& cluster, const std::vector<bool>& left_out,
                    Differences& differences) {
  std::vector<std::pair<std::uint64_t, std::size_t>> known;
  for (std::size_t i = 0; i < cluster.hosts.size(); ++i) {
    const HostEntry& host = cluster.hosts[i];
    if (left_out[static_cast<std::size_t>(host.kind)]) continue;
    const std::uint64_t bytes = memory_of(cluster.kinds[static_cast<std::size_t>(host.kind)], host.own);
    if (bytes > 0) known.emplace_back(bytes, i);
  }
  if (known.size() < 2) return;
  std::sort(known.begin(), known.end());
  if (about_equal(known.front().first, known.back().first)) return;
  const std::uint64_t median = known[(known.size() - 1) / 2].first;
  const auto usual = static_cast<std::size_t>(std::count_if(
      known.begin(), known.end(), [&](const auto& one) { return about_equal(one.first, median); }));
  if (2 * usual <= known.size()) {
    const auto& [least, poorest] = known.front();
    const auto& [greatest, richest] = known.back();
    differences.ties.push_back(fmt::format("memory: from {} on {} to {} on {}, none of it on most hosts",
                                           gibibytes(least), printable(cluster.hosts[poorest].name),
                                           gibibytes(greatest), printable(cluster.hosts[richest].name)));
    differences.undecided = true;
    return;
  }
  for (const auto& [bytes, host] : known) {
    if (about_equal(bytes, median)) continue;
    const std::string what = instead_of(gibibytes(bytes), gibibytes(median));
    if (bytes < median) {
      differences.book.add(host, attribute::memory.fault, "", what);
    } else {
      differences.book.add(host, attribute::more_than_majority, "", "memory " + what);
    }
  }
}

void compare_nvlink_domains(const ClusterTopology& cluster,
                            const std::vector<std::vector<std::size_t>>& hosts, Differences& differences) {
  std::map<std::string, std::map<int, std::vector<std::size_t>>> domains;
  std::vector<std::size_t> outside;
  std::size_t inside = 0;
  for (const auto& of_kind : hosts) {
    for (const std::size_t host : of_kind) {
      const Domain domain = domain_of(cluster.hosts[host]);
      if (!domain.known) continue;
      if (domain.split) {
        differences.book.add(host, split_domain, "", "see the evidence",
                             fmt::format("fabric UUIDs or cliques differ between its GPUs"));
      } else if (domain.uuid.empty()) {
        outside.push_back(host);
      } else {
        ++inside;
        if (domain.clique) domains[domain.uuid][*domain.clique].push_back(host);
      }
    }
  }
  if (inside > outside.size())
    for (const std::size_t host : outside) differences.book.add(host, no_domain, "", "");
  for (const auto& [uuid, cliques] : domains) compare_cliques(cluster, cliques, differences);
}

}  // namespace fabricheck::topology
