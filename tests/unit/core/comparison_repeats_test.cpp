// How many repeats it takes until a difference counts.
#include "core/comparison.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "unit/core/compared_runs.hpp"

namespace fabricheck {
namespace {

using compared::exact;
using compared::Single;

/// Both runs from so many repeats.
CheckRecord of_repeats(CheckRecord check, std::uint64_t repeats) {
  check.statistics.repeats = repeats;
  return check;
}

TEST(Comparison, FewRepeatsMakeOnlyMuchWorseWorse) {
  const auto outcome = [](double before, double after, std::uint64_t repeats) {
    return Single(of_repeats(exact(before), repeats), of_repeats(exact(after), repeats)).outcome();
  };
  EXPECT_EQ(outcome(3.0, 3.9, 16), Outcome::worse);
  EXPECT_EQ(outcome(3.0, 3.9, 4), Outcome::incomparable) << "a spell of noise";
  EXPECT_EQ(outcome(3.0, 6.0, 4), Outcome::worse);
  EXPECT_EQ(outcome(3.9, 3.0, 4), Outcome::better);
}

TEST(Comparison, OfARateItIsTheTimeThatCounts) {
  const auto outcome = [](double before, double after, double tolerance) {
    CheckRecord old_check = of_repeats(exact(before), 4), new_check = of_repeats(exact(after), 4);
    old_check.unit = new_check.unit = "GB/s";
    old_check.metric = new_check.metric = "bandwidth";
    return Single(old_check, new_check, tolerance).outcome();
  };
  EXPECT_EQ(outcome(100.0, 5.0, 10.0), Outcome::worse) << "no rate falls by more than all of it";
  EXPECT_EQ(outcome(100.0, 52.0, 5.0), Outcome::worse) << "it takes 1.9 times as long";
  EXPECT_EQ(outcome(100.0, 80.0, 5.0), Outcome::incomparable);
}

TEST(Comparison, OfAShareItIsThePointsThatCount) {
  const auto outcome = [](double before, double after) {
    CheckRecord old_check = of_repeats(exact(before), 4), new_check = of_repeats(exact(after), 4);
    old_check.unit = new_check.unit = "%";
    old_check.metric = new_check.metric = "overlap";
    return Single(old_check, new_check, 5.0).outcome();
  };
  EXPECT_EQ(outcome(90.0, 60.0), Outcome::incomparable) << "30 points, which a spell of noise can take";
  EXPECT_EQ(outcome(90.0, 30.0), Outcome::worse);
}

TEST(Comparison, ATighterToleranceMakesASpellSmaller) {
  const Single close(of_repeats(exact(3.0), 4), of_repeats(exact(3.9), 4), 1.0);
  EXPECT_EQ(close.outcome(), Outcome::worse) << "30 % are more than ten times the tolerance";
}

}  // namespace
}  // namespace fabricheck
