// Which check of one result is which of another. Private to src/core.
#pragma once

#include <vector>

#include "core/comparison.hpp"

namespace fabricheck {

/// Every check of either result once, those of `before` first. First by hosts, whichever group they were in;
/// then by the number of the group; then by kind alone, with a reason that the world had another size. What
/// is left has "only in OLD" or "only in NEW" as its reason.
std::vector<ComparedCheck> paired_checks(const RunRecord& before, const RunRecord& after);

}  // namespace fabricheck
