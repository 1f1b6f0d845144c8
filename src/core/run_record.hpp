// The record of one run: what every reporter reads and nothing else writes to disk.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/finding.hpp"
#include "core/topology_record.hpp"
#include "core/verdict.hpp"

namespace fabricheck {

struct Interval {
  double lo{};
  double hi{};
  bool operator==(const Interval&) const = default;
};

/// How often which values came: bins of equal ratio, the empty ones left out.
struct Histogram {
  std::vector<double> upper;           ///< the largest value that a bin takes, ascending
  std::vector<std::uint64_t> samples;  ///< in each bin
  bool operator==(const Histogram&) const = default;
};

/// Statistics in the check's unit. Unset means not available (too few samples), never zero.
struct Statistics {
  std::uint64_t samples{};
  std::uint64_t blocks{};
  /// Of the whole measurement; from 4 they are the blocks. Unset: measured once, or by a version that did not
  /// tell.
  std::optional<std::uint64_t> repeats;
  std::optional<double> min, median, mean;
  std::optional<double> p99;   ///< from 1,000 samples
  std::optional<double> p999;  ///< from 10,000 samples
  std::optional<double> max;
  std::optional<double> osu_mean;  ///< mean over ranks of each rank's mean, barrier start (OSU's definition)
  std::optional<double> barrier_median;       ///< median of the slowest rank's own time after a barrier start
  std::optional<double> clock_error;          ///< half-width that the common clock adds to every interval
  std::optional<Interval> decision_interval;  ///< the wider interval that the verdict rests on
  std::optional<double> decision_confidence;  ///< its confidence, 0..1
  std::uint64_t late_starts{};                ///< samples in which a rank missed the common start
  std::uint64_t overruns{};            ///< iterations that began before the one before had ended: no samples
  std::uint64_t verified{};            ///< iterations whose result was compared element by element
  std::optional<Histogram> histogram;  ///< of all samples
  bool operator==(const Statistics&) const = default;
};

/// Which rank ended last most often.
struct LastRank {
  int rank{};
  std::string host;
  double share{};  ///< of the iterations, 0..1
  bool operator==(const LastRank&) const = default;
};

struct AppliedTarget {
  std::string comparison;  ///< "<", "<=", ">=", ">"
  double value{};
  std::string statistic;
  std::string source;
  bool operator==(const AppliedTarget&) const = default;
};

using Parameter = std::variant<std::int64_t, double, std::string>;

struct CheckRecord {
  std::string id;
  std::string title;
  std::string scope;
  std::map<std::string, Parameter> parameters;  ///< "bytes", "ranks_per_node", "nodes", "ranks", "group", …
  std::string metric;
  std::string unit;
  std::optional<double> value;
  std::optional<Interval> ci95;
  Statistics statistics;
  std::optional<LastRank> last;
  std::optional<AppliedTarget> target;
  std::map<std::string, double> counters;
  /// What it ran on, found while it ran: ports, addresses, the class, sizes of queues. Unlike the parameters
  /// it does not tell one check from another. Unset: nothing to tell.
  std::optional<std::map<std::string, Parameter>> path;
  Verdict verdict{Verdict::unchecked};
  std::string reason;                     ///< one sentence; empty only for a plain PASS or UNCHECKED
  std::vector<std::string> participants;  ///< hosts
  bool operator==(const CheckRecord&) const = default;
};

/// A fact of check.path; empty, or nothing, where it is not told or is of another type.
std::string path_text(const CheckRecord& check, const std::string& name);
std::optional<double> path_number(const CheckRecord& check, const std::string& name);

struct NotTested {
  std::string id;
  std::string reason;
  bool operator==(const NotTested&) const = default;
};

/// A line through measured points: alpha-beta fits, the world model.
struct Fit {
  std::string id;  ///< "mpi.allreduce.latency"
  std::string scope;
  std::string model;                           ///< "alpha*ceil(log2(nodes))"
  std::map<std::string, double> coefficients;  ///< units in the names: "alpha_us"
  bool operator==(const Fit&) const = default;
};

struct Matrix {
  std::string id;
  std::string unit;
  std::string direction;
  std::vector<std::string> rows;  ///< row = sender
  std::vector<std::string> cols;
  std::vector<std::vector<std::optional<double>>> data;
  bool operator==(const Matrix&) const = default;
};

struct ToolInfo {
  std::string version;
  std::string git;
  std::map<std::string, std::string> built_with;  ///< "cuda": "13.0" or "no: …"
  bool operator==(const ToolInfo&) const = default;
};

struct WorldInfo {
  int ranks{};
  int nodes{};
  std::string launcher;
  std::vector<std::string> hosts;
  std::map<std::string, std::string> mpi;  ///< "library", "thread_level", "transport", …
  bool operator==(const WorldInfo&) const = default;
};

struct RunRecord {
  std::string schema{"fabricheck/1"};
  ToolInfo tool;
  std::string started;  ///< UTC, ISO 8601
  double duration_s{};
  std::vector<std::string> command;
  WorldInfo world;
  Verdict verdict{Verdict::inconclusive};
  int exit_status{3};
  std::string verdict_reason;  ///< one sentence for the head of the report
  std::map<std::string, double>
      overhead;  ///< "sampling_p50_ns", …: the tool's own cost, measured in this run
  std::vector<CheckRecord> checks;
  std::vector<Finding> findings;
  std::vector<Matrix> matrices;
  std::vector<Fit> fits;
  std::vector<NotTested> not_tested;
  ClusterTopology topology;
  bool operator==(const RunRecord&) const = default;
};

/// A text that is the same for records of one check alone.
std::string check_key(const CheckRecord& check);

/// Puts records of checks that come again, after each of their repeats, into one list.
class CheckList {
 public:
  /// Adds `check` to `checks`, or replaces the earlier record of it that was put there by this list. A record
  /// without a figure, as of a check that was cut short, leaves what was measured, and a verdict that was
  /// given: FAIL stays FAIL, and only a FAIL or ERROR takes the place of a PASS. Figures of a measurement
  /// with wrong results are no figures.
  void put(std::vector<CheckRecord>& checks, CheckRecord check);

 private:
  std::unordered_map<std::string, std::size_t> place_;
};

/// Sets verdict, exit_status and verdict_reason from the checks and findings (design section 2 and 3): a
/// finding "rank-hung" or "rank-lost" gives 4; any FAIL or a finding "regression" 1; any ERROR or
/// INCONCLUSIVE, an interruption, a finding "baseline-not-compared", or nothing judged 3; else 0.
void conclude(RunRecord& record);

}  // namespace fabricheck
