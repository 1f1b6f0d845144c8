// Statistics of one measurement, and intervals that hold for correlated samples.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck {

/// The q-quantile by nearest rank (the smallest value with at least q*n values at or below it); the median of
/// an even number is the mean of the middle two. `sorted` is ascending and not empty.
double quantile_of_sorted(std::span<const double> sorted, double q);

/// Quantile of Student's t distribution with `degrees` of freedom at `probability` in (0.5, 1), by bisection
/// on the regularised incomplete beta function (Abramowitz and Stegun 26.7.1; continued fraction 26.5.8).
double student_t_quantile(double probability, int degrees);

/// The t that is exceeded with probability `tail` in (0, 0.5): as above, without losing the digits of a small
/// tail.
double student_t_upper_quantile(double tail, int degrees);

/// The regularised incomplete beta function I_x(a, b).
double incomplete_beta(double a, double b, double x);

/// How the samples were cut for an interval.
struct BlockInterval {
  Interval interval;
  std::uint64_t blocks{};
};

/// Fewer samples or blocks than this give no interval: a t quantile of few degrees of freedom says nothing
/// useful.
inline constexpr std::uint64_t min_interval_samples = 100;
inline constexpr std::uint64_t min_blocks = 16;

/// Confidence interval of the q-quantile of a stationary, possibly correlated series, values in the order
/// taken.
///
/// The series is cut into equal blocks, 64 of them, merged to 32 and then 16 while neighbouring blocks are
/// correlated. For a candidate x the fractions of each block at or below x are about independent; x is inside
/// while q lies within mean +- t * s / sqrt(blocks) of them (batch means of indicators: Schmeiser 1982 for
/// batching; inverting a bound on F(x) for a quantile as in Howard and Ramdas, Bernoulli 28(3), 2022, section
/// 3). s is never taken below what independent samples would give, so that a lucky tie between blocks cannot
/// fake certainty. nullopt below min_interval_samples.
std::optional<BlockInterval> quantile_interval(std::span<const double> values, double q, double confidence);

/// The same for the mean, by block means.
std::optional<BlockInterval> mean_interval(std::span<const double> values, double confidence);

/// Fills samples, min, median, mean, p99 (from 1,000), p999 (from 10,000) and max.
Statistics describe(std::span<const double> values);

/// Bins of the ratio 2^(1/8), about 9 %, so that tails of any length are few bins. Values that are not
/// positive are in the first.
Histogram histogram_of(std::span<const double> values);

/// alpha in t = alpha * ceil(log2 n) + nothing else: the model of a small message's tree. `rounds` =
/// ceil(log2 n).
int tree_rounds(int participants);

}  // namespace fabricheck
