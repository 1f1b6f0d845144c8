#include "collectives/reference.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "collectives/values.hpp"
#include "device/pattern.hpp"

namespace fabricheck::collectives {
namespace {

using device::place_of;

constexpr std::uint64_t period = device::pattern_period;
constexpr std::uint64_t page_elements = device::pattern_page;
constexpr std::size_t tile_elements = 32 * period;

/// Calls visit(offset, values, elements) for runs of `count` elements from `first` on until it returns false.
/// `bits` gives the bits of a place, of which T holds as many as an element has.
template <class T, class Bits, class Visit>
void walk(std::uint64_t first, std::size_t count, Bits&& bits, Visit&& visit) {
  std::array<T, period> values{};
  if (count >= period) {
    for (std::uint64_t place = 0; place < period; ++place) values[place] = static_cast<T>(bits(place));
  } else {
    for (std::size_t i = 0; i < count; ++i)
      values[place_of(first + i)] = static_cast<T>(bits(place_of(first + i)));
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

/// Calls `work` with an unsigned integer of the type's size.
template <class Work>
auto with_size_of(DataType type, Work&& work) {
  switch (type_bytes(type)) {
    case 1:
      return work(std::uint8_t{});
    case 2:
      return work(std::uint16_t{});
    case 4:
      return work(std::uint32_t{});
    default:
      return work(std::uint64_t{});
  }
}

template <class Bits>
void fill(std::span<std::byte> data, DataType type, std::uint64_t first, Bits&& bits) {
  with_size_of(type, [&](auto one) {
    using T = decltype(one);
    walk<T>(first, data.size() / sizeof(T), bits, [&](std::size_t offset, const T* values, std::size_t n) {
      std::memcpy(data.data() + offset * sizeof(T), values, n * sizeof(T));
      return true;
    });
  });
}

template <class Bits>
std::optional<WrongElement> check(std::span<const std::byte> data, DataType type, std::uint64_t first,
                                  Bits&& bits) {
  std::optional<WrongElement> wrong;
  with_size_of(type, [&](auto one) {
    using T = decltype(one);
    walk<T>(first, data.size() / sizeof(T), bits, [&](std::size_t offset, const T* values, std::size_t n) {
      const std::byte* at = data.data() + offset * sizeof(T);
      if (std::memcmp(at, values, n * sizeof(T)) == 0) return true;
      for (std::size_t i = 0; i < n; ++i) {
        T got{};
        std::memcpy(&got, at + i * sizeof(T), sizeof(T));
        if (got == values[i]) continue;
        wrong = WrongElement{offset + i, value_of(type, values[i]), value_of(type, got)};
        break;
      }
      return false;
    });
  });
  return wrong;
}

}  // namespace

void fill_block(std::span<std::byte> data, DataType type, std::uint64_t stream, std::uint64_t iteration) {
  fill(data, type, 0, [&](std::uint64_t place) { return block_bits(type, place, stream, iteration); });
}

std::optional<WrongElement> check_block(std::span<const std::byte> data, DataType type, std::uint64_t stream,
                                        std::uint64_t iteration) {
  return check(data, type, 0,
               [&](std::uint64_t place) { return block_bits(type, place, stream, iteration); });
}

void fill_contribution(std::span<std::byte> data, const Variant& variant, int rank, int ranks,
                       std::uint64_t iteration, Part part) {
  const Contribution mine(variant, rank, ranks, iteration);
  fill(data, variant.type, part.first, [&](std::uint64_t place) { return mine.bits(place); });
}

std::optional<WrongElement> check_reduced(std::span<const std::byte> data, const Variant& variant, int ranks,
                                          std::uint64_t iteration, Part part) {
  const Reduced all(variant, ranks, iteration);
  return check(data, variant.type, part.first, [&](std::uint64_t place) { return all.bits(place); });
}

void poison(std::span<std::byte> data) {
  // In every type a value far beyond all that fill_block() and check_reduced() know, or none.
  if (!data.empty()) std::memset(data.data(), 0x7e, data.size());
}

}  // namespace fabricheck::collectives
