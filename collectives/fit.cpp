#include "collectives/fit.hpp"

#include <algorithm>
#include <cmath>
#include <set>

namespace fabricheck::collectives {

std::optional<AlphaBeta> fit_alpha_beta(std::span<const SizeTime> points) {
  std::set<std::uint64_t> sizes;
  double sum_w = 0.0, sum_ws = 0.0, sum_wt = 0.0, sum_wss = 0.0, sum_wst = 0.0;
  for (const SizeTime& point : points) {
    if (!(point.median_us > 0.0) || !std::isfinite(point.median_us)) return std::nullopt;
    sizes.insert(point.bytes);
    const double s = static_cast<double>(point.bytes), t = point.median_us, w = 1.0 / (t * t);
    sum_w += w;
    sum_ws += w * s;
    sum_wt += w * t;
    sum_wss += w * s * s;
    sum_wst += w * s * t;
  }
  if (sizes.size() < 3) return std::nullopt;

  // Around the means: the plain sums of squares cancel where the sizes are close together.
  const double mean_s = sum_ws / sum_w, mean_t = sum_wt / sum_w;
  double q = 0.0, covariance = 0.0;
  for (const SizeTime& point : points) {
    const double s = static_cast<double>(point.bytes) - mean_s, t = point.median_us;
    q += s * s / (t * t);
    covariance += s * (t - mean_t) / (t * t);
  }

  AlphaBeta fit;
  fit.points = points.size();
  fit.us_per_byte = covariance / q;
  fit.alpha_us = mean_t - fit.us_per_byte * mean_s;
  const auto sum_of_squares = [&] {
    double sum = 0.0;
    for (const SizeTime& point : points) {
      const double relative = (point.median_us - fit.time_us(point.bytes)) / point.median_us;
      sum += relative * relative;
    }
    return sum;
  };
  const auto n = static_cast<double>(points.size());
  const double deviation = std::sqrt(sum_of_squares() / (n - 2.0));
  fit.us_per_byte_error = deviation / std::sqrt(q);
  fit.alpha_error_us = deviation * std::sqrt(1.0 / sum_w + mean_s * mean_s / q);
  if (fit.alpha_us < 0.0) {
    fit.alpha_us = 0.0;
    fit.us_per_byte = sum_wst / sum_wss;
    fit.us_per_byte_error = std::sqrt(sum_of_squares() / (n - 1.0) / sum_wss);
  }
  if (!(fit.us_per_byte > 0.0)) return std::nullopt;

  fit.rms_relative_residual = std::sqrt(sum_of_squares() / n);
  for (const SizeTime& point : points)
    fit.largest_relative_residual =
        std::max(fit.largest_relative_residual,
                 std::abs(point.median_us - fit.time_us(point.bytes)) / point.median_us);
  return fit;
}

}  // namespace fabricheck::collectives
