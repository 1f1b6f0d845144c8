// From observations to findings: the root cause first, what follows from it under it. Pure; `fabricheck
// diagnose` gives it what files hold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/run_record.hpp"
#include "diagnose/expected_speed.hpp"
#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

/// The best row of an all-reduce benchmark, and what the topology would allow.
struct MeasuredSpeed {
  double busbw_GBps{}, bytes{};
  int nodes{};  ///< 0: not known
  std::optional<SpeedBound> bound;
  Quote quote;
};
std::optional<MeasuredSpeed> measured_speed(const Observations& seen, const BenchmarkRun& run);

/// More than the topology allows by the best algorithm: then it is that of another machine.
bool is_above_bound(const MeasuredSpeed& speed);
/// There is something to hold it against, and that is of this machine: large messages and a bound.
bool has_measure(const MeasuredSpeed& speed);

struct Diagnosis {
  std::vector<Finding> findings;    ///< each consequence behind its cause, with `caused_by`
  std::vector<CheckRecord> checks;  ///< measured figures beside their bounds, not judged
  std::vector<std::string> seen;    ///< versions, ranks, networks, … in words
  std::vector<NotTested> not_seen;  ///< what would have been needed to say more
  std::vector<std::string> hosts;
  int ranks{}, nodes{};  ///< 0: not known
  bool has_fault{};      ///< a finding that is bad or fatal
  bool is_start_open{};  ///< NCCL's start was begun, and no line says that it ended
  bool is_conclusive{};  ///< a fault, or enough seen to say that there is none
};

Diagnosis diagnose(const Observations& seen);

/// Adds what a topology tells of faults to the events: ports that are down, ACS, a flat PCI tree, …
void observe_topology(Observations& into, const ClusterTopology& topology, const std::string& file);

/// Of a further topology: only what is unlike its peers; the first stays what speed is held against.
void observe_odd_ones(Observations& into, const ClusterTopology& topology, const std::string& file);

/// One row of `fabricheck list findings`.
struct KnownFinding {
  const char* slug;
  Severity severity;
  const char* component;
  const char* meaning;
  const char* advice;
  const char* confirm;
};
std::vector<KnownFinding> known_findings();

}  // namespace fabricheck::diagnose
