// The ranks of a run as the plan groups them. Pure; private to this folder.
#pragma once

#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::plan {

using Ranks = std::vector<int>;

struct World {
  std::vector<Ranks> by_node;  ///< ranks of each node, ascending
  Ranks leaders;
  Ranks all;
  std::vector<int> gpu_of;  ///< by rank; where none is known, its place on the node
  int max_per_node{};

  /// The first ranks of all nodes, the second ones, …; without those that are alone.
  std::vector<Ranks> rails() const;
  /// The ranks at this place on their nodes, each by itself.
  std::vector<Ranks> alone(int place) const;
};

World world_of(const ClusterTopology& topology);

/// Even groups of at most `at_most` ranks.
std::vector<Ranks> cut(const Ranks& ranks, int at_most);

}  // namespace fabricheck::plan
