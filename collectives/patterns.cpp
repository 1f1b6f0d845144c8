#include "collectives/patterns.hpp"

#include <bit>

#include "collectives/values.hpp"

namespace fabricheck::collectives {
namespace {

/// `bits` gives the bits of a place.
template <class Bits>
device::Pattern pattern(DataType type, std::uint64_t first, Bits&& bits) {
  device::Pattern made;
  made.element_bytes = type_bytes(type);
  made.first = first;
  for (std::uint64_t place = 0; place < device::pattern_period; ++place) {
    made.bits[place] = bits(place);
    made.values[place] = value_of(type, made.bits[place]);
  }
  return made;
}

}  // namespace

device::Pattern block_pattern(DataType type, std::uint64_t stream, std::uint64_t iteration) {
  return pattern(type, 0, [&](std::uint64_t place) { return block_bits(type, place, stream, iteration); });
}

device::Pattern contribution_pattern(const Variant& variant, int rank, int ranks, std::uint64_t iteration,
                                     Part part) {
  const Contribution mine(variant, rank, ranks, iteration);
  return pattern(variant.type, part.first, [&](std::uint64_t place) { return mine.bits(place); });
}

device::Pattern reduced_pattern(const Variant& variant, int ranks, std::uint64_t iteration, Part part) {
  const Reduced all(variant, ranks, iteration);
  return pattern(variant.type, part.first, [&](std::uint64_t place) { return all.bits(place); });
}

std::string inexact_because(const Variant& variant, int ranks) {
  if (!row_of(variant.reduction).adds) return {};
  const bool average = variant.reduction == Reduction::avg;
  if (average && !std::has_single_bit(static_cast<unsigned>(ranks)))
    return "avg is exact only with 1, 2, 4, 8, ... ranks";
  const int most = most_exact_ranks(variant.type, variant.reduction);
  if (ranks <= most) return {};
  return std::string(type_name(variant.type)) + (average ? " averages" : " sums") + " are exact up to " +
         std::to_string(most) + " ranks";
}

}  // namespace fabricheck::collectives
