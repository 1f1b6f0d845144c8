#include "app/mpi_facts.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <sstream>
#include <string_view>

#include <fmt/format.h>

#include "app/mpi_findings.hpp"
#include "core/error.hpp"
#include "core/text.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::app {
namespace {

using control::MpiTransport;

constexpr const char* unknown = "unknown";

template <class Words>
bool contains(const Words& words, std::string_view word) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string or_unknown(const std::string& text) { return text.empty() ? unknown : text; }

MpiPath path_of_ob1(const std::vector<std::string>& btls) {
  // ofi is not among them: below ob1 it does one-sided transfers only, and over any of libfabric's providers.
  static constexpr std::array<const char*, 5> over_rdma{"openib", "uct", "usnic", "ugni", "portals4"};
  const bool tcp = contains(btls, "tcp");
  for (const char* btl : over_rdma)
    if (contains(btls, btl))
      return {PathKind::rdma, tcp ? fmt::format("{}, or tcp where it does not reach", btl) : btl};
  if (contains(btls, "ofi")) return {PathKind::unknown, tcp ? "ofi or tcp" : "ofi"};
  if (tcp) return {PathKind::tcp, "tcp"};
  return {PathKind::unknown, unknown};
}

MpiPath path_of_ucx(const MpiTransport& transport) {
  if (!transport.rdma_devices) return {PathKind::unknown, unknown};
  // Without an open device there is no RDMA; with one, something else than UCX may have opened it.
  if (transport.rdma_devices->empty() || excludes_rdma(transport.ucx_tls)) return {PathKind::tcp, "tcp"};
  return {PathKind::rdma, "RDMA"};
}

/// Whether UCX was left nothing else for messages to other processes.
bool only_tcp(const std::string& ucx_tls) {
  return ucx_tls == "tcp" || ucx_tls == "tcp,self" || ucx_tls == "self,tcp";
}

std::string path_inside_node(const MpiTransport& transport) {
  if (transport.pml == "ob1" && transport.btls) {
    for (const char* btl : {"vader", "sm", "smcuda"})
      if (contains(*transport.btls, btl)) return btl;
    return path_of_ob1(*transport.btls).words;
  }
  if (transport.pml == "ucx" && transport.ucx_shared_memory) return "shared memory";
  if (transport.pml == "ucx" && only_tcp(transport.ucx_tls)) return "tcp";
  if (transport.pml == "cm" && !transport.mtl.empty()) return transport.mtl;
  return unknown;
}

std::string ucx_words(const MpiTransport& transport) {
  std::string words = transport.ucx_version.empty() ? "version unknown" : transport.ucx_version;
  if (!transport.ucx_tls.empty()) words += ", UCX_TLS=" + transport.ucx_tls;
  if (!transport.ucx_net_devices.empty()) words += ", UCX_NET_DEVICES=" + transport.ucx_net_devices;
  if (transport.ucx_verbs)
    words += *transport.ucx_verbs ? ", verbs transports loaded" : ", verbs transports not loaded";
  return words;
}

using RankValues = std::vector<std::string>;

/// Equal values once; else who says what, the most frequent first. A rank whose value is empty has no say.
std::string agreed(const RankValues& values, const ClusterTopology& topology) {
  std::vector<std::pair<std::string, std::vector<int>>> groups;
  std::size_t says = 0;
  for (std::size_t rank = 0; rank < values.size(); ++rank) {
    if (values[rank].empty()) continue;
    ++says;
    auto place = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& group) { return group.first == values[rank]; });
    if (place == groups.end()) place = groups.insert(groups.end(), {values[rank], {}});
    place->second.push_back(static_cast<int>(rank));
  }
  if (groups.empty()) return unknown;
  std::stable_sort(groups.begin(), groups.end(),
                   [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
  std::string text;
  for (const auto& group : groups) {
    const bool rule = text.empty() && (groups.size() == 1 || 2 * group.second.size() > says);
    if (!text.empty()) text += "; ";
    text += rule ? group.first : fmt::format("on {}: {}", where(group.second, topology), group.first);
  }
  return text;
}

std::vector<std::vector<int>> ranks_by_host(const ClusterTopology& topology) {
  std::vector<std::vector<int>> ranks(topology.hosts.size());
  for (const RankPlace& place : topology.ranks)
    ranks[static_cast<std::size_t>(place.host)].push_back(place.rank);
  return ranks;
}

/// Each rank's host holds these open: ranks of one host may share out its devices.
RankValues devices_of_hosts(const std::vector<MpiTransport>& ranks, const ClusterTopology& topology) {
  RankValues values(ranks.size());
  for (const std::vector<int>& here : ranks_by_host(topology)) {
    std::set<std::string> devices;
    bool known = true;
    for (const int rank : here) {
      const auto& open = ranks[static_cast<std::size_t>(rank)].rdma_devices;
      known = known && open;
      if (open) devices.insert(open->begin(), open->end());
    }
    const std::string text = !known            ? unknown
                             : devices.empty() ? "none opened"
                                               : fmt::format("{} opened", fmt::join(devices, ", "));
    for (const int rank : here) values[static_cast<std::size_t>(rank)] = text;
  }
  return values;
}

HostBinding binding_of(const std::vector<std::vector<int>>& cpus_of_ranks, int hardware_threads) {
  std::map<std::vector<int>, int> ranks_on;
  std::set<int> all;
  std::size_t places = 0;
  for (const std::vector<int>& cpus : cpus_of_ranks) {
    if (cpus.empty()) return {unknown, 0, 0};
    ++ranks_on[cpus];
    all.insert(cpus.begin(), cpus.end());
    places += cpus.size();
  }
  HostBinding binding;
  for (const auto& set : ranks_on) {
    const int cpus = static_cast<int>(set.first.size());
    if (set.second <= cpus || set.second * std::max(binding.cpus, 1) <= binding.ranks * cpus) continue;
    binding.ranks = set.second;
    binding.cpus = cpus;
  }
  const bool same = ranks_on.size() == 1;
  const bool whole = hardware_threads > 0 && all.size() >= static_cast<std::size_t>(hardware_threads);
  if (binding.ranks > 0) {
    binding.words = "ranks share cores";
  } else if (same && whole) {
    binding.words = "not bound";
  } else if (places == all.size()) {
    binding.words = "each rank on its own cores";
  } else {
    binding.words = "ranks together on sets of cores, at least one for each";
  }
  return binding;
}

std::vector<int> cpus_of(const RankPlace& place) {
  try {
    return topology::parse_cpu_list(place.cpus);
  } catch (const Error&) {
    return {};
  }
}

}  // namespace

bool excludes_rdma(const std::string& ucx_tls) {
  static constexpr std::array<const char*, 20> others{
      "tcp",      "self", "loopback",  "sm",       "shm",  "mm",        "posix",
      "sysv",     "cma",  "knem",      "xpmem",    "cuda", "cuda_copy", "cuda_ipc",
      "gdr_copy", "rocm", "rocm_copy", "rocm_ipc", "ze",   "ze_copy"};
  std::istringstream in(ucx_tls);
  bool any = false;
  for (std::string word; std::getline(in, word, ',');) {
    any = true;
    if (!contains(others, word)) return false;
  }
  return any;
}

MpiPath path_between_nodes(const MpiTransport& transport) {
  if (transport.pml == "ob1" && transport.btls) return path_of_ob1(*transport.btls);
  if (transport.pml == "ucx") return path_of_ucx(transport);
  if (transport.pml == "cm" && !transport.mtl.empty()) {
    static constexpr std::array<const char*, 4> over_rdma{"psm", "psm2", "mxm", "portals4"};
    if (contains(over_rdma, transport.mtl)) return {PathKind::rdma, transport.mtl};
    return {PathKind::unknown, transport.mtl};  // libfabric has providers for both
  }
  return {PathKind::unknown, unknown};
}

std::vector<HostBinding> bindings(const ClusterTopology& topology) {
  std::vector<HostBinding> all;
  const std::vector<std::vector<int>> ranks = ranks_by_host(topology);
  for (std::size_t host = 0; host < topology.hosts.size(); ++host) {
    std::vector<std::vector<int>> cpus;
    for (const int rank : ranks[host])
      cpus.push_back(cpus_of(topology.ranks[static_cast<std::size_t>(rank)]));
    const auto kind = static_cast<std::size_t>(topology.hosts[host].kind);
    all.push_back(binding_of(cpus, kind < topology.kinds.size() ? topology.kinds[kind].hardware_threads : 0));
  }
  return all;
}

std::string where(const std::vector<int>& ranks, const ClusterTopology& topology) {
  const std::vector<std::vector<int>> everyone = ranks_by_host(topology);
  std::map<int, std::vector<int>> here;
  for (const int rank : ranks) here[topology.ranks[static_cast<std::size_t>(rank)].host].push_back(rank);
  std::vector<std::string> whole, parts;
  for (const auto& [host, some] : here) {
    const std::string& name = topology.hosts[static_cast<std::size_t>(host)].name;
    if (some.size() == everyone[static_cast<std::size_t>(host)].size()) {
      whole.push_back(name);
    } else {
      parts.push_back(
          fmt::format("{} {} of {}", some.size() == 1 ? "rank" : "ranks", fmt::join(some, ", "), name));
    }
  }
  constexpr std::size_t most = 4;
  if (parts.size() > most) {
    const std::size_t more = parts.size() - most;
    parts.resize(most);
    parts.push_back(fmt::format("some ranks of {} more", more));
  }
  if (!whole.empty()) parts.insert(parts.begin(), topology::fold_names(whole));
  return joined(parts, " and ");
}

std::map<std::string, std::string> mpi_words(const std::vector<MpiTransport>& ranks,
                                             const ClusterTopology& topology) {
  const auto any = [&](auto holds) { return std::any_of(ranks.begin(), ranks.end(), holds); };
  const auto say = [&](auto value) {
    RankValues values;
    for (const MpiTransport& rank : ranks) values.push_back(value(rank));
    return agreed(values, topology);
  };
  std::map<std::string, std::string> words;
  // Other libraries have no such parts, and of their transports nothing is known.
  const bool parts = any(
      [](const MpiTransport& rank) { return !rank.pml.empty() || rank.library.rfind("Open MPI", 0) == 0; });
  if (parts) words["pml"] = say([](const MpiTransport& rank) { return or_unknown(rank.pml); });
  if (any([](const MpiTransport& rank) { return rank.pml == "ob1"; }))
    words["btl"] =
        say([](const MpiTransport& rank) { return rank.btls ? joined(*rank.btls) : std::string(unknown); });
  if (any([](const MpiTransport& rank) { return rank.pml == "cm"; }))
    words["mtl"] = say([](const MpiTransport& rank) { return or_unknown(rank.mtl); });
  if (any([](const MpiTransport& rank) { return rank.pml == "ucx"; }))
    words["ucx"] =
        say([](const MpiTransport& rank) { return rank.pml == "ucx" ? ucx_words(rank) : "not used"; });
  if (topology.hosts.size() > 1)
    words["transport_between_nodes"] =
        say([](const MpiTransport& rank) { return path_between_nodes(rank).words; });
  if (topology.ranks.size() > topology.hosts.size()) {
    // One rank alone on its host sends nothing inside it.
    RankValues inside(ranks.size());
    for (const std::vector<int>& here : ranks_by_host(topology))
      for (const int rank : here)
        if (here.size() > 1)
          inside[static_cast<std::size_t>(rank)] = path_inside_node(ranks[static_cast<std::size_t>(rank)]);
    words["transport_inside_node"] = agreed(inside, topology);
  }
  words["rdma_devices"] = agreed(devices_of_hosts(ranks, topology), topology);
  RankValues bound(topology.ranks.size());
  const std::vector<HostBinding> hosts = bindings(topology);
  for (std::size_t rank = 0; rank < bound.size(); ++rank)
    bound[rank] = hosts[static_cast<std::size_t>(topology.ranks[rank].host)].words;
  words["binding"] = agreed(bound, topology);
  return words;
}

MpiFacts collect_mpi_facts(Communicator& world, const ClusterTopology& topology) {
  const std::vector<std::string> all =
      gather_strings(world, control::pack_transport(control::probe_mpi_transport()), 0);
  MpiFacts facts;
  if (world.rank() != 0) return facts;
  std::vector<MpiTransport> ranks;
  ranks.reserve(all.size());
  for (const std::string& one : all) ranks.push_back(control::unpack_transport(one));
  facts.words = mpi_words(ranks, topology);
  facts.findings = mpi_findings(ranks, topology);
  return facts;
}

}  // namespace fabricheck::app
