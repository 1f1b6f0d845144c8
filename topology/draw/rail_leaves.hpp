// Which leaf switches each rail is cabled to. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "topology/draw/groups.hpp"

namespace fabricheck::topology {

struct LeafUse {
  std::string name;
  std::vector<std::string> hosts;
  bool odd{};                ///< most of this leaf's NICs are of another rail
  std::size_t usual_rail{};  ///< that one
};

struct RailLeaves {
  std::size_t rail{};
  std::vector<LeafUse> leaves;  ///< in natural order
};

/// By rail; rails without a known leaf are left out. A leaf that all rails share alike is odd for none.
std::vector<RailLeaves> rail_leaves(const ClusterTopology& cluster, const std::vector<Group>& groups);

}  // namespace fabricheck::topology
