#include "core/target.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace fabricheck {
namespace {

Target target(const std::string& check, std::optional<std::uint64_t> bytes, std::optional<int> ranks_per_node,
              double value) {
  Target result;
  result.check = check;
  result.bytes = bytes;
  result.ranks_per_node = ranks_per_node;
  result.value = value;
  return result;
}

TEST(ComparisonSymbol, OneEach) {
  EXPECT_STREQ(comparison_symbol(Comparison::at_most), "<=");
  EXPECT_STREQ(comparison_symbol(Comparison::below), "<");
  EXPECT_STREQ(comparison_symbol(Comparison::at_least), ">=");
  EXPECT_STREQ(comparison_symbol(Comparison::above), ">");
}

TEST(FindTarget, EveryKeyMustMatch) {
  const std::vector<Target> targets{target("a", 8, 1, 5)};
  ASSERT_NE(find_target(targets, "a", 8, 1), nullptr);
  EXPECT_EQ(find_target(targets, "b", 8, 1), nullptr);
  EXPECT_EQ(find_target(targets, "a", 16, 1), nullptr);
  EXPECT_EQ(find_target(targets, "a", 8, 2), nullptr);
  EXPECT_EQ(find_target({}, "a", 8, 1), nullptr);
}

TEST(FindTarget, UnsetKeysMatchAnything) {
  const std::vector<Target> targets{target("a", std::nullopt, std::nullopt, 5)};
  EXPECT_NE(find_target(targets, "a", 0, 1), nullptr);
  EXPECT_NE(find_target(targets, "a", 1 << 20, 64), nullptr);
}

TEST(FindTarget, TheLastWins) {
  const std::vector<Target> targets{target("a", 8, 1, 5), target("a", 8, 1, 7), target("a", 16, 1, 9)};
  const Target* found = find_target(targets, "a", 8, 1);
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->value, 7);
}

}  // namespace
}  // namespace fabricheck
