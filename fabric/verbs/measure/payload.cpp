#include "fabric/verbs/measure/payload.hpp"

#include <cstring>

namespace fabricheck::verbs {
namespace {

/// SplitMix64's finaliser (Steele, Lea, Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

constexpr std::uint64_t step =
    0x9e3779b97f4a7c15ULL;  // odd: words of a message differ, and of two messages too

std::uint64_t word_at(std::uint64_t seed, std::size_t index) { return seed + index * step; }

}  // namespace

std::uint64_t payload_seed(std::uint64_t iteration, int side, std::uint64_t place) {
  return mixed(mixed(iteration * 2 + static_cast<std::uint64_t>(side) + 1) + place * step);
}

void fill_payload(std::span<std::byte> message, std::uint64_t seed, std::byte stamp) {
  if (message.empty()) return;
  const std::size_t words = message.size() / sizeof(std::uint64_t);
  for (std::size_t i = 0; i < words; ++i) {
    const std::uint64_t word = word_at(seed, i);
    std::memcpy(message.data() + i * sizeof word, &word, sizeof word);
  }
  const std::uint64_t last = word_at(seed, words);
  std::memcpy(message.data() + words * sizeof last, &last, message.size() % sizeof last);
  message.back() = stamp;
}

std::optional<WrongByte> compare_payload(std::span<const std::byte> message, std::uint64_t seed,
                                         std::byte stamp) {
  if (message.empty()) return std::nullopt;
  const std::size_t words = (message.size() - 1) / sizeof(std::uint64_t);
  std::uint64_t differs = 0;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint64_t got = 0;
    std::memcpy(&got, message.data() + i * sizeof got, sizeof got);
    differs |= got ^ word_at(seed, i);
  }
  const std::uint64_t last = word_at(seed, words);
  const std::size_t tail = message.size() - 1 - words * sizeof last;
  const bool same_tail = std::memcmp(message.data() + words * sizeof last, &last, tail) == 0;
  if (differs == 0 && same_tail && message.back() == stamp) return std::nullopt;
  for (std::size_t i = 0; i + 1 < message.size(); ++i) {
    const std::uint64_t word = word_at(seed, i / sizeof(std::uint64_t));
    std::byte expected{};
    std::memcpy(&expected, reinterpret_cast<const std::byte*>(&word) + i % sizeof word, 1);
    if (message[i] != expected) return WrongByte{i, expected, message[i]};
  }
  return WrongByte{message.size() - 1, stamp, message.back()};
}

}  // namespace fabricheck::verbs
