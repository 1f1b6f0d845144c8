// The narrow floating-point types in software, for values that hosts compute and GPUs meet: bfloat16, IEEE
// binary16, and the two of OCP's "8-bit Floating Point Specification (OFP8)", E4M3 and E5M2. Pure.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "core/variant.hpp"

namespace fabricheck {

/// A sign bit, an exponent with the usual bias of 2^(exponent_bits - 1) - 1, a fraction.
struct FloatFormat {
  int exponent_bits{};
  int fraction_bits{};
  bool has_infinity{true};  ///< E4M3 has none: its highest exponent is one for numbers, and all ones is NaN

  [[nodiscard]] constexpr int bits() const { return 1 + exponent_bits + fraction_bits; }
  [[nodiscard]] constexpr int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  /// All integers up to this one are numbers of the type, and their sums that stay below are exact.
  [[nodiscard]] constexpr std::int64_t exact_integers() const { return 2LL << fraction_bits; }
  /// Bits of the lowest number with a full fraction: 2^(1 - bias).
  [[nodiscard]] constexpr std::uint64_t lowest_normal() const { return 1ULL << fraction_bits; }
  /// Bits of +infinity where there is one.
  [[nodiscard]] constexpr std::uint64_t infinity() const {
    return ((1ULL << exponent_bits) - 1) << fraction_bits;
  }
  [[nodiscard]] constexpr std::uint64_t sign() const { return 1ULL << (bits() - 1); }
  /// Bits of a NaN.
  [[nodiscard]] constexpr std::uint64_t nan() const { return sign() - 1; }
  /// Bits of the largest number.
  [[nodiscard]] constexpr std::uint64_t largest() const { return has_infinity ? infinity() - 1 : nan() - 1; }
};

/// Of bfloat16, float16, float8e4m3 and float8e5m2; the others have formats of the host.
constexpr bool is_small_float(DataType type) {
  return type == DataType::bfloat16 || type == DataType::float16 || type == DataType::float8e4m3 ||
         type == DataType::float8e5m2;
}

/// The format of a small float.
constexpr FloatFormat format_of(DataType type) {
  if (type == DataType::bfloat16) return {8, 7, true};
  if (type == DataType::float16) return {5, 10, true};
  if (type == DataType::float8e4m3) return {4, 3, false};
  return {5, 2, true};
}

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
