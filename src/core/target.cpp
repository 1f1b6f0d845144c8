#include "core/target.hpp"

namespace fabricheck {

const char* comparison_symbol(Comparison comparison) {
  switch (comparison) {
    case Comparison::at_most:
      return "<=";
    case Comparison::below:
      return "<";
    case Comparison::at_least:
      return ">=";
    case Comparison::above:
      return ">";
  }
  return "?";
}

const Target* find_target(std::span<const Target> targets, const std::string& check, std::uint64_t bytes,
                          int ranks_per_node) {
  for (auto target = targets.rbegin(); target != targets.rend(); ++target) {
    if (target->check != check) continue;
    if (target->bytes.value_or(bytes) != bytes) continue;
    if (target->ranks_per_node.value_or(ranks_per_node) != ranks_per_node) continue;
    return &*target;
  }
  return nullptr;
}

}  // namespace fabricheck
