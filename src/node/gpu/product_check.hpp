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
/// rounding and a share of the sum of the products' magnitudes: 2^-12 where sums are kept in float32, 2^-9
/// for tf32, which takes 10 bits of each factor's fraction, 2^-8 for fp8, whose fast sums keep about 14 bits
/// (DeepSeek-V3 technical report, 3.3.2, of Hopper).
ExpectedElement expected_element(const std::byte* a, const std::byte* b, std::uint64_t k,
                                 Precision precision);

}  // namespace fabricheck::node::gpu
