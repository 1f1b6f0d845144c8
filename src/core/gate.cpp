#include "core/gate.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/statistics.hpp"

namespace fabricheck {
namespace {

constexpr double early_share = 0.1;
constexpr double late_fail_share = 1.0 - early_share;
constexpr std::array<int, 3> look_points{min_repeats, fewest_repeats_of_a_fail, max_repeats};

/// Of the probability of a wrong PASS at each look point: little at early looks, the rest over those from the
/// planned end on.
double pass_share(int planned, std::size_t look) {
  if (look_points[look] < planned) return early_share;
  const auto early = static_cast<double>(
      std::count_if(look_points.begin(), look_points.end(), [&](int point) { return point < planned; }));
  return (1.0 - early_share * early) / (static_cast<double>(look_points.size()) - early);
}

/// Mean of the repeats' figures and its standard error.
struct Moments {
  double mean{};
  double standard_error{};
};

Moments moments_of(std::span<const double> figures) {
  const double n = static_cast<double>(figures.size());
  const double mean = std::accumulate(figures.begin(), figures.end(), 0.0) / n;
  double squares = 0.0, products = 0.0;
  for (std::size_t i = 0; i < figures.size(); ++i) {
    squares += (figures[i] - mean) * (figures[i] - mean);
    if (i > 0) products += (figures[i] - mean) * (figures[i - 1] - mean);
  }
  double variance = squares / (n - 1.0) / n;
  const double r = squares > 0.0 ? products / squares : 0.0;
  constexpr double most = 0.9;
  if (r > 2.0 / std::sqrt(n)) variance *= (1.0 + std::min(r, most)) / (1.0 - std::min(r, most));
  return {mean, std::sqrt(variance)};
}

/// Student's t quantiles are searched for; the same few come again at every look of every check.
double upper_t(double alpha, std::size_t repeats) {
  struct Known {
    double alpha{};
    std::size_t repeats{};
    double t{};
  };
  thread_local std::array<Known, 8> known{};
  thread_local std::size_t next = 0;
  for (const Known& one : known)
    if (one.alpha == alpha && one.repeats == repeats) return one.t;
  const double t = student_t_upper_quantile(alpha, static_cast<int>(repeats) - 1);
  known[next++ % known.size()] = {alpha, repeats, t};
  return t;
}

std::vector<double> shares(std::span<const RepeatCount> repeats) {
  std::vector<double> all;
  all.reserve(repeats.size());
  for (const RepeatCount& one : repeats)
    if (one.samples > 0) all.push_back(static_cast<double>(one.within) / static_cast<double>(one.samples));
  return all;
}

}  // namespace

Look last_look(const GatePolicy& policy) {
  return {max_repeats, policy.alpha_pass, late_fail_share * policy.alpha_fail / std::max(1, policy.family),
          0.0, 0.0};
}

std::vector<Look> looks_of(const GatePolicy& policy) {
  const double alpha_fail = policy.alpha_fail / std::max(1, policy.family);
  std::vector<Look> looks;
  for (std::size_t i = 0; i < look_points.size(); ++i) {
    const int point = look_points[i];
    if (point > policy.repeats) break;
    Look look;
    look.after_repeats = point;
    look.alpha_pass = pass_share(policy.planned, i) * policy.alpha_pass;
    look.margin_pass = point < policy.planned ? early_margin : 0.0;
    if (point >= fewest_repeats_of_a_fail) {
      look.alpha_fail = (point == max_repeats ? late_fail_share : early_share) * alpha_fail;
      look.margin_fail = point == max_repeats ? 0.0 : early_fail_margin;
    }
    looks.push_back(look);
  }
  return looks;
}

std::optional<Look> look_after(const GatePolicy& policy, int repeats) {
  for (const Look& look : looks_of(policy))
    if (look.after_repeats == repeats) return look;
  return std::nullopt;
}

std::uint64_t samples_of_each(std::uint64_t samples, int done, int repeats) {
  if (samples >= min_gate_samples || done >= repeats) return 0;
  const auto left = static_cast<std::uint64_t>(repeats - done);
  return (min_gate_samples - samples + left - 1) / left;
}

int repeats_within(const Pace& pace, int most) {
  const double of_a_visit = static_cast<double>(pace.samples) / pace.done;
  for (int repeats = most;; repeats /= 2) {
    const auto wanted = static_cast<double>(samples_of_each(pace.samples, pace.done, repeats));
    const double each = pace.samples > 0 ? pace.last * std::max(1.0, wanted / of_a_visit) : pace.last;
    if (repeats / 2 < min_repeats || pace.spent + each * (repeats - pace.done) <= pace.limit) return repeats;
  }
}

double binomial_upper_tail(std::uint64_t k, std::uint64_t n, double q) {
  if (k == 0) return 1.0;
  if (k > n) return 0.0;
  return incomplete_beta(static_cast<double>(k), static_cast<double>(n - k) + 1.0, q);
}

bool surely_within(std::span<const RepeatCount> repeats, double q, double alpha) {
  const std::vector<double> figures = shares(repeats);
  if (figures.size() < static_cast<std::size_t>(min_repeats)) return false;
  const Moments m = moments_of(figures);
  if (m.mean - upper_t(alpha, figures.size()) * m.standard_error <= q) return false;
  std::uint64_t samples = 0, within = 0;
  for (const RepeatCount& one : repeats) {
    samples += one.samples;
    within += one.within;
  }
  return binomial_upper_tail(within, samples, q) <= alpha;
}

bool surely_beyond(std::span<const RepeatCount> repeats, double q, double alpha) {
  std::vector<RepeatCount> others(repeats.begin(), repeats.end());
  for (RepeatCount& one : others) one.within = one.samples - one.within;
  return surely_within(others, 1.0 - q, alpha);
}

Interval interval_of_quantiles(std::span<const double> quantiles, double alpha_lo, double alpha_hi) {
  const bool are_positive =
      std::all_of(quantiles.begin(), quantiles.end(), [](double quantile) { return quantile > 0.0; });
  std::vector<double> figures(quantiles.begin(), quantiles.end());
  if (are_positive)
    for (double& figure : figures) figure = std::log(figure);
  const Moments m = moments_of(figures);
  const double lo = m.mean - upper_t(alpha_lo, figures.size()) * m.standard_error;
  const double hi = m.mean + upper_t(alpha_hi, figures.size()) * m.standard_error;
  return are_positive ? Interval{std::exp(lo), std::exp(hi)} : Interval{lo, hi};
}

Verdict weigh(const CountsWithin& counts, std::span<const double> quantiles, double q, double limit,
              double error, const Look& look) {
  const bool are_few = quantiles.size() < repeats_that_count;
  const double least = limit * (1.0 - look.margin_pass) - error,
               most = limit * (1.0 + look.margin_fail) + error;
  if (look.alpha_pass > 0.0 && surely_within(counts(least), q, look.alpha_pass) &&
      (!are_few || interval_of_quantiles(quantiles, look.alpha_pass, look.alpha_pass).hi <= least))
    return Verdict::pass;
  if (look.alpha_fail > 0.0 && surely_beyond(counts(most), q, look.alpha_fail) &&
      (!are_few || interval_of_quantiles(quantiles, look.alpha_fail, look.alpha_fail).lo >= most))
    return Verdict::fail;
  return Verdict::inconclusive;
}

Repeats::Repeats(std::span<const double> values, std::span<const std::size_t> begins) {
  if (begins.empty()) {
    parts_.push_back(values);
    return;
  }
  for (std::size_t i = 0; i < begins.size(); ++i) {
    const std::size_t end = i + 1 < begins.size() ? begins[i + 1] : values.size();
    if (end > begins[i]) parts_.push_back(values.subspan(begins[i], end - begins[i]));
  }
}

std::vector<RepeatCount> Repeats::within(double limit, bool strictly) const {
  std::vector<RepeatCount> counts;
  counts.reserve(parts_.size());
  for (const std::span<const double> part : parts_) {
    const auto count =
        std::count_if(part.begin(), part.end(), [&](double v) { return strictly ? v < limit : v <= limit; });
    counts.push_back({part.size(), static_cast<std::uint64_t>(count)});
  }
  return counts;
}

std::vector<double> Repeats::quantiles(double q) const {
  std::vector<double> all;
  for (const std::span<const double> part : parts_) {
    if (part.empty()) continue;
    std::vector<double> sorted(part.begin(), part.end());
    std::sort(sorted.begin(), sorted.end());
    all.push_back(quantile_of_sorted(sorted, q));
  }
  return all;
}

std::optional<Interval> repeated_quantile_interval(std::span<const double> values,
                                                   std::span<const std::size_t> begins, double q,
                                                   double alpha_lo, double alpha_hi) {
  const Repeats repeats(values, begins);
  if (repeats.size() < static_cast<std::size_t>(min_repeats) || values.size() < min_gate_samples)
    return std::nullopt;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  // Both predicates rise with x but for noise of the spread between repeats.
  const auto lower = std::partition_point(sorted.begin(), sorted.end(), [&](double x) {
    return surely_beyond(repeats.within(x, false), q, alpha_lo);
  });
  // P(X < x): with ties the share at or below x would call the tied value itself too large.
  const auto upper = std::partition_point(sorted.begin(), sorted.end(), [&](double x) {
    return !surely_within(repeats.within(x, true), q, alpha_hi);
  });
  const double centre = quantile_of_sorted(sorted, q);
  const double lo = lower == sorted.end() ? sorted.back() : *lower;
  const double hi = upper == sorted.begin() ? sorted.front() : *(upper - 1);
  Interval interval{std::min(lo, centre), std::max(hi, centre)};
  if (repeats.size() < repeats_that_count) {
    const Interval by_magnitude = interval_of_quantiles(repeats.quantiles(q), alpha_lo, alpha_hi);
    interval = {std::min(interval.lo, by_magnitude.lo), std::max(interval.hi, by_magnitude.hi)};
  }
  return interval;
}

std::optional<Interval> repeated_mean_interval(std::span<const double> values,
                                               std::span<const std::size_t> begins, double alpha_lo,
                                               double alpha_hi) {
  const Repeats repeats(values, begins);
  if (repeats.size() < static_cast<std::size_t>(min_repeats) || values.size() < min_gate_samples)
    return std::nullopt;
  std::vector<double> means;
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    const std::span<const double> part = repeats.part(i);
    means.push_back(std::accumulate(part.begin(), part.end(), 0.0) / static_cast<double>(part.size()));
  }
  const Moments m = moments_of(means);
  return Interval{m.mean - upper_t(alpha_lo, means.size()) * m.standard_error,
                  m.mean + upper_t(alpha_hi, means.size()) * m.standard_error};
}

}  // namespace fabricheck
