#include "node/gpu/product_check.hpp"

#include <bit>
#include <cmath>
#include <cstring>

#include "core/small_float.hpp"

namespace fabricheck::node::gpu {
namespace {

/// Of the result, relative: one unit in its last place.
double rounding(DataType type) { return std::ldexp(1.0, -format_of(type).fraction_bits); }

}  // namespace

double number_of(std::uint64_t bits, DataType type) {
  if (!is_small_float(type))
    return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  const FloatFormat format = format_of(type);
  return decode(format, bits & ((std::uint64_t{1} << format.bits()) - 1));
}

ExpectedElement expected_element(const std::byte* a, const std::byte* b, std::uint64_t k,
                                 Precision precision) {
  const PrecisionRow& row = row_of(precision);
  const DataType type = row.input;
  const std::size_t bytes = type_bytes(type);
  const auto at = [&](const std::byte* column, std::uint64_t i) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, column + i * bytes, bytes);
    return number_of(bits, type);
  };
  ExpectedElement expected;
  double magnitudes = 0.0;
  for (std::uint64_t i = 0; i < k; ++i) {
    const double product = at(a, i) * at(b, i);
    expected.value += product;
    magnitudes += std::abs(product);
  }
  expected.tolerance = row.sums_tolerance * magnitudes + rounding(row.output) * std::abs(expected.value);
  return expected;
}

}  // namespace fabricheck::node::gpu
