// From what the watchdog saw to a finding and the check's last record: pure.
#pragma once

#include <optional>
#include <string>

#include "control/watchdog.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// Slugs: rank-lost, rank-hung, rank-failed, interrupted. Names rank, host, check and iteration.
Finding incident_finding(const control::Incident& incident, const std::optional<CheckRecord>& current);

/// The record of the check that was cut short: ERROR with the finding's words (SKIPPED when it was
/// interrupted).
CheckRecord cut_short(CheckRecord current, const control::Incident& incident, const Finding& finding);

/// "MPI allreduce latency, 8 B, between nodes".
std::string check_words(const CheckRecord& check);

}  // namespace fabricheck::app
