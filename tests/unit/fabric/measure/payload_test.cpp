#include "fabric/verbs/measure/payload.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fabricheck::verbs {
namespace {

constexpr std::byte stamp{7};

std::vector<std::byte> message(std::size_t bytes, std::uint64_t seed) {
  std::vector<std::byte> memory(bytes);
  fill_payload(memory, seed, stamp);
  return memory;
}

TEST(Payload, WhatWasFilledIsRight) {
  for (std::size_t bytes = 0; bytes <= 70; ++bytes)
    EXPECT_FALSE(compare_payload(message(bytes, 5), 5, stamp)) << bytes;
}

TEST(Payload, EveryBitCounts) {
  for (const std::size_t bytes : {1, 2, 7, 8, 9, 16, 31}) {
    std::vector<std::byte> memory = message(bytes, 5);
    for (std::size_t i = 0; i < bytes; ++i)
      for (int bit = 0; bit < 8; ++bit) {
        memory[i] ^= std::byte{1} << bit;
        const auto wrong = compare_payload(memory, 5, stamp);
        ASSERT_TRUE(wrong) << bytes << " " << i << " " << bit;
        EXPECT_EQ(wrong->index, i);
        EXPECT_EQ(wrong->got, memory[i]);
        memory[i] ^= std::byte{1} << bit;
      }
  }
}

TEST(Payload, MessagesDifferByIterationSideAndPlace) {
  EXPECT_NE(message(64, payload_seed(1, 0)), message(64, payload_seed(2, 0)));
  EXPECT_NE(message(64, payload_seed(1, 0)), message(64, payload_seed(1, 1)));
  EXPECT_NE(message(64, payload_seed(1, 0, 0)), message(64, payload_seed(1, 0, 1)));
  EXPECT_TRUE(compare_payload(message(64, payload_seed(1, 0)), payload_seed(2, 0), stamp));
}

TEST(Payload, AWholeMessageThatIsOneWordOffIsFound) {
  // Shifted by one word: as if a packet was put into the wrong place.
  std::vector<std::byte> memory = message(256, 5);
  memory.erase(memory.begin(), memory.begin() + 8);
  memory.insert(memory.end() - 1, 8, std::byte{});
  EXPECT_TRUE(compare_payload(memory, 5, stamp));
}

}  // namespace
}  // namespace fabricheck::verbs
