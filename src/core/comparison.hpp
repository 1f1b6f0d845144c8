// Two results held against each other, check by check: better, worse, unchanged, or not comparable and why.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/differences.hpp"
#include "core/finding.hpp"
#include "core/run_record.hpp"

namespace fabricheck {

struct ComparisonPolicy {
  double tolerance_percent{5.0};
  double alpha{0.01};  ///< probability of a single false alarm anywhere in the comparison
};

enum class Outcome { worse, better, unchanged, incomparable };

/// One check of OLD and its partner of NEW. The pointers are into the compared records.
struct ComparedCheck {
  const CheckRecord* before{};  ///< nullptr: only in NEW
  const CheckRecord* after{};   ///< nullptr: only in OLD
  Outcome outcome{Outcome::incomparable};
  std::optional<double> change;  ///< of the figure, NEW against OLD, percent (of OLD; of shares in points)
  std::optional<Interval> interval;  ///< of the change, at the confidence of the whole comparison
  /// Why it is not comparable, in words that checks of one kind share; of a worse or better one what turned
  /// it, empty when the figures did.
  std::string reason;
  std::string detail;                          ///< of this check alone
  std::vector<std::size_t> changed_meanwhile;  ///< indices of the differences that may have to do with it

  const CheckRecord& shown() const { return after ? *after : *before; }
};

struct RunComparison {
  ComparisonPolicy policy;
  std::vector<Difference> differences;
  /// Worse ones first, the worst at the head; then better, not comparable, unchanged.
  std::vector<ComparedCheck> checks;

  std::size_t count(Outcome outcome) const;
};

/// Compares every check of `before` with its partner in `after`; both must outlive the result.
///
/// Partners have the same id, scope and parameters. Groups of several hosts find each other by their hosts,
/// else by their number; checks of one host by its name, and by number only where the two runs share no host
/// at all, as hosts named anew by each allocation do.
///
/// A check is worse when even the smallest plausible change is worse by more than the tolerance, better
/// likewise, and unchanged when every plausible change lies within it; what is left is undecided, and said to
/// be. From fewer than 8 repeats it is worse only where it takes longer by ten times the
/// tolerance, or by half. A verdict that turned from
/// PASS to FAIL is worse whatever the figures say, unless the target was moved past the old figure.
RunComparison compare_runs(const RunRecord& before, const RunRecord& after,
                           const ComparisonPolicy& policy = {});

/// target_missed when a check is worse, broken when not a single one could be decided, else passed.
int comparison_status(const RunComparison& comparison);
/// "2 worse, 1 better, 14 unchanged, 3 not comparable", or why nothing could be compared.
std::string comparison_headline(const RunComparison& comparison);
/// "+12.3 %"; of shares "+2.0 points".
std::string change_text(const ComparedCheck& check);
/// "[+10.1, +14.6]"; empty without one.
std::string change_interval_text(const ComparedCheck& check);
/// "not explained away: NIC firmware changed too (28.39.1002 -> 28.40.1000)"; empty when nothing did.
std::string meanwhile_text(const RunComparison& comparison, const ComparedCheck& check);

/// What a run held against a baseline adds to its findings: one `regression` for each set of hosts with worse
/// checks, or `baseline-not-compared` when not a single check could be decided.
std::vector<Finding> regressions(const RunComparison& comparison);

}  // namespace fabricheck
