// What an element of a matrix product must be, by the host. Pure.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/variant.hpp"
#include "node/gpu/multiplier.hpp"

namespace fabricheck::node::gpu {

/// The number that the low bits stand for: of a small float, of float32 otherwise.
double number_of(std::uint64_t bits, DataType type);

struct ExpectedElement {
  double value{};
  double tolerance{};  ///< no sound GPU is farther off, in whatever order it adds
};

/// Of `k` factors from each of two columns, which are `input_type(precision)`. The tolerance is the output's
/// rounding and PrecisionRow::sums_tolerance.
ExpectedElement expected_element(const std::byte* a, const std::byte* b, std::uint64_t k,
                                 Precision precision);

}  // namespace fabricheck::node::gpu
