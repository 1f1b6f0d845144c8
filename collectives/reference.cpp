#include "collectives/reference.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace fabricheck::collectives {
namespace {

constexpr std::uint64_t period = 17;
constexpr std::uint64_t page_elements = 4096;
constexpr std::size_t tile_elements = 32 * period;

constexpr std::uint64_t golden = 0x9e3779b97f4a7c15ULL;  // 2^64 / golden ratio

/// Spreads a counter over 64 bits; 0 stays 0.
constexpr std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 32)) * golden;
  x = (x ^ (x >> 29)) * golden;
  return x ^ (x >> 32);
}

/// Which of the 17 places of the period element `index` has; 0, 1, 2, … on the first page.
constexpr std::uint64_t place_of(std::uint64_t index) {
  return (index + mix(index / page_elements) % period) % period;
}

// Factors of the wide types: reductions have results from 2 on, blocks values below 2^24. float64 stays
// below 2^53, and int64 reaches above bit 32 in both.
template <class T>
inline constexpr T reduced_factor = 1;
template <>
inline constexpr double reduced_factor<double> = static_cast<double>((1ULL << 29) + 1);
template <>
inline constexpr std::int64_t reduced_factor<std::int64_t> = (1LL << 32) + 1;
template <class T>
inline constexpr T block_factor = 1;
template <>
inline constexpr double block_factor<double> = static_cast<double>((1ULL << 29) + 1);
template <>
inline constexpr std::int64_t block_factor<std::int64_t> = (1LL << 29) + 1;

/// 1..17: another order of the places in every one of 272 iterations.
constexpr std::int64_t place_part(std::uint64_t place, std::uint64_t iteration) {
  const std::uint64_t stride = 1 + iteration / period % (period - 1);
  return static_cast<std::int64_t>(1 + (place * stride + iteration) % period);
}

// Blocks.

constexpr std::int64_t block_value(std::uint64_t place, std::uint64_t stream, std::uint64_t iteration) {
  constexpr std::uint64_t streams = 262139;  // the largest prime below 2^18: 17 + 32 * 262139 < 2^24
  const std::uint64_t own = 1 + (stream % streams + iteration % streams * 7919) % streams;
  return place_part(place, iteration) + static_cast<std::int64_t>(32 * own);
}

// Sums.

constexpr std::uint64_t rank_period = 31;

constexpr std::int64_t rank_part(std::uint64_t rank, std::uint64_t iteration) {
  return static_cast<std::int64_t>(1 + (rank * 13 + iteration % rank_period * 7) % rank_period);
}

/// The sum of rank_part over ranks 0..ranks-1: whole periods have 1 + … + 31 each.
constexpr std::int64_t rank_parts(std::uint64_t ranks, std::uint64_t iteration) {
  std::int64_t sum = static_cast<std::int64_t>(ranks / rank_period * (rank_period * (rank_period + 1) / 2));
  for (std::uint64_t rank = 0; rank < ranks % rank_period; ++rank) sum += rank_part(rank, iteration);
  return sum;
}

// Extremes: a point on a circle of prime length, moved by rank, place and iteration.

constexpr std::uint64_t circle = 65521;
constexpr std::uint64_t rank_step = 40503;  // about circle / golden ratio: neighbours fall far apart

constexpr std::uint64_t circle_start(std::uint64_t place, std::uint64_t iteration) {
  return (place * 7717 + iteration % circle * 12289) % circle;
}

/// A point as a value in -32760..32760 without 0.
constexpr std::int64_t circle_value(std::uint64_t point) {
  const auto centred = static_cast<std::int64_t>(point) - 32760;
  return centred >= 0 ? centred + 1 : centred;
}

constexpr std::int64_t extreme_value(std::uint64_t place, std::uint64_t rank, std::uint64_t iteration) {
  return circle_value((circle_start(place, iteration) + rank % circle * rank_step) % circle);
}

std::int64_t extreme_of_all(Reduction reduction, std::uint64_t place, std::uint64_t ranks,
                            std::uint64_t iteration) {
  std::uint64_t point = circle_start(place, iteration), low = point, high = point;
  for (std::uint64_t rank = 1; rank < std::min(ranks, circle); ++rank) {
    point += rank_step;
    if (point >= circle) point -= circle;
    low = std::min(low, point);
    high = std::max(high, point);
  }
  return circle_value(reduction == Reduction::max ? high : low);
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

constexpr std::int64_t carried(std::uint64_t place, std::uint64_t iteration) {
  return 1 + place_part(place, iteration) + static_cast<std::int64_t>(iteration % rank_period * 32);
}

/// What one rank contributes to one place, before the type's factor.
template <class T>
T contribution(const Variant& variant, std::uint64_t place, std::uint64_t rank, std::uint64_t ranks,
               std::uint64_t iteration) {
  switch (variant.reduction) {
    case Reduction::sum:
      return static_cast<T>(place_part(place, iteration) + rank_part(rank, iteration)) * reduced_factor<T>;
    case Reduction::max:
    case Reduction::min:
      return static_cast<T>(extreme_value(place, rank, iteration)) * reduced_factor<T>;
    case Reduction::prod: {
      const auto sign = static_cast<T>(sign_of(sign_word(rank, iteration), place, 1));
      return rank == iteration % ranks ? sign * static_cast<T>(carried(place, iteration)) * reduced_factor<T>
                                       : sign;
    }
  }
  return T{};
}

/// Calls visit(offset, values, elements) for runs of `count` elements from `first` on until it returns false.
/// `value` gives the value of a place.
template <class T, class Value, class Visit>
void walk(std::uint64_t first, std::size_t count, Value&& value, Visit&& visit) {
  std::array<T, period> values{};
  if (count >= period) {
    for (std::uint64_t place = 0; place < period; ++place) values[place] = value(place);
  } else {
    for (std::size_t i = 0; i < count; ++i) values[place_of(first + i)] = value(place_of(first + i));
  }
  // The period over and over, so that a run from any place is one piece of memory. Only as long as needed.
  std::array<T, tile_elements + period> tile;
  const std::size_t run = std::min(tile_elements, count);
  for (std::size_t i = 0, place = 0; i < run + period; ++i) {
    tile[i] = values[place];
    if (++place == period) place = 0;
  }
  for (std::size_t done = 0; done < count;) {
    const std::uint64_t index = first + done;
    const auto page_left = static_cast<std::size_t>(page_elements - index % page_elements);
    const std::size_t elements = std::min({run, count - done, page_left});
    if (!visit(done, tile.data() + place_of(index), elements)) return;
    done += elements;
  }
}

template <class T, class Value>
void fill(std::span<std::byte> data, std::uint64_t first, Value&& value) {
  walk<T>(first, data.size() / sizeof(T), value, [&](std::size_t offset, const T* values, std::size_t n) {
    std::memcpy(data.data() + offset * sizeof(T), values, n * sizeof(T));
    return true;
  });
}

template <class T, class Value>
std::optional<WrongElement> check(std::span<const std::byte> data, std::uint64_t first, Value&& value) {
  std::optional<WrongElement> wrong;
  walk<T>(first, data.size() / sizeof(T), value, [&](std::size_t offset, const T* values, std::size_t n) {
    const std::byte* at = data.data() + offset * sizeof(T);
    // Bits, not values: no result is 0, so an equal value has equal bits, and a NaN is found.
    if (std::memcmp(at, values, n * sizeof(T)) == 0) return true;
    for (std::size_t i = 0; i < n; ++i)
      if (const std::byte* one = at + i * sizeof(T);
          !std::equal(one, one + sizeof(T), std::as_bytes(std::span(values + i, 1)).begin())) {
        T got{};
        std::memcpy(&got, one, sizeof(T));
        wrong = WrongElement{offset + i, static_cast<double>(values[i]), static_cast<double>(got)};
        break;
      }
    return false;
  });
  return wrong;
}

/// Calls `work` with a value of the C++ type.
template <class Work>
auto with_type(DataType type, Work&& work) {
  switch (type) {
    case DataType::float64:
      return work(double{});
    case DataType::int32:
      return work(std::int32_t{});
    case DataType::int64:
      return work(std::int64_t{});
    case DataType::float32:
      break;
  }
  return work(float{});
}

}  // namespace

void fill_block(std::span<std::byte> data, DataType type, std::uint64_t stream, std::uint64_t iteration) {
  with_type(type, [&](auto one) {
    using T = decltype(one);
    fill<T>(data, 0, [&](std::uint64_t place) {
      return static_cast<T>(block_value(place, stream, iteration)) * block_factor<T>;
    });
  });
}

std::optional<WrongElement> check_block(std::span<const std::byte> data, DataType type, std::uint64_t stream,
                                        std::uint64_t iteration) {
  return with_type(type, [&](auto one) {
    using T = decltype(one);
    return check<T>(data, 0, [&](std::uint64_t place) {
      return static_cast<T>(block_value(place, stream, iteration)) * block_factor<T>;
    });
  });
}

void fill_contribution(std::span<std::byte> data, const Variant& variant, int rank, int ranks,
                       std::uint64_t iteration, Part part) {
  const auto mine = static_cast<std::uint64_t>(rank), all = static_cast<std::uint64_t>(ranks);
  with_type(variant.type, [&](auto one) {
    using T = decltype(one);
    fill<T>(data, part.first,
            [&](std::uint64_t place) { return contribution<T>(variant, place, mine, all, iteration); });
  });
}

std::optional<WrongElement> check_reduced(std::span<const std::byte> data, const Variant& variant, int ranks,
                                          std::uint64_t iteration, Part part) {
  const auto all = static_cast<std::uint64_t>(ranks);
  // What is the same at every place is computed once.
  std::int64_t constant = 0;
  std::uint64_t signs = 0;
  if (variant.reduction == Reduction::sum) constant = rank_parts(all, iteration);
  if (variant.reduction == Reduction::prod)
    for (std::uint64_t rank = 0; rank < all; ++rank) signs ^= sign_word(rank, iteration);
  const auto expected = [&](std::uint64_t place) -> std::int64_t {
    switch (variant.reduction) {
      case Reduction::sum:
        return static_cast<std::int64_t>(all) * place_part(place, iteration) + constant;
      case Reduction::max:
      case Reduction::min:
        return extreme_of_all(variant.reduction, place, all, iteration);
      case Reduction::prod:
        return sign_of(signs, place, all & 1U) * carried(place, iteration);
    }
    return 0;
  };
  return with_type(variant.type, [&](auto one) {
    using T = decltype(one);
    return check<T>(data, part.first,
                    [&](std::uint64_t place) { return static_cast<T>(expected(place)) * reduced_factor<T>; });
  });
}

void poison(std::span<std::byte> data) {
  // In every type a value far beyond all that fill_block() and check_reduced() know.
  if (!data.empty()) std::memset(data.data(), 0x7e, data.size());
}

}  // namespace fabricheck::collectives
