#include "core/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>

namespace fabricheck {
namespace {

double beta_continued_fraction(double a, double b, double x) {
  // Lentz's method.
  constexpr double tiny = 1e-300;
  double c = 1.0;
  double d = 1.0 - (a + b) * x / (a + 1.0);
  d = 1.0 / (std::abs(d) < tiny ? tiny : d);
  double h = d;
  // About the square root of the larger argument many terms are needed.
  for (int m = 1; m <= 20000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1.0 + even * d;
    d = 1.0 / (std::abs(d) < tiny ? tiny : d);
    c = 1.0 + even / c;
    c = std::abs(c) < tiny ? tiny : c;
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1.0 + odd * d;
    d = 1.0 / (std::abs(d) < tiny ? tiny : d);
    c = 1.0 + odd / c;
    c = std::abs(c) < tiny ? tiny : c;
    const double delta = d * c;
    h *= delta;
    if (std::abs(delta - 1.0) < 1e-14) break;
  }
  return h;
}

}  // namespace

double incomplete_beta(double a, double b, double x) {
  if (x <= 0.0) return 0.0;
  if (x >= 1.0) return 1.0;
  const double front =
      std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) + a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1.0) / (a + b + 2.0)) return front * beta_continued_fraction(a, b, x) / a;
  return 1.0 - front * beta_continued_fraction(b, a, 1.0 - x) / b;
}

namespace {

/// P(T > t) for t >= 0; the tail itself, so that tiny probabilities keep their digits.
double student_t_tail(double t, int degrees) {
  return 0.5 * incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t));
}

struct BlockMoments {
  double mean{};
  double standard_error{};
};

BlockMoments moments(std::span<const double> blocks) {
  const double n = static_cast<double>(blocks.size());
  const double mean = std::accumulate(blocks.begin(), blocks.end(), 0.0) / n;
  double squares = 0.0;
  for (double block : blocks) squares += (block - mean) * (block - mean);
  return {mean, std::sqrt(squares / (n - 1.0) / n)};
}

double lag_one_correlation(std::span<const double> blocks) {
  const double mean = moments(blocks).mean;
  double products = 0.0, squares = 0.0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    squares += (blocks[i] - mean) * (blocks[i] - mean);
    if (i > 0) products += (blocks[i] - mean) * (blocks[i - 1] - mean);
  }
  return squares > 0.0 ? products / squares : 0.0;
}

using Transform = std::function<double(double)>;

/// Means of `transform(value)` over `count` consecutive blocks; block sizes differ by at most one.
std::vector<double> block_means(std::span<const double> values, std::size_t count,
                                const Transform& transform) {
  std::vector<double> means(count);
  for (std::size_t b = 0; b < count; ++b) {
    const std::size_t from = b * values.size() / count, to = (b + 1) * values.size() / count;
    double sum = 0.0;
    for (std::size_t i = from; i < to; ++i) sum += transform(values[i]);
    means[b] = sum / static_cast<double>(to - from);
  }
  return means;
}

/// 64 blocks, halved while neighbours are correlated by more than chance (about two standard errors of r).
std::size_t choose_blocks(std::span<const double> values, const Transform& transform) {
  std::size_t count = 64;
  while (count > min_blocks) {
    const bool long_enough = values.size() / count >= 6;
    const double chance = 2.0 / std::sqrt(static_cast<double>(count));
    if (long_enough && lag_one_correlation(block_means(values, count, transform)) <= chance) break;
    count /= 2;
  }
  return count;
}

double two_sided_t(double confidence, std::size_t blocks) {
  return student_t_quantile(1.0 - (1.0 - confidence) / 2.0, static_cast<int>(blocks) - 1);
}

}  // namespace

double quantile_of_sorted(std::span<const double> sorted, double q) {
  const std::size_t n = sorted.size();
  if (q == 0.5 && n % 2 == 0) return (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0;
  const double rank = std::ceil(q * static_cast<double>(n) - 1e-9);
  const std::size_t index = rank < 1.0 ? 0 : std::min(n, static_cast<std::size_t>(rank)) - 1;
  return sorted[index];
}

double student_t_upper_quantile(double tail, int degrees) {
  double low = 0.0, high = 1.0;
  while (student_t_tail(high, degrees) > tail && high < 1e12) high *= 2.0;
  for (int i = 0; i < 200 && high - low > 1e-12 * high; ++i) {
    const double middle = (low + high) / 2.0;
    (student_t_tail(middle, degrees) > tail ? low : high) = middle;
  }
  return (low + high) / 2.0;
}

double student_t_quantile(double probability, int degrees) {
  return student_t_upper_quantile(1.0 - probability, degrees);
}

std::optional<BlockInterval> quantile_interval(std::span<const double> values, double q, double confidence) {
  if (values.size() < min_interval_samples) return std::nullopt;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double centre = quantile_of_sorted(sorted, q);
  const std::size_t blocks = choose_blocks(values, [centre](double v) { return v <= centre ? 1.0 : 0.0; });
  const double t = two_sided_t(confidence, blocks);
  const double n = static_cast<double>(values.size());

  const auto half_width = [&](double fraction, double standard_error) {
    return t * std::max(standard_error, std::sqrt(fraction * (1.0 - fraction) / n));
  };
  // "q is above the bound of F(x)": x is too small; "below": too large. Both bounds rise with x but for
  // noise.
  const auto too_small = [&](double x) {
    const auto m = moments(block_means(values, blocks, [x](double v) { return v <= x ? 1.0 : 0.0; }));
    return m.mean + half_width(m.mean, m.standard_error) < q;
  };
  const auto too_large = [&](double x) {
    // P(X < x): with ties F(x) alone would call the tied value itself too large.
    const auto m = moments(block_means(values, blocks, [x](double v) { return v < x ? 1.0 : 0.0; }));
    return m.mean - half_width(m.mean, m.standard_error) > q;
  };
  const auto lower = std::partition_point(sorted.begin(), sorted.end(), too_small);
  const auto upper =
      std::partition_point(sorted.begin(), sorted.end(), [&](double x) { return !too_large(x); });
  const double lo = lower == sorted.end() ? sorted.back() : *lower;
  const double hi = upper == sorted.begin() ? sorted.front() : *(upper - 1);
  return BlockInterval{{std::min(lo, centre), std::max(hi, centre)}, blocks};
}

std::optional<BlockInterval> mean_interval(std::span<const double> values, double confidence) {
  if (values.size() < min_interval_samples) return std::nullopt;
  const Transform identity = [](double v) { return v; };
  const std::size_t blocks = choose_blocks(values, identity);
  const auto m = moments(block_means(values, blocks, identity));
  const double half = two_sided_t(confidence, blocks) * m.standard_error;
  return BlockInterval{{m.mean - half, m.mean + half}, blocks};
}

Statistics describe(std::span<const double> values) {
  Statistics statistics;
  statistics.samples = values.size();
  if (values.empty()) return statistics;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  statistics.min = sorted.front();
  statistics.max = sorted.back();
  statistics.median = quantile_of_sorted(sorted, 0.5);
  statistics.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / static_cast<double>(sorted.size());
  if (sorted.size() >= 1000) statistics.p99 = quantile_of_sorted(sorted, 0.99);
  if (sorted.size() >= 10000) statistics.p999 = quantile_of_sorted(sorted, 0.999);
  return statistics;
}

Histogram histogram_of(std::span<const double> values) {
  constexpr double bins_per_octave = 8.0;
  constexpr int lowest = -1000;
  std::map<int, std::uint64_t> counts;
  for (const double value : values)
    ++counts[value > 0.0 && std::isfinite(value)
                 ? static_cast<int>(std::ceil(bins_per_octave * std::log2(value) - 1e-9))
                 : lowest];
  Histogram histogram;
  for (const auto& [bin, count] : counts) {
    histogram.upper.push_back(bin == lowest ? 0.0 : std::exp2(bin / bins_per_octave));
    histogram.samples.push_back(count);
  }
  return histogram;
}

int tree_rounds(int participants) {
  int rounds = 0;
  while ((1 << rounds) < participants) ++rounds;
  return rounds;
}

}  // namespace fabricheck
