// Targets: what a check is held against.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace fabricheck {

enum class Comparison { at_most, below, at_least, above };

/// "<=", "<", ">=", ">".
const char* comparison_symbol(Comparison comparison);

/// A limit, keyed check x bytes x ranks per node x statistic; unset keys match anything.
struct Target {
  std::string check;  ///< check id, exact
  std::optional<std::uint64_t> bytes;
  std::optional<int> ranks_per_node;
  /// Only for checks between nodes: it is judged in groups of at most this many nodes.
  std::optional<int> group_nodes;
  std::string statistic{"median"};  ///< "median", "mean", "p99"
  Comparison comparison{Comparison::at_most};
  double value{};
  std::string unit;    ///< the check's unit
  std::string source;  ///< where the figure comes from
  std::string origin;  ///< "built in" or FILE:LINE
  bool operator==(const Target&) const = default;
};

/// The last of `targets` that matches, so that a user's file, appended to the built-in ones, overrides them.
const Target* find_target(std::span<const Target> targets, const std::string& check, std::uint64_t bytes,
                          int ranks_per_node);

}  // namespace fabricheck
