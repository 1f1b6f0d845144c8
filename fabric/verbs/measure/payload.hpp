// What messages carry: other bytes in every message, and how they are compared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace fabricheck::verbs {

/// Names one message: who sent it, in which iteration, at which place.
std::uint64_t payload_seed(std::uint64_t iteration, int side, std::uint64_t place = 0);

/// Fills `message` from `seed`; its last byte is `stamp`.
void fill_payload(std::span<std::byte> message, std::uint64_t seed, std::byte stamp);

struct WrongByte {
  std::uint64_t index{};
  std::byte expected{};
  std::byte got{};
};

/// The first byte that is not as fill_payload() made it.
std::optional<WrongByte> compare_payload(std::span<const std::byte> message, std::uint64_t seed,
                                         std::byte stamp);

}  // namespace fabricheck::verbs
