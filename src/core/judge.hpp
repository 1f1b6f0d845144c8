// From samples and a target to a verdict.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/gate.hpp"
#include "core/run_record.hpp"
#include "core/statistics.hpp"
#include "core/target.hpp"

namespace fabricheck {

/// What a measurement left at the root of its group, over all its repeats.
struct SampleSet {
  /// One value per iteration, in order, microseconds: from the common start to the last rank's end.
  std::vector<double> values_us;
  /// Where in values_us each repeat begins; empty: it was not repeated.
  std::vector<std::size_t> repeat_begins;
  std::map<int, std::uint64_t> last_count;  ///< rank of the group -> iterations that it ended last
  std::uint64_t late_starts{};              ///< samples in which some rank missed the common start
  /// Iterations whose start came before the end of the one before; they are no samples, and are counted here.
  std::uint64_t overruns{};
  std::uint64_t verified{};
  double verification_us{};  ///< spent at the root on making inputs and comparing results, outside the timed
                             ///< part
  double measuring_us{};     ///< spent at the root on everything else
  double clock_error_us{};
  std::vector<double> barrier_us;  ///< the slowest rank's own time after a barrier start, per iteration
  /// Mean over ranks of each rank's mean after a barrier start (OSU's definition).
  std::optional<double> osu_mean_us;

  /// Adds one more repeat.
  void append(const SampleSet& repeat);
  int repeats() const { return std::max(1, static_cast<int>(repeat_begins.size())); }
};

/// How samples in microseconds are presented: as they are, as a rate, or as another figure that falls as they
/// grow.
struct Measure {
  std::string unit{"us"};
  /// Both empty: the value is the time. Else value_of_us falls, and us_of_value is its inverse.
  std::function<double(double)> value_of_us, us_of_value;

  /// value = rate_times_us / microseconds, as a bandwidth is.
  static Measure rate(std::string unit, double rate_times_us);

  bool falls() const { return static_cast<bool>(value_of_us); }
  double convert(double us) const { return falls() ? value_of_us(us) : us; }
  Interval convert(Interval us) const;
};

struct Judgement {
  Verdict verdict{Verdict::unchecked};
  std::string reason;
  std::optional<double> value;
  std::optional<Interval> ci95;
  std::optional<Interval> decision_interval;
  double decision_confidence{};
  bool points_to_fail{};  ///< INCONCLUSIVE, and more repeats of the same would be a FAIL
  std::uint64_t blocks{};
};

/// Judges samples as `measure` presents them, by the rules of core/gate.hpp. Without a target the verdict is
/// UNCHECKED and only the 95 % interval is filled. Between two looks of the policy the verdict is
/// INCONCLUSIVE. The clock error widens both ends of every interval. With more than a tenth of late starts a
/// FAIL becomes INCONCLUSIVE: lateness is booked as latency, so it can only make a good network look bad.
Judgement judge(const SampleSet& samples, const Target* target, const GatePolicy& policy,
                const Measure& measure = {});

inline constexpr double max_late_share_for_fail = 0.1;

/// What to do where ranks wait for a processor, whichever program launches them.
inline constexpr const char* own_core_advice =
    "give every rank a core of its own, as in: mpirun --bind-to core fabricheck run, or srun "
    "--cpu-bind=cores "
    "fabricheck run";

}  // namespace fabricheck
