#include "topology/draw/rail_leaves.hpp"

#include <algorithm>
#include <map>

#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

struct NaturalOrder {
  bool operator()(const std::string& a, const std::string& b) const { return natural_less(a, b); }
};
using HostsByLeaf = std::map<std::string, std::vector<std::string>, NaturalOrder>;

std::vector<HostsByLeaf> collect(const ClusterTopology& cluster, const std::vector<Group>& groups) {
  std::vector<HostsByLeaf> rails;
  for (const Group& group : groups) {
    rails.resize(std::max(rails.size(), group.rails.size()));
    for (std::size_t rail = 0; rail < group.rails.size(); ++rail) {
      const std::size_t nic = group.rails[rail].nic;
      std::size_t row = 0;
      for (std::size_t i = 0; i < nic; ++i) row += group.example.rdma_devices[i].ports.size();
      const std::size_t ports = group.example.rdma_devices[nic].ports.size();
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
