#include "fabric/pairs/schedule.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace fabricheck::fabric {
namespace {

using Rails = std::map<int, PortEnd>;

/// Of each node, by rail, the first rank on it.
std::vector<Rails> nodes_of(const std::vector<PortEnd>& ends) {
  std::map<int, Rails> nodes;
  for (const PortEnd& end : ends) {
    const auto [known, is_new] = nodes[end.node].emplace(end.rail, end);
    if (!is_new && end.rank < known->second.rank) known->second = end;
  }
  std::vector<Rails> list;
  list.reserve(nodes.size());
  for (auto& [node, rails] : nodes) list.push_back(std::move(rails));
  return list;
}

/// The rail that `rail` of one node meets on the other: itself, or the next one there.
const PortEnd* partner(const Rails& rails, int rail, bool cross) {
  if (!cross) {
    const auto same = rails.find(rail);
    return same == rails.end() ? nullptr : &same->second;
  }
  if (rails.size() < 2) return nullptr;
  const auto next = rails.upper_bound(rail);
  return next == rails.end() ? &rails.begin()->second : &next->second;
}

}  // namespace

std::vector<std::vector<std::pair<int, int>>> tournament(int players) {
  std::vector<std::vector<std::pair<int, int>>> rounds;
  const int seats = players + players % 2;
  for (int round = 0; round + 1 < seats; ++round) {
    std::vector<std::pair<int, int>> pairs;
    // The last seat stays, the others move round it; who meets an empty seat is idle.
    const auto player = [&](int seat) { return seat == seats - 1 ? seat : (seat + round) % (seats - 1); };
    for (int i = 0; i < seats / 2; ++i) {
      const auto [low, high] = std::minmax({player(i), player(seats - 1 - i)});  // by value
      if (high < players) pairs.emplace_back(low, high);
    }
    std::sort(pairs.begin(), pairs.end());
    rounds.push_back(std::move(pairs));
  }
  return rounds;
}

std::vector<Round> pairs_between_nodes(const std::vector<PortEnd>& ends, PairChoice choice, int neighbours) {
  const std::vector<Rails> nodes = nodes_of(ends);
  std::vector<Round> rounds;
  std::set<int> met;
  for (const auto& pairs : tournament(static_cast<int>(nodes.size()))) {
    const bool all_met = met.size() == nodes.size();
    if (choice != PairChoice::all && all_met && static_cast<int>(rounds.size()) >= neighbours) break;
    Round round;
    for (const auto& [a, b] : pairs) {
      met.insert(a);
      met.insert(b);
      for (const auto& [rail, end] : nodes[static_cast<std::size_t>(a)])
        if (const PortEnd* other =
                partner(nodes[static_cast<std::size_t>(b)], rail, choice == PairChoice::cross))
          round.push_back({end, *other});
    }
    if (!round.empty()) rounds.push_back(std::move(round));
  }
  return rounds;
}

std::vector<Round> pairs_inside_nodes(const std::vector<PortEnd>& ends) {
  std::map<int, std::vector<PortEnd>> nodes;
  for (const PortEnd& end : ends) nodes[end.node].push_back(end);
  Round round;
  for (auto& [node, list] : nodes) {
    std::stable_sort(list.begin(), list.end(),
                     [](const PortEnd& a, const PortEnd& b) { return a.rank < b.rank; });
    for (std::size_t i = 0; i + 1 < list.size(); i += 2) round.push_back({list[i], list[i + 1]});
  }
  if (round.empty()) return {};
  return {round};
}

}  // namespace fabricheck::fabric
