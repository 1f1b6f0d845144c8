// The ranks of a run as the plan groups them. Pure; private to this folder.
#pragma once

#include <set>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::plan {

using Ranks = std::vector<int>;

/// In World::by_node: a rank that takes no part, and keeps its place.
inline constexpr int absent = -1;

struct World {
  std::vector<Ranks> by_node;  ///< ranks of each node, ascending
  Ranks leaders;
  Ranks all;
  std::vector<int> gpu_of;  ///< by rank; where none is known, its place on the node
  int max_per_node{};

  /// This world without some of its ranks: the others keep their places, and so their rails.
  World without(const std::set<int>& ranks) const;
  /// The ranks of each node, where there are several: of nodes that have lost none, or of the others.
  std::vector<Ranks> inside_nodes(bool whole) const;
  bool is_whole() const;
  /// The first ranks of all nodes, the second ones, …; without those that are alone.
  std::vector<Ranks> rails() const;
  /// The ranks at this place on their nodes, each by itself.
  std::vector<Ranks> alone(int place) const;
};

World world_of(const ClusterTopology& topology);

/// Even groups of at most `at_most` ranks.
std::vector<Ranks> cut(const Ranks& ranks, int at_most);

}  // namespace fabricheck::plan
