#include "plan/world.hpp"

#include <algorithm>
#include <cstddef>

namespace fabricheck::plan {

std::vector<Ranks> World::rails() const {
  std::vector<Ranks> groups;
  for (std::size_t place = 0; place < static_cast<std::size_t>(max_per_node); ++place) {
    Ranks group;
    for (const Ranks& ranks : by_node)
      if (place < ranks.size()) group.push_back(ranks[place]);
    if (group.size() > 1) groups.push_back(group);
  }
  return groups;
}

std::vector<Ranks> World::alone(int place) const {
  std::vector<Ranks> groups;
  for (const Ranks& ranks : by_node)
    if (static_cast<std::size_t>(place) < ranks.size())
      groups.push_back({ranks[static_cast<std::size_t>(place)]});
  return groups;
}

World world_of(const ClusterTopology& topology) {
  World world;
  world.by_node.resize(topology.hosts.size());
  for (const RankPlace& place : topology.ranks) {
    world.by_node[static_cast<std::size_t>(place.host)].push_back(place.rank);
    world.all.push_back(place.rank);
    world.gpu_of.push_back(place.gpu.value_or(place.local_rank));
  }
  for (const Ranks& ranks : world.by_node) {
    world.leaders.push_back(ranks.front());
    world.max_per_node = std::max(world.max_per_node, static_cast<int>(ranks.size()));
  }
  return world;
}

std::vector<Ranks> cut(const Ranks& ranks, int at_most) {
  // Even groups: 9 nodes make 5 + 4, not 8 + 1, for a group of one tests nothing.
  const std::size_t n = ranks.size(),
                    groups = (n + static_cast<std::size_t>(at_most) - 1) / static_cast<std::size_t>(at_most);
  std::vector<Ranks> parts(groups);
  for (std::size_t g = 0; g < groups; ++g)
    parts[g].assign(ranks.begin() + static_cast<std::ptrdiff_t>(g * n / groups),
                    ranks.begin() + static_cast<std::ptrdiff_t>((g + 1) * n / groups));
  return parts;
}

}  // namespace fabricheck::plan
