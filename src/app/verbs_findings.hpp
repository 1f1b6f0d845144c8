// What pairs of ports say of the network between them. Pure.
#pragma once

#include <vector>

#include "core/check.hpp"
#include "core/judge.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// Writes each flow's median into the record's path, and which of them are slow; sample i is of flow i %
/// flows.
void note_flows(CheckRecord& record, const std::vector<double>& values_us, int flows, const Measure& measure);

/// From all checks of a run and what was found before: flows that share a link ("ecmp-collision"), and paths
/// whose connections had to use a GID that they should not (fabric/verbs/gid_findings.hpp).
std::vector<Finding> verbs_findings(const RunRecord& run);

}  // namespace fabricheck::app
