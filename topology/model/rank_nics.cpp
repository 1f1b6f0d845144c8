#include "topology/model/rank_nics.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/suggest.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

bool carries_rdma(const RdmaPort& port) {
  return port.link_layer == "Ethernet" || port.link_layer == "InfiniBand";
}
bool is_active(const RdmaPort& port) { return port.state == "ACTIVE" && carries_rdma(port); }

bool has_active_port(const RdmaDevice& device) {
  return device.status == "answers" && std::any_of(device.ports.begin(), device.ports.end(), is_active);
}

/// The first active port; where none is, the first one, so that what is measured says that it is down.
std::optional<int> port_of(const RdmaDevice& device) {
  const auto active = std::find_if(device.ports.begin(), device.ports.end(), is_active);
  if (active != device.ports.end()) return active->number;
  const auto any = std::find_if(device.ports.begin(), device.ports.end(), carries_rdma);
  return any == device.ports.end() ? std::nullopt : std::optional<int>(any->number);
}

std::vector<std::size_t> usable_devices(const Host& host) {
  std::vector<std::size_t> active, any;
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i) {
    const RdmaDevice& device = host.rdma_devices[i];
    if (has_active_port(device)) active.push_back(i);
    if (device.status == "answers" && port_of(device)) any.push_back(i);
  }
  return active.empty() ? any : active;
}

RankNic wished(const Host& host, const NicWish& wish, int rail) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i) {
    const RdmaDevice& device = host.rdma_devices[i];
    names.push_back(device.name);
    if (device.name != wish.device) continue;
    const std::optional<int> port = wish.port ? wish.port : port_of(device);
    if (!port) throw UsageError(fmt::format("--device {}: it has no port on {}", wish.device, host.name));
    const bool has = std::any_of(device.ports.begin(), device.ports.end(),
                                 [&](const RdmaPort& one) { return one.number == *port; });
    if (!has)
      throw UsageError(fmt::format("--device {}:{}: {} has no such port on {}; it has {}", wish.device, *port,
                                   wish.device, host.name, device.ports.size()));
    return {i, *port, rail};
  }
  throw UsageError(fmt::format("--device {}: {} has no such RDMA device{}", printable(wish.device), host.name,
                               names.empty() ? ", and no other" : suggestion(wish.device, names)));
}

std::vector<std::optional<RankNic>> near_gpus(const Host& host, const std::vector<std::size_t>& gpus,
                                              std::size_t local_ranks) {
  const PathMatrix paths = paths_of(host);
  const auto nearest = nearest_nics(host, paths);
  const std::vector<Rail> rails = rails_of(host, paths);
  std::vector<std::optional<RankNic>> nics(local_ranks);
  for (std::size_t rank = 0; rank < local_ranks && rank < gpus.size(); ++rank) {
    const auto& nic = nearest[gpus[rank]];
    if (!nic) continue;
    const auto port = port_of(host.rdma_devices[*nic]);
    const auto rail =
        std::find_if(rails.begin(), rails.end(), [&](const Rail& one) { return one.nic == *nic; });
    if (port)
      nics[rank] = RankNic{
          *nic, *port, rail == rails.end() ? static_cast<int>(*nic) : static_cast<int>(rail - rails.begin())};
  }
  return nics;
}

std::vector<std::optional<RankNic>> near_numa_nodes(const Host& host, std::size_t local_ranks) {
  const std::vector<std::size_t> usable = usable_devices(host);
  std::vector<std::optional<RankNic>> nics(local_ranks);
  if (usable.empty()) return nics;
  const std::size_t nodes = std::max<std::size_t>(1, host.numa_nodes.size());
  std::vector<std::size_t> taken(nodes, 0);
  for (std::size_t rank = 0; rank < local_ranks; ++rank) {
    // As ranks are bound: in blocks over the NUMA nodes.
    const std::size_t block = rank * nodes / local_ranks;
    std::vector<std::size_t> near;
    for (const std::size_t i : usable)
      if (nodes > 1 && host.rdma_devices[i].numa_node == host.numa_nodes[block].index) near.push_back(i);
    const std::vector<std::size_t>& from = near.empty() ? usable : near;
    const std::size_t device = from[taken[near.empty() ? 0 : block]++ % from.size()];
    const auto rail = std::find(usable.begin(), usable.end(), device) - usable.begin();
    nics[rank] = RankNic{device, *port_of(host.rdma_devices[device]), static_cast<int>(rail)};
  }
  return nics;
}

}  // namespace

std::vector<NicWish> parse_nic_wishes(const std::string& list) {
  std::vector<NicWish> wishes;
  for (std::size_t begin = 0; !list.empty() && begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    const std::string one = list.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = one.find(':');
    NicWish wish{one.substr(0, colon), std::nullopt};
    if (colon != std::string::npos) {
      const auto port = parse_number(one.substr(colon + 1));
      if (!port || *port < 1 || *port > 255)
        throw UsageError(fmt::format("--device: {} names no port; ports are numbers from 1", in_quotes(one)));
      wish.port = static_cast<int>(*port);
    }
    if (wish.device.empty()) throw UsageError(fmt::format("--device: {} has an empty name", in_quotes(list)));
    wishes.push_back(wish);
  }
  return wishes;
}

std::vector<std::optional<RankNic>> rank_nics(const Host& host, int local_ranks,
                                              const std::vector<std::size_t>& gpus,
                                              const std::vector<NicWish>& wishes) {
  const auto ranks = static_cast<std::size_t>(std::max(0, local_ranks));
  if (!wishes.empty()) {
    std::vector<RankNic> chosen;
    chosen.reserve(wishes.size());
    for (const NicWish& wish : wishes) chosen.push_back(wished(host, wish, static_cast<int>(chosen.size())));
    std::vector<std::optional<RankNic>> nics;
    for (std::size_t rank = 0; rank < ranks; ++rank) nics.emplace_back(chosen[rank % chosen.size()]);
    return nics;
  }
  return gpus.empty() ? near_numa_nodes(host, ranks) : near_gpus(host, gpus, ranks);
}

}  // namespace fabricheck::topology
