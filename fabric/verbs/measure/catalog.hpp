// The checks between pairs of ranks over verbs: one row per operation, its metrics follow.
#pragma once

#include <memory>
#include <vector>

#include "core/check.hpp"
#include "fabric/verbs/measure/operations.hpp"

namespace fabricheck::verbs {

/// Flows that a pair is swept over.
inline constexpr int swept_flows = 8;

/// `setup` is what this rank measures with; without it the rows can be listed and planned.
std::vector<CheckRow> catalog(const std::shared_ptr<const Setup>& setup = nullptr);

}  // namespace fabricheck::verbs
