#include "fabric/pairs/flow_spread.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::fabric {
namespace {

using ::testing::ElementsAre;

/// 16 figures within `scatter` of `centre`.
std::vector<double> about(double centre, double scatter = 0.02) {
  std::vector<double> figures;
  for (int i = 0; i < 16; ++i) figures.push_back(centre * (1.0 + scatter * ((i * 7 % 16) / 7.5 - 1.0)));
  return figures;
}

TEST(FlowSpread, EqualFlowsAreNoCollision) {
  const auto spread = judge_flows({about(45), about(45.5), about(44.8), about(45.2)});
  ASSERT_TRUE(spread);
  EXPECT_FALSE(spread->is_collision());
}

TEST(FlowSpread, FlowsThatShareALinkAreNamed) {
  const auto spread = judge_flows({about(46), about(23), about(45), about(22)});
  ASSERT_TRUE(spread);
  EXPECT_THAT(spread->slow, ElementsAre(1, 3));
  EXPECT_NEAR(spread->best, 46, 1);
  EXPECT_NEAR(spread->worst, 22, 1);
}

TEST(FlowSpread, ABadCableMakesAllFlowsSlowAlike) {
  const auto spread = judge_flows({about(23), about(23), about(22.5), about(23.5)});
  ASSERT_TRUE(spread);
  EXPECT_FALSE(spread->is_collision()) << "what all flows have in common is no matter of their paths";
}

TEST(FlowSpread, FiguresThatScatterAreNoCollision) {
  const auto spread = judge_flows({about(40, 0.6), about(30, 0.6), about(35, 0.6)});
  ASSERT_TRUE(spread);
  EXPECT_FALSE(spread->is_collision());
}

TEST(FlowSpread, TooLittleIsNotJudged) {
  EXPECT_FALSE(judge_flows({about(45)}));
  EXPECT_FALSE(judge_flows({about(45), {45.0, 44.0, 46.0}}));
}

}  // namespace
}  // namespace fabricheck::fabric
