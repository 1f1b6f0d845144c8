#include "plan/port_rate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::plan {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(PortRate, NinetyPercentOfIt) {
  const Target target = port_rate_target(50.0, false);
  EXPECT_DOUBLE_EQ(target.value, 45.0);
  EXPECT_EQ(target.comparison, Comparison::at_least);
  EXPECT_EQ(target.unit, "GB/s");
  EXPECT_EQ(target.origin, "built in");
  EXPECT_THAT(target.source,
              AllOf(HasSubstr("90 % of the port's 400 Gb/s"), HasSubstr("good ones reach 392 Gb/s")));
}

TEST(PortRate, WhatWasSeenReachesTheTarget) {
  for (const double rate_Gbps : {25.0, 100.0, 200.0, 400.0})
    EXPECT_NE(seen_of_ports(rate_Gbps), "") << rate_Gbps;
  EXPECT_EQ(seen_of_ports(50.0), "") << "nobody published it";
  EXPECT_THAT(port_rate_target(6.25, false).source, Not(HasSubstr("good ones")));
}

TEST(PortRate, ThePciLinkIsNamedWhereItIsTheLimit) {
  const Target target = port_rate_target(13.9, true);
  EXPECT_DOUBLE_EQ(target.value, 0.9 * 13.9);
  EXPECT_THAT(target.source,
              AllOf(HasSubstr("PCIe link"), HasSubstr("111.2 Gb/s"), Not(HasSubstr("good ones"))));
}

TEST(PortRate, AShareIsSaidToBeOne) {
  const Target link = port_rate_target(27.7, true, 2);
  EXPECT_DOUBLE_EQ(link.value, 0.9 * 27.7);
  EXPECT_THAT(link.source, AllOf(HasSubstr("221.6 Gb/s"), HasSubstr("share"), HasSubstr("PCIe link"),
                                 HasSubstr("2 measure"), Not(HasSubstr("good ones"))));
  EXPECT_THAT(port_rate_target(25.0, false, 2).source,
              AllOf(HasSubstr("200 Gb/s"), HasSubstr("share"), HasSubstr("physical port")));
}

}  // namespace
}  // namespace fabricheck::plan
