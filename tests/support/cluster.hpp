// A cluster of equal hosts, as far as plans look at it.
#pragma once

#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::test {

/// Hosts "node0", "node1", … with `ranks_per_node` ranks each, numbered host by host.
inline ClusterTopology cluster_of(int nodes, int ranks_per_node) {
  ClusterTopology topology;
  for (int node = 0; node < nodes; ++node) {
    topology.hosts.push_back({});
    topology.hosts.back().name = "node" + std::to_string(node);
    for (int local = 0; local < ranks_per_node; ++local) {
      RankPlace place;
      place.rank = static_cast<int>(topology.ranks.size());
      place.host = node;
      place.local_rank = local;
      topology.ranks.push_back(place);
    }
  }
  return topology;
}

}  // namespace fabricheck::test
