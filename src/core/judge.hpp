// From samples and a target to a verdict.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/run_record.hpp"
#include "core/statistics.hpp"
#include "core/target.hpp"

namespace fabricheck {

/// What one measurement left at the root of its group.
struct SampleSet {
  /// One value per iteration, in order, microseconds: from the common start to the last rank's end.
  std::vector<double> values_us;
  std::map<int, std::uint64_t> last_count;  ///< rank of the group -> iterations that it ended last
  std::uint64_t late_starts{};              ///< samples in which some rank missed the common start
  /// Iterations whose start came before the end of the one before; they are no samples, and are counted here.
  std::uint64_t overruns{};
  std::uint64_t verified{};
  double clock_error_us{};
  std::optional<double> osu_mean_us;
  std::optional<double> barrier_median_us;
};

/// Looking again and again until a verdict comes out right would pass a bad link sooner or later. So there is
/// a fixed set of looks, at sample counts that grow by half, and the error probability of the verdict is
/// divided among them (Bonferroni: valid whatever the dependence between looks), and among the judged checks
/// of the run.
struct JudgePolicy {
  double alpha{0.01};  ///< probability of a wrong verdict anywhere in the family
  int family{1};       ///< judged checks in this run
  int looks{12};       ///< including the last one at the end of the budget
  double confidence_per_look() const { return 1.0 - alpha / (static_cast<double>(family) * looks); }
};

/// The sample counts at which the verdict may be looked at: 100, 150, 225, … (looks - 1 of them).
class LookSchedule {
 public:
  explicit LookSchedule(int looks) : left_(looks - 1) {}
  /// True once per step of the schedule; the last look of the budget is not counted here.
  bool due(std::uint64_t samples) {
    if (left_ <= 0 || samples < next_) return false;
    while (next_ <= samples) next_ += next_ / 2;
    --left_;
    return true;
  }

 private:
  int left_;
  std::uint64_t next_{min_interval_samples};
};

/// How samples in microseconds are presented: as they are, or as a rate that falls as they grow.
struct Measure {
  std::string unit{"us"};
  double rate_times_us{};  ///< > 0: value = rate_times_us / microseconds, as a bandwidth is
  double convert(double us) const { return rate_times_us > 0.0 ? rate_times_us / us : us; }
  Interval convert(Interval us) const;
};

struct Judgement {
  Verdict verdict{Verdict::unchecked};
  std::string reason;
  std::optional<double> value;
  std::optional<Interval> ci95;
  std::optional<Interval> decision_interval;
  double decision_confidence{};
  std::uint64_t blocks{};
};

/// Judges samples as `measure` presents them. Without a target the verdict is UNCHECKED and only the 95 %
/// interval is filled. The clock error widens both ends of every interval. With more than a tenth of late
/// starts a FAIL becomes INCONCLUSIVE: lateness is booked as latency, so it can only make a good network look
/// bad.
Judgement judge(const SampleSet& samples, const Target* target, const JudgePolicy& policy,
                const Measure& measure = {});

inline constexpr double max_late_share_for_fail = 0.1;

}  // namespace fabricheck
