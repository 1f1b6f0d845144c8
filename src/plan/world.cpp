#include "plan/world.hpp"

#include <algorithm>
#include <cstddef>

namespace fabricheck::plan {
namespace {

Ranks present(const Ranks& node) {
  Ranks ranks = node;
  std::erase(ranks, absent);
  return ranks;
}

}  // namespace

std::vector<Ranks> World::rails() const {
  std::size_t places = 0;
  for (const Ranks& ranks : by_node) places = std::max(places, ranks.size());
  std::vector<Ranks> groups;
  for (std::size_t place = 0; place < places; ++place) {
    Ranks group;
    for (const Ranks& ranks : by_node)
      if (place < ranks.size() && ranks[place] != absent) group.push_back(ranks[place]);
    if (group.size() > 1) groups.push_back(group);
  }
  return groups;
}

World World::without(const std::set<int>& ranks) const {
  World left = *this;
  left.max_per_node = 0;
  for (Ranks& node : left.by_node) {
    for (int& rank : node)
      if (ranks.contains(rank)) rank = absent;
    left.max_per_node = std::max(left.max_per_node, static_cast<int>(present(node).size()));
  }
  std::erase_if(left.all, [&](int rank) { return ranks.contains(rank); });
  return left;
}

std::vector<Ranks> World::inside_nodes(bool whole) const {
  std::vector<Ranks> groups;
  for (const Ranks& node : by_node)
    if (const Ranks ranks = present(node); ranks.size() > 1 && (ranks.size() == node.size()) == whole)
      groups.push_back(ranks);
  return groups;
}

bool World::is_whole() const {
  return std::all_of(by_node.begin(), by_node.end(),
                     [](const Ranks& node) { return present(node).size() == node.size(); });
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
