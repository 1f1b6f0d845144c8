#include "fabric/verbs/traffic_class.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "core/error.hpp"

namespace fabricheck::verbs {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

EnvironmentLookup environment(std::map<std::string, std::string> variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
  };
}

TEST(TrafficClass, NothingToldIsNcclsDefault) {
  for (const auto& empty : {environment({}), environment({{"NCCL_IB_TC", ""}, {"NCCL_IB_SL", "-1"}})}) {
    const TrafficClass chosen = choose_traffic_class({}, {}, empty);
    EXPECT_EQ(chosen.traffic_class, std::nullopt);
    EXPECT_EQ(chosen.service_level, std::nullopt);
    EXPECT_EQ(chosen.source, "NCCL's default, 0");
    EXPECT_THAT(to_hand_on(chosen, {}, {}, empty), IsEmpty());
  }
}

TEST(TrafficClass, NcclsVariablesAreTakenAsNcclReadsThem) {
  for (const char* text : {"106", "0x6a", "0152"}) {
    const TrafficClass chosen = choose_traffic_class({}, {}, environment({{"NCCL_IB_TC", text}}));
    EXPECT_EQ(chosen.traffic_class, 106) << text;
    EXPECT_EQ(chosen.source, std::string("NCCL_IB_TC=") + text);
  }
  EXPECT_EQ(choose_traffic_class({}, {}, environment({{"NCCL_IB_SL", "0"}})).service_level, 0);
}

TEST(TrafficClass, OptionsComeFirst) {
  const TrafficClass chosen =
      choose_traffic_class(106, {}, environment({{"NCCL_IB_TC", "4"}, {"NCCL_IB_SL", "3"}}));
  EXPECT_EQ(chosen, (TrafficClass{106, 3, "--traffic-class 106, NCCL_IB_SL=3"}));
}

TEST(TrafficClass, WhatIsNoClassIsNamed) {
  const auto error_of = [](const std::map<std::string, std::string>& variables,
                           std::optional<int> traffic_class, std::optional<int> level) -> std::string {
    try {
      choose_traffic_class(traffic_class, level, environment(variables));
    } catch (const UsageError& error) {
      return error.what();
    }
    return "nothing was thrown";
  };
  EXPECT_THAT(error_of({{"NCCL_IB_TC", "high"}}, {}, {}),
              AllOf(HasSubstr("NCCL_IB_TC"), HasSubstr("'high'")));
  EXPECT_THAT(error_of({{"NCCL_IB_TC", "256"}}, {}, {}),
              AllOf(HasSubstr("NCCL_IB_TC is 256"), HasSubstr("255")));
  EXPECT_THAT(error_of({{"NCCL_IB_TC", "-2"}}, {}, {}), HasSubstr("NCCL_IB_TC is -2"));
  EXPECT_THAT(error_of({{"NCCL_IB_TC", "08"}}, {}, {}), HasSubstr("no number"));
  EXPECT_THAT(error_of({{"NCCL_IB_SL", "16"}}, {}, {}), AllOf(HasSubstr("NCCL_IB_SL"), HasSubstr("15")));
  EXPECT_THAT(error_of({}, 300, {}), HasSubstr("--traffic-class is 300"));
  EXPECT_THAT(error_of({}, {}, 16), HasSubstr("--sl is 16"));
}

TEST(TrafficClass, HandsOnWhatTheUserDidNotSetHimself) {
  const auto by_nccl = environment({{"NCCL_IB_TC", "106"}, {"UCX_IB_SL", "1"}});
  const TrafficClass chosen = choose_traffic_class({}, {}, by_nccl);
  EXPECT_THAT(to_hand_on(chosen, {}, {}, by_nccl), ElementsAre(Pair("UCX_IB_TRAFFIC_CLASS", "106")));
  const auto by_option = environment({{"NCCL_IB_TC", "4"}, {"UCX_IB_TRAFFIC_CLASS", "4"}});
  EXPECT_THAT(to_hand_on(choose_traffic_class(106, 3, by_option), 106, 3, by_option),
              ElementsAre(Pair("NCCL_IB_TC", "106"), Pair("NCCL_IB_SL", "3"),
                          Pair("UCX_IB_TRAFFIC_CLASS", "106"), Pair("UCX_IB_SL", "3")));
}

}  // namespace
}  // namespace fabricheck::verbs
