// Which ranks measure with which, and in which order: rounds in which no port is used twice. Pure.
#pragma once

#include <vector>

namespace fabricheck::fabric {

/// A rank and the port that it uses.
struct PortEnd {
  int rank{};
  int node{};
  int rail{};
  bool operator==(const PortEnd&) const = default;
};

enum class PairChoice {
  rail,   ///< each node with a neighbour, every rail with itself
  cross,  ///< each node with a neighbour, every rail with the next one
  all,    ///< every node with every other, every rail with itself
};

struct EndPair {
  PortEnd from, to;
  bool operator==(const EndPair&) const = default;
};
using Round = std::vector<EndPair>;

/// A tournament of `players`: every two of them meet once, players / 2 pairs in each of players - 1 rounds
/// (one round more, and one player idle in each, where their number is odd). By the circle method (Lucas,
/// Récréations mathématiques II, 1883).
std::vector<std::vector<std::pair<int, int>>> tournament(int players);

/// Rounds of pairs between nodes, never inside one. Of several ranks on one port the first takes part.
/// `neighbours` is how many rounds of the tournament are taken of `rail` and `cross`: at least as many as
/// show every node once.
std::vector<Round> pairs_between_nodes(const std::vector<PortEnd>& ends, PairChoice choice, int neighbours);

/// One round of pairs of ranks of the same node, next to each other: of different ports where it has several.
std::vector<Round> pairs_inside_nodes(const std::vector<PortEnd>& ends);

}  // namespace fabricheck::fabric
