#include "collectives/values.hpp"

#include <algorithm>
#include <bit>
#include <climits>

#include "core/small_float.hpp"
#include "device/pattern.hpp"

namespace fabricheck::collectives {
namespace {

using device::mix;

constexpr std::uint64_t period = device::pattern_period;
constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;  // 2^64 / golden ratio

// Factors of the wide types: reductions have results from 2 on, blocks values below 2^24. float64 stays
// below 2^53, and int64 reaches above bit 32 in both.
constexpr bool is_wide(DataType type) { return type_bytes(type) == 8; }

constexpr std::int64_t reduced_factor(DataType type) {
  if (!is_wide(type)) return 1;
  return is_integer(type) ? (1LL << 32) + 1 : (1LL << 29) + 1;
}

constexpr std::int64_t block_factor(DataType type) { return is_wide(type) ? (1LL << 29) + 1 : 1; }

std::uint64_t bits_of(DataType type, double value) {
  if (is_small_float(type)) return encode(format_of(type), value);
  if (type_bytes(type) == sizeof(double)) return std::bit_cast<std::uint64_t>(value);
  return std::bit_cast<std::uint32_t>(static_cast<float>(value));
}

std::uint64_t bits_of(DataType type, std::int64_t value) {
  if (!is_integer(type)) return bits_of(type, static_cast<double>(value));
  const auto bits = static_cast<std::uint64_t>(value);
  return type_bytes(type) == sizeof bits ? bits : bits & ((1ULL << (8 * type_bytes(type))) - 1);
}

/// 1..17: another order of the places in every one of 272 iterations.
constexpr std::int64_t place_part(std::uint64_t place, std::uint64_t iteration) {
  const std::uint64_t stride = 1 + iteration / period % (period - 1);
  return static_cast<std::int64_t>(1 + (place * stride + iteration) % period);
}

// Blocks.

constexpr std::int64_t wide_block_value(std::uint64_t place, std::uint64_t stream, std::uint64_t iteration) {
  constexpr std::uint64_t streams = 262139;  // the largest prime below 2^18: 17 + 32 * 262139 < 2^24
  const std::uint64_t own = 1 + (stream % streams + iteration % streams * 7919) % streams;
  return place_part(place, iteration) + static_cast<std::int64_t>(32 * own);
}

/// Numbers that are finite in both formats of as many bytes, without +0: so many positive ones, then
/// negative.
struct BlockCodes {
  std::uint64_t base;      ///< a prime, at most the number of codes
  std::uint64_t positive;  ///< the bits of the last positive one, below 0x7e7e and 0x7e of poison()
  std::uint64_t place_step;
};
constexpr BlockCodes block_codes_2{63487, 0x7bff, 3727};
constexpr BlockCodes block_codes_1{241, 0x7b, 14};

constexpr std::uint64_t small_block_bits(const BlockCodes& codes, std::uint64_t place, std::uint64_t stream,
                                         std::uint64_t iteration) {
  const std::uint64_t base = codes.base, x = place + 1;
  const std::uint64_t digits =
      stream % base + stream / base % base * x + stream / base / base % base * (x * x % base);
  const auto own_place = static_cast<std::uint64_t>(place_part(place, iteration)) * codes.place_step;
  const std::uint64_t code = (digits + iteration % base * 7919 + own_place) % base;
  return code < codes.positive ? code + 1 : code + 1 + (codes.base > 255 ? 0x8000 - 0x7c00 : 0x80 - 0x7c);
}

// Sums of the wide types.

constexpr std::uint64_t rank_period = 31;
constexpr std::int64_t most_wide = static_cast<std::int64_t>(period + rank_period);

constexpr std::int64_t rank_part(std::uint64_t rank, std::uint64_t iteration) {
  return static_cast<std::int64_t>(1 + (rank * 13 + iteration % rank_period * 7) % rank_period);
}

/// The sum of rank_part over ranks 0..ranks-1: whole periods have 1 + … + 31 each.
constexpr std::int64_t rank_parts(std::uint64_t ranks, std::uint64_t iteration) {
  std::int64_t sum = static_cast<std::int64_t>(ranks / rank_period * (rank_period * (rank_period + 1) / 2));
  for (std::uint64_t rank = 0; rank < ranks % rank_period; ++rank) sum += rank_part(rank, iteration);
  return sum;
}

// Sums of the narrow types.

/// Which places a rank has a number at, and the largest.
struct Spread {
  std::uint64_t stride;
  std::int64_t most;
};

constexpr Spread spread_of(DataType type, std::uint64_t ranks) {
  const std::int64_t exact = format_of(type).exact_integers();
  for (const std::int64_t wanted : {2, 1})
    for (std::uint64_t stride = 1; stride <= period; ++stride)
      if (const auto most = exact / static_cast<std::int64_t>((ranks + stride - 1) / stride); most >= wanted)
        return {stride, std::min(most, most_wide)};
  return {period, 1};
}

/// The lowest rank with a number at the place; the others follow in steps of the stride.
constexpr std::uint64_t first_rank(const Spread& spread, std::uint64_t place, std::uint64_t iteration) {
  return (spread.stride - (place + iteration % spread.stride) % spread.stride) % spread.stride;
}

/// The sign of a place: no two of 272 iterations have the same at all 17, as no map ax + b modulo 17 leaves
/// this set as it is.
constexpr std::int64_t place_sign(std::uint64_t place, std::uint64_t iteration) {
  constexpr std::uint64_t negative =
      1U << 0 | 1U << 1 | 1U << 2 | 1U << 4 | 1U << 7 | 1U << 8 | 1U << 12 | 1U << 13;
  return (negative >> (place_part(place, iteration) - 1) & 1U) != 0 ? -1 : 1;
}

constexpr std::int64_t small_sum_part(const Spread& spread, std::uint64_t place, std::uint64_t rank,
                                      std::uint64_t iteration) {
  if (rank % spread.stride != first_rank(spread, place, iteration)) return 0;
  const std::uint64_t drawn = mix((rank + 1) * golden + iteration * period + place);
  const auto size = static_cast<std::int64_t>(1 + drawn % static_cast<std::uint64_t>(spread.most));
  const bool opposite = rank / spread.stride % 4 == 3;
  return place_sign(place, iteration) * (opposite ? -size : size);
}

constexpr std::int64_t small_sum(DataType type, std::uint64_t place, std::uint64_t ranks,
                                 std::uint64_t iteration) {
  const Spread spread = spread_of(type, ranks);
  std::int64_t sum = 0;
  for (std::uint64_t rank = first_rank(spread, place, iteration); rank < ranks; rank += spread.stride)
    sum += small_sum_part(spread, place, rank, iteration);
  return sum;
}

/// What contributions to an average are multiplied with. Narrow floats: about the root of `ranks`, so that a
/// share is no subnormal number, and at most 16, so that no sum passes 65504, float16's largest.
constexpr std::int64_t average_factor(DataType type, std::uint64_t ranks) {
  if (is_integer(type)) return static_cast<std::int64_t>(ranks);
  if (!is_small_float(type)) return 1;
  return 1LL << std::min((static_cast<int>(std::bit_width(ranks)) - 1) / 2, 4);
}

// Extremes: a point on a circle of prime length, moved by rank, place and iteration.

struct Circle {
  std::uint64_t points;
  std::uint64_t rank_step;  ///< about points / golden ratio: neighbours fall far apart
  /// Where ranks go round the circle its ends are the extremes, so its own place among the numbers moves too.
  std::uint64_t room;
};

/// Of lengths that spread the 17 places of circle_start() evenly.
constexpr Circle circle_of(DataType type) {
  if (!is_small_float(type)) return {65521, 40503, 0};
  return type_bytes(type) == 2 ? Circle{10091, 6237, 9920} : Circle{127, 78, 106};
}

constexpr std::uint64_t circle_start(const Circle& circle, std::uint64_t place, std::uint64_t iteration) {
  return (place * 7717 + iteration % circle.points * 12289) % circle.points;
}

/// A point as a number of both signs without 0; the same order.
constexpr std::int64_t circle_value(const Circle& circle, std::uint64_t point, std::uint64_t place,
                                    std::uint64_t iteration) {
  const std::uint64_t moved = mix(iteration * period + place + 1) % (circle.room + 1);
  const std::int64_t centred =
      static_cast<std::int64_t>(point + moved) - static_cast<std::int64_t>((circle.points + circle.room) / 2);
  return centred >= 0 ? centred + 1 : centred;
}

/// The n-th number from 0 on, of a part of the normal numbers, so that units that flush subnormal ones and
/// ones that do not give the same.
std::uint64_t nth_bits(DataType type, std::int64_t n) {
  if (!is_small_float(type)) return bits_of(type, n * reduced_factor(type));
  const FloatFormat format = format_of(type);
  const std::uint64_t lowest = type_bytes(type) == 2 ? format.infinity() / 4 : format.lowest_normal();
  return n < 0 ? format.sign() | (lowest + static_cast<std::uint64_t>(-n) - 1)
               : lowest + static_cast<std::uint64_t>(n) - 1;
}

std::uint64_t extreme_bits(DataType type, std::uint64_t place, std::uint64_t rank, std::uint64_t iteration) {
  const Circle circle = circle_of(type);
  const std::uint64_t point =
      (circle_start(circle, place, iteration) + rank % circle.points * circle.rank_step) % circle.points;
  return nth_bits(type, circle_value(circle, point, place, iteration));
}

std::uint64_t extreme_of_all(const Variant& variant, std::uint64_t place, std::uint64_t ranks,
                             std::uint64_t iteration) {
  const Circle circle = circle_of(variant.type);
  std::uint64_t point = circle_start(circle, place, iteration), low = point, high = point;
  for (std::uint64_t rank = 1; rank < std::min(ranks, circle.points); ++rank) {
    point += circle.rank_step;
    if (point >= circle.points) point -= circle.points;
    low = std::min(low, point);
    high = std::max(high, point);
  }
  return nth_bits(variant.type,
                  circle_value(circle, variant.reduction == Reduction::max ? high : low, place, iteration));
}

// Products.

/// One bit per pair of neighbouring places.
constexpr std::uint64_t sign_word(std::uint64_t rank, std::uint64_t iteration) {
  return mix((rank + 1) * golden + iteration);
}

/// The places of a pair differ by `odd_differs`: one rank's signs do, those of an even number of ranks not.
constexpr std::int64_t sign_of(std::uint64_t word, std::uint64_t place, std::uint64_t odd_differs) {
  return ((word >> (place / 2) ^ (place & odd_differs)) & 1U) != 0 ? -1 : 1;
}

constexpr std::int64_t carried(DataType type, std::uint64_t place, std::uint64_t iteration) {
  const std::int64_t n =
      1 + place_part(place, iteration) + static_cast<std::int64_t>(iteration % rank_period * 32);
  if (!is_small_float(type)) return n * reduced_factor(type);
  const std::int64_t half = format_of(type).exact_integers() / 2;
  return (half + n % half) << (n / half % 4);
}

}  // namespace

double value_of(DataType type, std::uint64_t bits) {
  if (is_small_float(type)) return decode(format_of(type), bits);
  const auto low = static_cast<std::uint32_t>(bits);
  if (is_integer(type))
    return is_wide(type) ? static_cast<double>(static_cast<std::int64_t>(bits))
                         : static_cast<double>(static_cast<std::int32_t>(low));
  return is_wide(type) ? std::bit_cast<double>(bits) : static_cast<double>(std::bit_cast<float>(low));
}

std::uint64_t block_bits(DataType type, std::uint64_t place, std::uint64_t stream, std::uint64_t iteration) {
  if (is_small_float(type))
    return small_block_bits(type_bytes(type) == 2 ? block_codes_2 : block_codes_1, place, stream, iteration);
  return bits_of(type, wide_block_value(place, stream, iteration) * block_factor(type));
}

Contribution::Contribution(const Variant& variant, int rank, int ranks, std::uint64_t iteration)
    : variant_(variant),
      rank_(static_cast<std::uint64_t>(rank)),
      ranks_(static_cast<std::uint64_t>(ranks)),
      iteration_(iteration) {}

std::uint64_t Contribution::bits(std::uint64_t place) const {
  const DataType type = variant_.type;
  switch (variant_.reduction) {
    case Reduction::sum:
    case Reduction::avg: {
      const std::int64_t factor =
          variant_.reduction == Reduction::avg ? average_factor(type, ranks_) : std::int64_t{1};
      if (is_small_float(type))
        return bits_of(type, factor * small_sum_part(spread_of(type, ranks_), place, rank_, iteration_));
      return bits_of(type, factor * (place_part(place, iteration_) + rank_part(rank_, iteration_)) *
                               reduced_factor(type));
    }
    case Reduction::max:
    case Reduction::min:
      return extreme_bits(type, place, rank_, iteration_);
    case Reduction::prod:
      break;
  }
  const std::int64_t sign = sign_of(sign_word(rank_, iteration_), place, 1);
  return bits_of(type, rank_ == iteration_ % ranks_ ? sign * carried(type, place, iteration_) : sign);
}

Reduced::Reduced(const Variant& variant, int ranks, std::uint64_t iteration)
    : variant_(variant), ranks_(static_cast<std::uint64_t>(ranks)), iteration_(iteration) {
  if (row_of(variant.reduction).adds && !is_small_float(variant.type))
    rank_parts_ = rank_parts(ranks_, iteration);
  if (variant.reduction == Reduction::prod)
    for (std::uint64_t rank = 0; rank < ranks_; ++rank) signs_ ^= sign_word(rank, iteration);
}

std::uint64_t Reduced::bits(std::uint64_t place) const {
  const DataType type = variant_.type;
  switch (variant_.reduction) {
    case Reduction::sum:
    case Reduction::avg: {
      const std::int64_t sum =
          is_small_float(type)
              ? small_sum(type, place, ranks_, iteration_)
              : (static_cast<std::int64_t>(ranks_) * place_part(place, iteration_) + rank_parts_) *
                    reduced_factor(type);
      // The factor of an average of integers is the number of ranks.
      if (variant_.reduction == Reduction::sum || is_integer(type)) return bits_of(type, sum);
      return bits_of(type,
                     static_cast<double>(sum * average_factor(type, ranks_)) / static_cast<double>(ranks_));
    }
    case Reduction::max:
    case Reduction::min:
      return extreme_of_all(variant_, place, ranks_, iteration_);
    case Reduction::prod:
      break;
  }
  return bits_of(type, sign_of(signs_, place, ranks_ & 1U) * carried(type, place, iteration_));
}

int most_exact_ranks(DataType type, Reduction reduction) {
  const std::int64_t exact =
      is_integer(type) ? LLONG_MAX >> (64 - 8 * type_bytes(type)) : format_of(type).exact_integers();
  const std::int64_t most = is_small_float(type) ? static_cast<std::int64_t>(period) * exact
                                                 : exact / (most_wide * reduced_factor(type));
  if (reduction != Reduction::avg) return static_cast<int>(most);
  // A sum of integers has the number of ranks as a factor twice.
  std::int64_t ranks = 1;
  while (2 * ranks * (is_integer(type) ? 2 * ranks : 1) <= most) ranks *= 2;
  return static_cast<int>(ranks);
}

}  // namespace fabricheck::collectives
