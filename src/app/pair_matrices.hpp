// Figures of pairs as matrices: row = sender. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::app {

/// One matrix per check id, size and rails, of checks between nodes that were measured for more than one
/// pair. What was not measured is empty. A latency is of both ways, so it stands in both cells.
std::vector<Matrix> pair_matrices(std::span<const CheckRecord> checks);

}  // namespace fabricheck::app
