// A Pattern as kernels look it up: the 16 bytes that begin at each place of the period. Pure, and tested
// without a GPU.
#pragma once

#include <cstddef>
#include <cstdint>

#include "device/pattern.hpp"

namespace fabricheck::cuda {

inline constexpr std::size_t vector_bytes = 16;

struct PatternTable {
  struct alignas(vector_bytes) Vector {
    unsigned char bytes[vector_bytes];
  };
  Vector from_place[device::pattern_period];
  std::uint64_t bits[device::pattern_period];
  std::uint64_t first;
  unsigned int element_bytes;
};

inline PatternTable table_of(const device::Pattern& pattern) {
  PatternTable table{};
  table.first = pattern.first;
  table.element_bytes = static_cast<unsigned int>(pattern.element_bytes);
  for (std::uint64_t place = 0; place < device::pattern_period; ++place) {
    table.bits[place] = pattern.bits[place];
    for (std::size_t i = 0; i < vector_bytes; ++i) {
      const std::uint64_t element = (place + i / pattern.element_bytes) % device::pattern_period;
      table.from_place[place].bytes[i] =
          static_cast<unsigned char>(pattern.bits[element] >> (8 * (i % pattern.element_bytes)));
    }
  }
  return table;
}

/// Whether `elements` elements from `index` on are on one page of the pattern, so that their places follow
/// each other and one look-up gives them all.
constexpr bool is_in_one_page(std::uint64_t index, unsigned int elements) {
  return index % device::pattern_page + elements <= device::pattern_page;
}

}  // namespace fabricheck::cuda
