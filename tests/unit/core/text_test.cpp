#include "core/text.hpp"

#include <gtest/gtest.h>

#include <set>

namespace fabricheck {
namespace {

using Words = std::vector<std::string>;

TEST(Text, ListsAreJoined) {
  EXPECT_EQ(joined(Words{}), "");
  EXPECT_EQ(joined(Words{"a"}), "a");
  EXPECT_EQ(joined(std::set<std::string>{"b", "a"}), "a, b");
  EXPECT_EQ(joined(Words{"", "b"}, ";"), ";b");
}

TEST(Text, OfLongListsTheFirstFewAreTold) {
  const Words words{"a", "b", "c"};
  EXPECT_EQ(first_few(words, 3), "a, b, c");
  EXPECT_EQ(first_few(words, 2), "a, b and 1 more");
  EXPECT_EQ(first_few(Words{}, 2), "");
}

TEST(Text, OneIsNoPlural) {
  EXPECT_EQ(counted(1, "host"), "1 host");
  EXPECT_EQ(counted(0, "host"), "0 hosts");
  EXPECT_EQ(counted(2, "host"), "2 hosts");
}

TEST(Text, QuotedTextFitsOneLineOfATerminal) {
  EXPECT_EQ(quoted_text("a b"), "'a b'");
  EXPECT_EQ(quoted_text("\x1b[31m\n"), "'\\x1b[31m\\x0a'");
  EXPECT_EQ(quoted_text(std::string(81, 'a')), "'" + std::string(80, 'a') + "...'");
  EXPECT_EQ(quoted_text(std::string(80, 'a')), "'" + std::string(80, 'a') + "'");
}

TEST(Text, IsTrimmedAndLowered) {
  EXPECT_EQ(trimmed(" \ta b\r\n"), "a b");
  EXPECT_EQ(trimmed(" \n "), "");
  EXPECT_EQ(lowered("Mlx5_0:\xc4"), "mlx5_0:\xc4");
}

}  // namespace
}  // namespace fabricheck
