#include "core/suggest.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace fabricheck {
namespace {

const std::vector<std::string> suites{"quick", "acceptance", "full", "diagnose"};

TEST(NearestWord, FindsATypo) {
  EXPECT_EQ(nearest_word("quik", suites), "quick");
  EXPECT_EQ(nearest_word("aceptence", suites), "acceptance");
}

TEST(NearestWord, CountsSwappedNeighboursAsOneEdit) { EXPECT_EQ(nearest_word("fulL", suites), "full"); }

TEST(NearestWord, SwappedNeighboursInAShortWord) {
  // Two edits would be too far for a word of four letters.
  EXPECT_EQ(nearest_word("flul", suites), "full");
}

TEST(NearestWord, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(nearest_word("benchmark", suites), "");
  EXPECT_EQ(nearest_word("fxyl", suites), "") << "two edits in four letters are too many";
}

TEST(NearestWord, ShortWordsMayDifferByOne) {
  const std::vector<std::string> units{"us", "ms", "s"};
  EXPECT_EQ(nearest_word("uss", units), "us");
}

TEST(NearestWord, CaseDecidesBetweenEquals) {
  const std::vector<std::string> units{"GB/s", "Gb/s"};
  EXPECT_EQ(nearest_word("Gb/", units), "Gb/s");
  EXPECT_EQ(nearest_word("GB/", units), "GB/s");
}

TEST(NearestWord, EmptyEndlessAndNothingKnown) {
  EXPECT_EQ(nearest_word("", suites), "");
  EXPECT_EQ(nearest_word(std::string(100000, 'q'), suites), "");
  EXPECT_EQ(nearest_word("quick", {}), "");
  EXPECT_EQ(nearest_word("q", std::vector<std::string>{""}), "");
}

TEST(Suggestion, NamesTheNearest) { EXPECT_EQ(suggestion("quik", suites), "; did you mean 'quick'?"); }

TEST(Suggestion, ListsTheKnown) {
  EXPECT_EQ(suggestion("zzz", suites), "; known are quick, acceptance, full, diagnose");
  EXPECT_EQ(suggestion("", suites), "; known are quick, acceptance, full, diagnose");
  EXPECT_EQ(suggestion("zzz", {}), "");
}

TEST(Suggestion, ListsAtMostTwelve) {
  std::vector<std::string> many;
  many.reserve(14);
  for (int i = 0; i < 14; ++i) many.push_back("word" + std::to_string(100 + i));
  const std::string text = suggestion("zzz", many);
  EXPECT_NE(text.find("word111"), std::string::npos);
  EXPECT_EQ(text.find("word112"), std::string::npos);
  EXPECT_NE(text.find(" and 2 more"), std::string::npos);
}

}  // namespace
}  // namespace fabricheck
