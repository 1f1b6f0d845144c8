// The narrow floating-point types in software, for values that hosts compute and GPUs meet. Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "core/data_type.hpp"

namespace fabricheck {

/// The nearest number of the format, of two the one with an even last bit. Beyond the largest: infinity, or
/// NaN where there is none, as the conversions that do not saturate have it.
constexpr std::uint64_t encode(const FloatFormat& format, double value) {
  constexpr int double_fraction = 52, double_bias = 1023;
  const auto source = std::bit_cast<std::uint64_t>(value);
  const std::uint64_t sign = (source >> 63) != 0 ? format.sign() : 0;
  const auto exponent_field = static_cast<int>(source >> double_fraction & 0x7ff);
  const std::uint64_t fraction = source & ((1ULL << double_fraction) - 1);
  if (exponent_field == 0x7ff && fraction != 0) return sign | format.nan();
  if (exponent_field == 0x7ff) return sign | (format.has_infinity ? format.infinity() : format.nan());
  if (exponent_field == 0) return sign;
  const int exponent = exponent_field - double_bias, lowest = 1 - format.bias();
  // Below the lowest exponent bits of the fraction are lost, one for each step.
  const int lost = double_fraction - format.fraction_bits + (exponent < lowest ? lowest - exponent : 0);
  if (lost > double_fraction + 1) return sign;
  const std::uint64_t significand = fraction | 1ULL << double_fraction;
  std::uint64_t code = significand >> lost;
  const std::uint64_t rest = significand & ((1ULL << lost) - 1), half = 1ULL << (lost - 1);
  if (rest > half || (rest == half && (code & 1U) != 0)) ++code;
  // The leading one adds the last 1 to the exponent, and so does a fraction that was rounded up to the next.
  if (exponent > lowest) code += static_cast<std::uint64_t>(exponent - lowest) << format.fraction_bits;
  if (code > format.largest()) return sign | (format.has_infinity ? format.infinity() : format.nan());
  return sign | code;
}

/// The number that the bits stand for, exactly.
constexpr double decode(const FloatFormat& format, std::uint64_t bits) {
  const std::uint64_t code = bits & (format.sign() - 1);
  const double sign = (bits & format.sign()) != 0 ? -1.0 : 1.0;
  if (code > format.largest())
    return format.has_infinity && code == format.infinity() ? sign * std::numeric_limits<double>::infinity()
                                                            : std::numeric_limits<double>::quiet_NaN();
  const auto field = static_cast<int>(code >> format.fraction_bits);
  const std::uint64_t fraction = code & (format.lowest_normal() - 1);
  const std::uint64_t significand = field == 0 ? fraction : fraction | format.lowest_normal();
  const int exponent = (field == 0 ? 1 : field) - format.bias() - format.fraction_bits;
  const auto power = std::bit_cast<double>(static_cast<std::uint64_t>(exponent + 1023) << 52);
  return sign * static_cast<double>(significand) * power;
}

}  // namespace fabricheck
