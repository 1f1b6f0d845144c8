#include "report/text.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/table.hpp"

namespace fabricheck::report {
namespace {

using testing::ElementsAre;

TEST(Text, SanitiseKeepsUtf8AndRemovesControl) {
  EXPECT_EQ(sanitise("5 \xC2\xB5s on n\xC3\xA9"), "5 \xC2\xB5s on n\xC3\xA9");
  EXPECT_EQ(sanitise("\xF0\x9F\x98\x80"), "\xF0\x9F\x98\x80");
  EXPECT_EQ(sanitise("a\nb\tc\rd"), "a b c d");
  EXPECT_EQ(sanitise(std::string_view("a\0b\x1b\x7f", 5)), "a?b??");
  EXPECT_EQ(sanitise("\xC2\x9B"), "?") << "C1 control";
  EXPECT_EQ(sanitise("\xE2\x80\xAE"), "?") << "right-to-left override";
}

TEST(Text, SanitiseReplacesWhatIsNoUtf8) {
  EXPECT_EQ(sanitise("\xff"), "?");
  EXPECT_EQ(sanitise("\xC2"), "?") << "cut";
  EXPECT_EQ(sanitise("\xE2\x82"), "??") << "cut";
  EXPECT_EQ(sanitise("\xC0\xAF"), "??") << "overlong";
  EXPECT_EQ(sanitise("\xE0\x80\xAF"), "???") << "overlong";
  EXPECT_EQ(sanitise("\xED\xA0\x80"), "???") << "surrogate";
  EXPECT_EQ(sanitise("\xF4\x90\x80\x80"), "????") << "past U+10FFFF";
  EXPECT_EQ(sanitise("\xC3(x"), "?(x") << "the next character is kept";
}

TEST(Text, WidthPadAndShortenCountCharacters) {
  EXPECT_EQ(text_width("\xC2\xB5s"), 2u);
  EXPECT_EQ(pad("\xC2\xB5s", 4), "\xC2\xB5s  ");
  EXPECT_EQ(pad("\xC2\xB5s", 4, true), "  \xC2\xB5s");
  EXPECT_EQ(pad("long", 2), "long");
  EXPECT_EQ(shorten("\xC2\xB5\xC2\xB5\xC2\xB5\xC2\xB5\xC2\xB5", 4), "\xC2\xB5...");
  EXPECT_EQ(shorten("abcd", 4), "abcd");
  EXPECT_EQ(shorten("abcd", 2), "..");
}

TEST(Text, WrapBreaksAtSpacesAndInsideWordsOnlyWhereItMust) {
  EXPECT_THAT(wrap("one two three", 7), ElementsAre("one two", "three"));
  EXPECT_THAT(wrap("a  b", 10), ElementsAre("a b"));
  EXPECT_THAT(wrap("x abcdefghij y", 4), ElementsAre("x", "abcd", "efgh", "ij y"));
  EXPECT_THAT(wrap("\xC2\xB5\xC2\xB5\xC2\xB5", 2), ElementsAre("\xC2\xB5\xC2\xB5", "\xC2\xB5"));
  EXPECT_THAT(wrap("abcd", 2), ElementsAre("ab", "cd"));
  EXPECT_THAT(wrap("", 5), ElementsAre(""));
}

TEST(Table, ShrinksWhatMayShrinkOrSaysThatItCannot) {
  const Paint plain = [](int, int, const std::string& text) { return text; };
  const std::vector<TableColumn> columns{{"a", false, 4}, {"n", true, 0}};
  const std::vector<TableRow> rows{{"", {"one two", "12"}}};
  EXPECT_EQ(render_table(columns, rows, 20, 0, plain), "a         n\none two  12\n");
  EXPECT_EQ(render_table(columns, rows, 8, 0, plain), "a      n\none   12\ntwo\n");
  EXPECT_EQ(render_table(columns, rows, 7, 0, plain), std::nullopt);
}

}  // namespace
}  // namespace fabricheck::report
