#include "topology/draw/rail_leaves.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "topology/draw/words.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

struct NaturalOrder {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using HostsByLeaf = std::map<std::string, std::vector<std::string>, NaturalOrder>;

/// What tells NICs of one place apart from others on hosts of several kinds.
std::vector<std::string> places(const Host& host) {
  std::map<std::string, int> met;
  std::vector<std::string> keys;
  for (const RdmaDevice& nic : host.rdma_devices) {
    const std::string& place = nic.pci_address.empty() ? nic.name : nic.pci_address;
    keys.push_back(fmt::format("{} {}", place, met[place]++));
  }
  return keys;
}

/// The rail of each NIC of a group, by the numbers of the first group, which is most hosts: on a host that
/// lost a GPU all rails behind it would have another number. A host without one NIC at their places has its
/// own.
std::vector<std::optional<std::size_t>> rail_numbers(const Group& first, const Group& group) {
  const auto usual = places(first.example);
  const auto keys = places(group.example);
  std::vector<std::optional<std::size_t>> numbers(keys.size());
  bool joined = false;
  for (std::size_t nic = 0; nic < keys.size(); ++nic) {
    const auto at = std::find(usual.begin(), usual.end(), keys[nic]);
    if (at == usual.end()) continue;
    joined = true;
    numbers[nic] = rail_number(first.rails, static_cast<std::size_t>(at - usual.begin()));
  }
  if (!joined)
    for (std::size_t nic = 0; nic < keys.size(); ++nic) numbers[nic] = rail_number(group.rails, nic);
  return numbers;
}

std::vector<HostsByLeaf> collect(const ClusterTopology& cluster, const std::vector<Group>& groups) {
  std::vector<HostsByLeaf> rails;
  for (const Group& group : groups) {
    const auto numbers = rail_numbers(groups.front(), group);
    std::size_t next_row = 0;
    for (std::size_t nic = 0; nic < numbers.size(); ++nic) {
      const std::size_t ports = group.example.rdma_devices[nic].ports.size();
      const std::size_t row = next_row;
      next_row += ports;
      if (!numbers[nic]) continue;
      const std::size_t rail = *numbers[nic];
      rails.resize(std::max(rails.size(), rail + 1));
      for (const std::size_t host : group.hosts) {
        const HostEntry& entry = cluster.hosts[host];
        for (std::size_t port = row; port < std::min(row + ports, entry.own.ports.size()); ++port) {
          const auto& neighbour = entry.own.ports[port].neighbour;
          if (!neighbour || neighbour->switch_name.empty()) continue;
          auto& hosts = rails[rail][one_line(neighbour->switch_name)];
          const std::string name = name_of(entry);
          if (hosts.empty() || hosts.back() != name) hosts.push_back(name);
        }
      }
    }
  }
  return rails;
}

}  // namespace

std::vector<RailLeaves> rail_leaves(const ClusterTopology& cluster, const std::vector<Group>& groups) {
  const auto rails = collect(cluster, groups);
  std::map<std::string, std::vector<std::size_t>> counts;  // leaf -> hosts by rail
  for (std::size_t rail = 0; rail < rails.size(); ++rail) {
    for (const auto& [leaf, hosts] : rails[rail]) {
      counts[leaf].resize(rails.size(), 0);
      counts[leaf][rail] = hosts.size();
    }
  }
  std::vector<RailLeaves> result;
  for (std::size_t rail = 0; rail < rails.size(); ++rail) {
    if (rails[rail].empty()) continue;
    result.push_back({rail, {}});
    for (const auto& [leaf, hosts] : rails[rail]) {
      const auto& by_rail = counts[leaf];
      const auto most = std::max_element(by_rail.begin(), by_rail.end());
      LeafUse use;
      use.name = leaf;
      use.hosts = hosts;
      use.usual_rail = static_cast<std::size_t>(most - by_rail.begin());
      use.odd = hosts.size() * 2 < *most;
      result.back().leaves.push_back(std::move(use));
    }
  }
  return result;
}

}  // namespace fabricheck::topology
