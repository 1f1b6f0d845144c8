#include "app/mpi_findings.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>

#include "app/mpi_facts.hpp"
#include "core/text.hpp"
#include "core/units.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::app {
namespace {

constexpr std::size_t most_listed = 4;

using control::MpiTransport;

const Host& kind_of(const ClusterTopology& topology, std::size_t host) {
  return topology.kinds[static_cast<std::size_t>(topology.hosts[host].kind)];
}

std::string names_of(const std::vector<std::size_t>& hosts, const ClusterTopology& topology) {
  std::vector<std::string> names;
  names.reserve(hosts.size());
  for (const std::size_t host : hosts) names.push_back(topology.hosts[host].name);
  return topology::fold_names(names);
}

/// One host is accused by name; several are in the sentence.
Component component_of(const std::vector<std::size_t>& hosts, const ClusterTopology& topology) {
  if (hosts.size() != 1) return {"cluster", "MPI", ""};
  const std::string& name = topology.hosts[hosts.front()].name;
  return {"host", name, name};
}

struct ActivePorts {
  std::vector<std::string> words;
  bool hardware{};  ///< at least one is no software over a plain NIC (rdma_rxe, siw)
};

ActivePorts active_ports(const Host& host) {
  ActivePorts active;
  for (const RdmaDevice& device : host.rdma_devices)
    for (const RdmaPort& port : device.ports) {
      if (port.state != "ACTIVE" || (port.link_layer != "InfiniBand" && port.link_layer != "Ethernet"))
        continue;
      const std::string rate = port.rate_Gbps ? fmt::format(", {:g} Gb/s", *port.rate_Gbps) : "";
      active.words.push_back(fmt::format("{} port {} ({}{})", device.name, port.number,
                                         port.link_layer == "Ethernet" ? "RoCE" : "InfiniBand", rate));
      active.hardware = active.hardware || !device.pci_address.empty();
    }
  return active;
}

std::string told_of(const MpiTransport& rank) {
  if (rank.pml == "ucx") {
    std::string text = "pml ucx, UCX " + (rank.ucx_version.empty() ? "of unknown version" : rank.ucx_version);
    if (!rank.ucx_tls.empty()) text += ", UCX_TLS=" + rank.ucx_tls;
    if (!rank.ucx_net_devices.empty()) text += ", UCX_NET_DEVICES=" + rank.ucx_net_devices;
    if (rank.ucx_verbs)
      text += *rank.ucx_verbs ? ", its verbs transports loaded" : ", without verbs transports";
    if (rank.rdma_devices)
      text += rank.rdma_devices->empty() ? ", no RDMA device open"
                                         : fmt::format(", open: {}", fmt::join(*rank.rdma_devices, ", "));
    return text;
  }
  if (rank.pml == "ob1" && rank.btls)
    return fmt::format("pml ob1, open BTLs: {}", fmt::join(*rank.btls, ", "));
  return "pml " + rank.pml + (rank.mtl.empty() ? "" : ", mtl " + rank.mtl);
}

/// "node[1-4]: pml ob1, …", each thing that ranks of these hosts told once.
std::vector<Evidence> told_by(const std::vector<std::size_t>& hosts, const std::vector<MpiTransport>& ranks,
                              const ClusterTopology& topology) {
  std::map<std::string, std::vector<int>> who;
  for (const RankPlace& place : topology.ranks)
    if (std::find(hosts.begin(), hosts.end(), static_cast<std::size_t>(place.host)) != hosts.end())
      who[told_of(ranks[static_cast<std::size_t>(place.rank)])].push_back(place.rank);
  std::vector<Evidence> evidence;
  evidence.reserve(who.size());
  for (const auto& [text, told] : who)
    evidence.push_back({"", 0, fmt::format("{}: {}", where(told, topology), text)});
  return evidence;
}

/// Why UCX took no RDMA device: what is known first, then what is to be looked at.
std::string ucx_advice(const MpiTransport& rank, const Host& host) {
  if (excludes_rdma(rank.ucx_tls))
    return fmt::format(
        "UCX_TLS={} leaves RDMA out: unset UCX_TLS where the job's environment or ucx.conf sets it",
        rank.ucx_tls);
  if (rank.ucx_verbs && !*rank.ucx_verbs)
    return "This UCX has no verbs transports (libuct_ib is not loaded): install its package for InfiniBand, "
           "or a UCX "
           "built --with-verbs";
  std::string text =
      "Find why UCX took no RDMA device: UCX_TLS or UCX_NET_DEVICES that leave it out, /dev/infiniband "
      "missing in "
      "the container, or a limit on locked memory (ulimit -l, in Slurm PropagateResourceLimits)";
  constexpr std::uint64_t enough = std::uint64_t{1} << 30;
  if (const auto limit = host.environment.memlock_bytes; limit && *limit < enough)
    text += fmt::format("; here it is {}, which is too little", format_bytes(*limit));
  return text;
}

std::optional<Finding> tcp_beside_rdma(const std::vector<MpiTransport>& ranks,
                                       const ClusterTopology& topology) {
  std::set<std::size_t> over_tcp;
  std::map<std::size_t, std::size_t> first_rank;
  for (const RankPlace& place : topology.ranks) {
    const auto host = static_cast<std::size_t>(place.host);
    const auto rank = static_cast<std::size_t>(place.rank);
    if (path_between_nodes(ranks[rank]).kind != PathKind::tcp) continue;
    over_tcp.insert(host);
    first_rank.emplace(host, rank);
  }
  std::size_t with_ports = 0;
  bool hardware = false;
  std::vector<std::size_t> accused;
  std::map<std::string, std::vector<std::size_t>> ports;
  for (std::size_t host = 0; host < topology.hosts.size(); ++host) {
    const ActivePorts active = active_ports(kind_of(topology, host));
    if (active.words.empty()) continue;
    ++with_ports;
    if (!over_tcp.contains(host)) continue;
    accused.push_back(host);
    hardware = hardware || active.hardware;
    ports[first_few(active.words, most_listed)].push_back(host);
  }
  // RDMA has two ends.
  if (accused.empty() || with_ports < 2) return std::nullopt;

  Finding finding;
  finding.slug = "mpi-tcp-beside-rdma";
  finding.severity = hardware ? Severity::bad : Severity::info;
  finding.component = component_of(accused, topology);
  finding.meaning = fmt::format(
      "MPI messages from {} to other nodes go over TCP although RDMA ports are active there{}: what was "
      "measured "
      "between nodes is the kernel's network stack, not the RDMA fabric",
      names_of(accused, topology), hardware ? "" : " (in software only)");
  for (const auto& [words, hosts] : ports)
    finding.evidence.push_back({"", 0, fmt::format("{}: active {}", names_of(hosts, topology), words)});
  for (Evidence& one : told_by(accused, ranks, topology)) finding.evidence.push_back(std::move(one));
  const MpiTransport& rank = ranks[first_rank[accused.front()]];
  finding.advice =
      rank.pml == "ucx"
          ? ucx_advice(rank, kind_of(topology, accused.front()))
          : "Run with --mca pml ucx and an Open MPI built with a UCX that has verbs transports; if MPI "
            "then refuses to start, ucx_info -d on that host tells what UCX finds";
  finding.confirm = rank.pml == "ucx" ? "ucx_info -d must list the devices; with UCX_LOG_LEVEL=info in the "
                                        "job UCX names its transports between nodes"
                                      : "mpirun --mca pml_base_verbose 10 --mca btl_base_verbose 30 … tells "
                                        "why each component was refused";
  finding.confidence = "certain";
  return finding;
}

/// What the ranks of a host told, such that it can be compared; empty: a part of it is not known.
std::string signature(const std::vector<const MpiTransport*>& ranks) {
  std::set<std::string> kinds;
  for (const MpiTransport* rank : ranks) {
    const PathKind kind = path_between_nodes(*rank).kind;
    if (kind == PathKind::unknown) return {};
    kinds.insert(fmt::format("{} over {}", rank->pml, kind == PathKind::tcp ? "TCP" : "RDMA"));
  }
  return fmt::format("{}", fmt::join(kinds, " and "));
}

std::optional<Finding> transport_differs(const std::vector<MpiTransport>& ranks,
                                         const ClusterTopology& topology) {
  std::vector<std::vector<const MpiTransport*>> on_host(topology.hosts.size());
  for (const RankPlace& place : topology.ranks)
    on_host[static_cast<std::size_t>(place.host)].push_back(&ranks[static_cast<std::size_t>(place.rank)]);
  std::map<std::string, std::vector<std::size_t>> groups;
  std::size_t known = 0;
  for (std::size_t host = 0; host < on_host.size(); ++host) {
    const std::string told = signature(on_host[host]);
    if (told.empty()) continue;
    groups[told].push_back(host);
    ++known;
  }
  if (groups.size() < 2) return std::nullopt;

  std::vector<std::size_t> odd;
  std::string rule;
  std::vector<std::string> said;
  for (const auto& [told, hosts] : groups) {
    said.push_back(fmt::format("{} on {}", told, names_of(hosts, topology)));
    if (2 * hosts.size() > known) rule = told;
  }
  std::vector<std::size_t> all;
  for (const auto& [told, hosts] : groups) {
    all.insert(all.end(), hosts.begin(), hosts.end());
    if (!rule.empty() && told != rule) odd.insert(odd.end(), hosts.begin(), hosts.end());
  }
  std::sort(odd.begin(), odd.end());
  Finding finding;
  finding.slug = "mpi-transport-differs";
  finding.severity = Severity::bad;
  finding.component = component_of(odd, topology);
  finding.meaning = fmt::format(
      "MPI does not run on the same transport everywhere: {}; the slowest of them sets the "
      "time of every collective",
      fmt::join(said, ", "));
  finding.evidence = told_by(odd.empty() ? all : odd, ranks, topology);
  finding.advice =
      (odd.empty() ? std::string("Make the hosts equal in")
                   : fmt::format("Compare {} with the other hosts in", names_of(odd, topology))) +
      " what chooses the transport: versions and parameter files of Open MPI and UCX, OMPI_MCA_* and UCX_* "
      "in the "
      "environment, /dev/infiniband, the limit on locked memory";
  finding.confirm =
      "ompi_info, ucx_info -v, ucx_info -d and ulimit -l, started by mpirun on a host of each kind";
  finding.confidence = "certain";
  return finding;
}

std::optional<Finding> ranks_share_cores(const ClusterTopology& topology) {
  const std::vector<HostBinding> hosts = bindings(topology);
  std::vector<std::size_t> crowded;
  std::map<std::pair<int, int>, std::vector<std::size_t>> alike;
  for (std::size_t host = 0; host < hosts.size(); ++host) {
    if (hosts[host].ranks == 0) continue;
    crowded.push_back(host);
    alike[{hosts[host].ranks, hosts[host].cpus}].push_back(host);
  }
  if (crowded.empty()) return std::nullopt;
  Finding finding;
  finding.slug = "ranks-share-cores";
  finding.severity = Severity::info;
  finding.component = component_of(crowded, topology);
  finding.meaning = fmt::format(
      "More ranks than CPUs on {}: ranks take turns, and latencies tell of the scheduler as much as of the "
      "network",
      names_of(crowded, topology));
  for (const auto& [crowd, where_it_is] : alike)
    finding.evidence.push_back(
        {"", 0,
         fmt::format("{}: {} ranks may run on the same {} {}", names_of(where_it_is, topology), crowd.first,
                     crowd.second, crowd.second == 1 ? "CPU" : "CPUs")});
  finding.advice =
      "Start at most one rank per core, each on its own: mpirun --map-by core --bind-to core, or srun "
      "--cpu-bind=cores";
  finding.confirm = "mpirun --report-bindings …, or srun --cpu-bind=verbose,cores …";
  finding.confidence = "certain";
  return finding;
}

}  // namespace

std::vector<Finding> mpi_findings(const std::vector<MpiTransport>& ranks, const ClusterTopology& topology) {
  std::vector<Finding> findings;
  const auto add = [&findings](std::optional<Finding> one) {
    if (one) findings.push_back(std::move(*one));
  };
  if (topology.hosts.size() > 1) {
    add(tcp_beside_rdma(ranks, topology));
    add(transport_differs(ranks, topology));
  }
  add(ranks_share_cores(topology));
  return findings;
}

}  // namespace fabricheck::app
