// From what the watchdog saw to a finding and the check's last record: pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "app/world_check.hpp"
#include "control/watchdog.hpp"
#include "core/run_record.hpp"

namespace fabricheck::app {

/// What rank 0 knows of an incident beside it.
struct IncidentFacts {
  std::string launcher;                ///< as LauncherFacts::name
  std::uint64_t verified{};            ///< iterations of a hunt for corruption until then, all of them right
  std::chrono::seconds notices_in{};   ///< as launcher_notices_in()
  std::chrono::nanoseconds silence{};  ///< as RunOptions::silence
};

/// How long mpirun may still take to notice a dead link by itself when the watchdog has called a rank hung
/// after `silence`, by what mpirun's options hand on to the ranks; 0 where it was not told to do so soon, or
/// is not the launcher. A rank that ends before that makes mpirun send something over the link, and then it
/// waits for an answer for a quarter of an hour.
std::chrono::seconds launcher_notices_in(const EnvironmentLookup& environment,
                                         std::chrono::nanoseconds silence);

/// Somebody on another host than `own_host` is not heard any more.
bool is_dead_link(const control::Incident& incident, const std::string& own_host);

/// Slugs: rank-lost, rank-hung, rank-failed, interrupted. Names rank, host, check and iteration.
Finding incident_finding(const control::Incident& incident, const std::optional<CheckRecord>& current,
                         const IncidentFacts& facts = {});

/// What to do where the launcher may not end by itself; empty where it will.
std::string launcher_words(const control::Incident& incident, const IncidentFacts& facts,
                           const std::string& own_host);

/// The record of the check that was cut short: ERROR with the finding's words (SKIPPED when it was
/// interrupted).
CheckRecord cut_short(CheckRecord current, const control::Incident& incident, const Finding& finding);

/// "MPI allreduce latency, 8 B, between nodes".
std::string check_words(const CheckRecord& check);

}  // namespace fabricheck::app
