// The gate: when repeated measurements are evidence enough for PASS or FAIL.
//
// A measurement is repeated as a whole (new clocks, new warm-up, other checks in between), and one repeat is
// one block. Samples of one run come in bursts: a noisy neighbour, a clock step, a congested minute. Within a
// repeat nothing can tell how long such a burst is; between repeats it shows as what it is, variance. So the
// spread between repeats is the only estimate of error that the gate trusts (independent replications: Law,
// Simulation Modeling and Analysis, 5th ed., 9.4.1), with Student's t for their small number.
//
// Looking again and again until a verdict comes out right would pass a bad link sooner or later. There are
// three looks at most, after 4, 8 and 16 repeats, fixed beforehand, and the error probability is spent over
// them (Lan and DeMets, Biometrika 70(3), 1983; by Bonferroni, which needs no model of the dependence between
// looks). A PASS before the planned number of repeats must also hold with the limit moved by a tenth against
// it: what drifts a few per cent over the run has not shown its median after a quarter of it.
//
// A FAIL wants more repeats than a PASS. A spell of noise can cover four repeats, which then agree as well as
// those of a bad part do, and no statistic of theirs tells the two apart. So a FAIL is given
// after 8 repeats at the soonest, and then only where it holds with the limit moved by a quarter; else
// after 16. Whatever is undecided after its planned repeats goes on, as far as there is time: see Executor.
//
// Four repeats can all lie on the good side of a limit by chance (one time in 16 where it is the median of
// all repeats), whatever is counted in them. Below eight repeats a verdict must therefore hold by their
// magnitudes, too: Student's interval of the repeats' own quantiles, as logarithms, for what disturbs a time
// multiplies it.
//
// Errors of a family of checks: a cluster is accused by any one FAIL, so the probability of a wrong FAIL is
// divided among all judged checks of the run (Bonferroni). It is praised only if all of them pass, so a bad
// part is overlooked no more often than its own check errs, however many others there are (intersection-union
// test: Berger, Technometrics 24(4), 1982), and the probability of a wrong PASS is not divided.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "core/run_record.hpp"
#include "core/verdict.hpp"

namespace fabricheck {

/// Fewer repeats say nothing about the spread between repeats; fewer samples nothing about a quantile.
inline constexpr int min_repeats = 4;
inline constexpr int max_repeats = 16;
inline constexpr std::uint64_t min_gate_samples = 32;

/// How far the limit is moved against an early PASS, and against an early FAIL, which a spell of noise must
/// not give. The second is our own choice.
inline constexpr double early_margin = 0.1;
inline constexpr double early_fail_margin = 0.25;
/// Fewer repeats can all lie within one spell of noise.
inline constexpr int fewest_repeats_of_a_fail = 8;
/// From here on, repeats that all lie on one side of a limit are evidence by their number: 1 in 256 by
/// chance.
inline constexpr std::size_t repeats_that_count = 8;

struct GatePolicy {
  double alpha_pass{0.005};  ///< probability of a wrong PASS of one check
  double alpha_fail{0.005};  ///< probability of any wrong FAIL in the family
  int family{1};             ///< judged checks of this run
  int planned{max_repeats};  ///< repeats that there was time for from the start: 4, 8 or 16
  int repeats{max_repeats};  ///< that there are to be: as planned, or more
};

/// One of the moments at which a verdict may be given.
struct Look {
  int after_repeats{};
  double alpha_pass{};
  double alpha_fail{};  ///< 0: no FAIL can be given
  double margin_pass{}, margin_fail{};
};

/// How often a check of at most `most` repeats is measured (4, 8 or 16) so that it ends within `limit`: after
/// `done` visits, fewer than the first look's, that took `spent` together and the last of them `last` with
/// `samples` values in all (0: not known here). From the time alone, so that no value chooses when it is
/// looked at. The least where nothing fits. Times in any one unit.
struct Pace {
  int done{};
  double spent{}, last{}, limit{};
  std::uint64_t samples{};
};
int repeats_within(const Pace& pace, int most);

/// How many values each of the visits that remain has to give, so that all together are enough for a verdict.
std::uint64_t samples_of_each(std::uint64_t samples, int done, int repeats);

/// The looks of a policy, ascending; the last one is after all repeats. Probabilities of all looks that there
/// could be add up to the policy's.
std::vector<Look> looks_of(const GatePolicy& policy);

/// The look due after exactly `repeats`, if any.
std::optional<Look> look_after(const GatePolicy& policy, int repeats);

/// What one repeat says of a limit: how many of its samples are within it.
struct RepeatCount {
  std::uint64_t samples{};
  std::uint64_t within{};
};

/// P(X >= k) for X binomial(n, q): the exact tail (Clopper and Pearson, Biometrika 26(4), 1934), by the
/// incomplete beta function.
double binomial_upper_tail(std::uint64_t k, std::uint64_t n, double q);

/// Whether more than the share q of all samples is within the limit, with error probability alpha: by
/// Student's t over the repeats' shares, and by the exact binomial tail, which forbids certainty from a lucky
/// tie between few samples. Neighbouring repeats that resemble each other by more than chance (r > 2 /
/// sqrt(repeats)) count as (1 - r) / (1 + r) of themselves (the variance of the mean of a first-order
/// autoregression).
bool surely_within(std::span<const RepeatCount> repeats, double q, double alpha);
/// Whether less than the share q is within the limit.
bool surely_beyond(std::span<const RepeatCount> repeats, double q, double alpha);

/// The repeats' counts within a limit.
using CountsWithin = std::function<std::vector<RepeatCount>(double limit)>;

/// What a look at the end of 16 repeats would be. What it makes of fewer says where they point, and is no
/// verdict.
Look last_look(const GatePolicy& policy);

/// Where the middle of at least two repeats' quantiles surely lies, by Student's t over their logarithms
/// (over themselves where one is not above zero): not below lo (alpha_lo), not above hi (alpha_hi).
Interval interval_of_quantiles(std::span<const double> quantiles, double alpha_lo, double alpha_hi);

/// What a look makes of the q-quantile against `limit`: pass where surely at most the limit, fail where
/// surely above. `quantiles`: the q-quantile of each repeat. `error` is how far every sample may be off (of
/// the clocks); it moves the limit against either verdict, as the look's margin does.
Verdict weigh(const CountsWithin& counts, std::span<const double> quantiles, double q, double limit,
              double error, const Look& look);

/// A measurement's values, repeat by repeat, in the order taken. `begins` are the indices at which repeats
/// begin; empty: one repeat.
class Repeats {
 public:
  Repeats(std::span<const double> values, std::span<const std::size_t> begins);
  std::size_t size() const { return parts_.size(); }
  std::span<const double> part(std::size_t i) const { return parts_[i]; }
  /// Values at or below `limit` (below, where `strictly`) in each repeat.
  std::vector<RepeatCount> within(double limit, bool strictly) const;
  /// The q-quantile of each repeat.
  std::vector<double> quantiles(double q) const;

 private:
  std::vector<std::span<const double>> parts_;
};

/// Interval of the q-quantile of all values: lo is the largest value that the quantile is surely not below
/// (alpha_lo), hi the smallest that it is surely not above (alpha_hi). nullopt below min_repeats or
/// min_gate_samples.
std::optional<Interval> repeated_quantile_interval(std::span<const double> values,
                                                   std::span<const std::size_t> begins, double q,
                                                   double alpha_lo, double alpha_hi);

/// The same for the mean, by the repeats' means.
std::optional<Interval> repeated_mean_interval(std::span<const double> values,
                                               std::span<const std::size_t> begins, double alpha_lo,
                                               double alpha_hi);

}  // namespace fabricheck
