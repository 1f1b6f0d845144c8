// What each place of the period of 17 elements holds, as the bits of its type: the formulas that buffers in
// host memory (reference.hpp) and patterns for GPUs (patterns.hpp) share. Pure.
//
// Everything is an integer of at most 63 bits times a power of two, so that hosts and GPUs that add in any
// order get the same bits. float32, float64, int32 and int64:
//
//   blocks   a number of the stream times 32 + a number of the place, below 2^24.
//   sum      x = a(place) + b(rank), both positive, so that a missing rank changes every element. At most 48
//            per rank: exact in float32 up to 349,525 ranks.
//   avg      as sum; of integers each times the number of ranks, so that both the sum and every share of it
//   is
//            a multiple. Exact for powers of two only.
//   max      x different on every rank, of both signs, and spread so that at different elements and
//   iterations min      different ranks win. prod     +1 or -1, but on one carrier rank that changes with the
//   iteration and has an integer up to 978. Of
//            two neighbours each rank has one -1, so a missing rank changes the sign of one of them.
//
// A factor makes 64-bit values need more bits than 32-bit types have: int64's reach above bit 32, and
// float64's need more than float32's fraction, so a result that went through the narrow type is seen.
//
// bfloat16, float16, float8e4m3 and float8e5m2 know few numbers: integers are exact up to 256, 2048, 16
// and 8.
//
//   blocks   finite numbers of either sign, read off a polynomial over the stream's digits in base 63487 (241
//            for one byte): two streams below the base differ at all places, below its square at all but one,
//            below its cube at all but two.
//   sum      a rank has small integers at every s-th place and 0 at the others, with the lowest s from 1 to
//   17
//            that leaves room for two values per rank (for one where not), so no partial sum of any order
//            passes the exact integers: float8e5m2 up to 136 ranks, float8e4m3 272, bfloat16 4352, float16
//            34816. Of a place's ranks every fourth has the opposite sign, so that one rank too many is
//            inside, too.
//   avg      as sum, times a power of two that keeps shares and sums in the range of normal numbers.
//   max, min as above, over a part of the normal numbers.
//   prod     as above, with a carried number that uses the whole fraction, up to 2^3 times the exact
//   integers.
#pragma once

#include <cstdint>

#include "core/variant.hpp"

namespace fabricheck::collectives {

/// The number that the low bytes of `bits` are in `type`. An int64 past 2^53 is rounded, for display only.
double value_of(DataType type, std::uint64_t bits);

/// Bits of block `stream` at a place of 0..16.
std::uint64_t block_bits(DataType type, std::uint64_t place, std::uint64_t stream, std::uint64_t iteration);

/// What one rank contributes to a reduction over ranks 0..ranks-1, ranks >= 1.
class Contribution {
 public:
  Contribution(const Variant& variant, int rank, int ranks, std::uint64_t iteration);
  /// At a place of 0..16.
  [[nodiscard]] std::uint64_t bits(std::uint64_t place) const;

 private:
  Variant variant_;
  std::uint64_t rank_, ranks_, iteration_;
};

/// The reduction of the contributions of all ranks; what is the same at every place is computed once.
class Reduced {
 public:
  Reduced(const Variant& variant, int ranks, std::uint64_t iteration);
  /// At a place of 0..16.
  [[nodiscard]] std::uint64_t bits(std::uint64_t place) const;

 private:
  Variant variant_;
  std::uint64_t ranks_, iteration_;
  std::int64_t rank_parts_{};
  std::uint64_t signs_{};
};

/// The most ranks over which sums, or averages, of the above are exact in every order.
int most_exact_ranks(DataType type, Reduction reduction);

}  // namespace fabricheck::collectives
