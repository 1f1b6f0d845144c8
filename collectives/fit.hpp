// The alpha-beta model of a collective's time, from measured points: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fabricheck::collectives {

/// A measured point.
struct SizeTime {
  std::uint64_t bytes{};
  double median_us{};
};

/// t = alpha + S / beta.
struct AlphaBeta {
  double alpha_us{};        ///< what a message costs however short it is
  double us_per_byte{};     ///< 1 / beta
  double alpha_error_us{};  ///< standard errors
  double us_per_byte_error{};
  double rms_relative_residual{};      ///< of (t - model) / t
  double largest_relative_residual{};  ///< by magnitude
  std::size_t points{};

  double beta_GBps() const { return 1.0 / (1000.0 * us_per_byte); }
  double time_us(std::uint64_t bytes) const { return alpha_us + static_cast<double>(bytes) * us_per_byte; }
};

/// Least squares of the relative residuals, because times from 8 B to 64 MiB span four decades and absolute
/// ones would fit the largest size alone:
///
///     minimise  sum w (t - alpha - b S)^2,  w = 1 / t^2,  b = 1 / beta
///     mean S' = sum w S / sum w,  t' = sum w t / sum w,  Q = sum w (S - S')^2
///     b = sum w (S - S') (t - t') / Q,   alpha = t' - b S'
///
/// with the variance of one relative residual r estimated from the points, s^2 = sum r^2 / (points - 2), and
/// thus the standard errors  s / sqrt(Q)  of b and  s sqrt(1 / sum w + S'^2 / Q)  of alpha (textbook weighted
/// linear regression). Where alpha comes out negative, which no message is, alpha is 0 and
/// b = sum w S t / sum w S^2 with the error s / sqrt(sum w S^2), s^2 = sum r^2 / (points - 1); alpha keeps
/// the error it had when free. Real collectives change their algorithm with the size: the errors say how well
/// one line fits these points, the residuals whether one line is the right model.
///
/// Nothing with fewer than three different sizes, a time that is not positive and finite, or a slope that is
/// not positive.
std::optional<AlphaBeta> fit_alpha_beta(std::span<const SizeTime> points);

}  // namespace fabricheck::collectives
