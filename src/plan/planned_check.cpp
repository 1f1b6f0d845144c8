#include <algorithm>
#include <optional>
#include <vector>

#include "plan/plan.hpp"

namespace fabricheck::plan {

bool is_judged(const PlannedCheck& check) {
  const auto some = [](const std::vector<std::optional<Target>>& targets) {
    return std::any_of(targets.begin(), targets.end(),
                       [](const std::optional<Target>& target) { return target.has_value(); });
  };
  return check.target || check.against_model || some(check.group_targets) || some(check.derived_targets);
}

}  // namespace fabricheck::plan
