// GPUs whose power was limited on purpose: no fault, but the cause of a lower rate. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/finding.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// "gpu-power-limit-lowered", one for each pair of limit and default: GPUs that multiplied matrices here and
/// whose limit is below the board's default by more than 2 %. Accuses none of them.
std::vector<Finding> power_limit_findings(std::span<const CheckRecord> checks,
                                          const ClusterTopology& topology);

}  // namespace fabricheck::app
