// Inputs of collectives and the results they must give: pure, exact in every type, different in every
// iteration, rank and element.
//
// Along a buffer values repeat with a period of 17 elements, a prime that no power of two is a multiple of,
// and every page of 4096 elements begins at another place of the period: a block at a wrong offset is seen.
// What the places hold is in values.hpp. Expected values are computed once per place of the period and
// compared bit by bit with the result, so filling and checking each cost about one pass over the memory; a
// message shorter than the period computes only the places that it has.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "core/variant.hpp"

namespace fabricheck::collectives {

/// A wrong element: where, what should be there, what is. An int64 past 2^53 is rounded, for display only.
struct WrongElement {
  std::uint64_t index{};
  double expected{};
  double got{};
};

/// The part of a longer vector that a buffer holds: element 0 of the buffer is element `first` of the vector.
struct Part {
  std::uint64_t first{};
};

// What is only moved. A stream names the block: no two blocks of one call have the same number, so each
// element says where it came from. In types of four and eight bytes numbers below 262139 are told apart for
// certain, above, all but one in 262139 pairs; of two bytes below 63487, of one byte below 241, and by the
// elements of a period together the square and the cube of that.

/// Fills `data` with the values of block `stream`.
void fill_block(std::span<std::byte> data, DataType type, std::uint64_t stream, std::uint64_t iteration);
/// What fill_block() put in, compared bit by bit.
std::optional<WrongElement> check_block(std::span<const std::byte> data, DataType type, std::uint64_t stream,
                                        std::uint64_t iteration);

// What is reduced over ranks 0..ranks-1 of a group, where inexact_because() of patterns.hpp has nothing to
// say.

/// Fills `data` with what `rank` contributes.
void fill_contribution(std::span<std::byte> data, const Variant& variant, int rank, int ranks,
                       std::uint64_t iteration, Part part = {});
/// The reduction over all ranks of what fill_contribution() put in, compared bit by bit.
std::optional<WrongElement> check_reduced(std::span<const std::byte> data, const Variant& variant, int ranks,
                                          std::uint64_t iteration, Part part = {});

/// Fills `data` with what is no result of any of the above, in any type.
void poison(std::span<std::byte> data);

}  // namespace fabricheck::collectives
