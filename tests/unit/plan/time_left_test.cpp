#include "plan/time_left.hpp"

#include <gtest/gtest.h>

namespace fabricheck::plan {
namespace {

TEST(TimeLeft, NothingIsSaidBeforeAnythingWasSeen) {
  const TimeLeft left({{4, 1000}});
  EXPECT_FALSE(left.left_ns());
}

TEST(TimeLeft, WhatWasVisitedGoesOnAsItDid) {
  TimeLeft left({{4, 1000}});
  left.visited(0, 700);
  EXPECT_EQ(left.left_ns(), 2100);
  left.visited(0, 500);
  EXPECT_EQ(left.left_ns(), 1000) << "the first visit is another matter";
  left.visited(0, 300);
  EXPECT_EQ(left.left_ns(), 400);
}

TEST(TimeLeft, HowMuchLongerFirstVisitsAreIsLearntFromOthers) {
  TimeLeft left({{2, 1000}, {3, 1000}, {3, 1000}});
  left.visited(0, 900);
  left.visited(1, 1500);
  left.visited(0, 300);
  EXPECT_EQ(left.left_ns(), 2 * 500 + 1200 + 2 * 400) << "a third; first visits take 1.2 of their share";
}

TEST(TimeLeft, WhatWasNotVisitedIsInProportionToItsShare) {
  TimeLeft left({{1, 1000}, {2, 500}, {1, 4000}});
  left.visited(0, 1500);
  EXPECT_EQ(left.left_ns(), 1500 + 6000) << "the budget is overdrawn by a half so far";
  left.visited(2, 1000);
  EXPECT_EQ(left.left_ns(), 500) << "2,500 were taken of 5,000";
}

TEST(TimeLeft, WhatIsKnownOfAKindIsNotTakenFromOthers) {
  TimeLeft left({{2, 1000, 0}, {2, 1000, 0}, {2, 1000, 1}, {2, 1000, 2}});
  left.visited(0, 10);
  EXPECT_EQ(left.left_ns(), 10 + 3 * 20) << "all that was seen is of the first kind";
  left.visited(2, 900);
  EXPECT_EQ(left.left_ns(), (10 + 20) + 900 + 2 * 455) << "the third kind is as the two that were seen";
  left.visited(2, 300);
  EXPECT_EQ(left.left_ns(), 10 + 455 + (10 + 10 + 455) / 3) << "and later visits take a third, as seen";
}

TEST(TimeLeft, WithoutRoomEveryCheckIsStillVisitedOnce) {
  TimeLeft left({{3, 1000}, {3, 1000}});
  left.visited(0, 1000);
  EXPECT_EQ(left.left_ns(), 5000);
  EXPECT_EQ(left.left_ns(4000), 4000);
  EXPECT_EQ(left.left_ns(0), 1000);
}

TEST(TimeLeft, FewerVisitsThanWerePlannedTakeLess) {
  TimeLeft left({{16, 100}});
  left.visited(0, 100);
  left.visited(0, 100);
  EXPECT_EQ(left.left_ns(), 1400);
  left.at_most(0, 6);
  EXPECT_EQ(left.left_ns(), 600);
  left.at_most(0, 9);
  EXPECT_EQ(left.left_ns(), 600) << "never more than were expected";
}

TEST(TimeLeft, WhatGoesOnTakesMore) {
  TimeLeft left({{2, 100}});
  left.visited(0, 100);
  left.visited(0, 100);
  EXPECT_EQ(left.left_ns(), 0);
  left.more(0, 4);
  EXPECT_EQ(left.left_ns(), 400);
}

TEST(TimeLeft, WhatEndsEarlyTakesNoMore) {
  TimeLeft left({{16, 100}, {1, 100}});
  left.visited(0, 100);
  left.finished(0);
  EXPECT_EQ(left.left_ns(), 100);
  left.visited(1, 100);
  left.finished(1);
  EXPECT_EQ(left.left_ns(), 0);
}

TEST(TimeLeft, MoreVisitsThanWereExpectedAreNoTrouble) {
  TimeLeft left({{1, 100}});
  left.visited(0, 100);
  left.visited(0, 100);
  EXPECT_EQ(left.left_ns(), 0);
}

}  // namespace
}  // namespace fabricheck::plan
