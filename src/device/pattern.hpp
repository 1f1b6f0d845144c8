// What a buffer holds, as few numbers: the same on the host, on a GPU and in a test. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace fabricheck::device {

inline constexpr std::uint64_t pattern_period = 17;
inline constexpr std::uint64_t pattern_page = 4096;

/// Spreads a counter over 64 bits; 0 stays 0.
constexpr std::uint64_t mix(std::uint64_t x) {
  constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;  // 2^64 / golden ratio
  x = (x ^ (x >> 32)) * golden;
  x = (x ^ (x >> 29)) * golden;
  return x ^ (x >> 32);
}

/// Which of the 17 places of the period element `index` has: 0, 1, 2, … on the first page of 4096 elements,
/// and from another place on on every following page, so that a block at a wrong offset is seen.
constexpr std::uint64_t place_of(std::uint64_t index) {
  return (index + mix(index / pattern_page) % pattern_period) % pattern_period;
}

/// Element i of a buffer is bits[place_of(first + i)], its low `element_bytes` bytes.
struct Pattern {
  std::size_t element_bytes{4};  ///< 1, 2, 4 or 8
  std::uint64_t first{};
  std::array<std::uint64_t, pattern_period> bits{};
  std::array<double, pattern_period> values{};  ///< the same as numbers, to be shown
};

/// What a comparison with a Pattern found. Equal: wrong == 0.
struct Difference {
  std::uint64_t wrong{};        ///< elements
  std::uint64_t first_index{};  ///< the lowest of them
  std::uint64_t got_bits{};     ///< of that one
};

}  // namespace fabricheck::device
