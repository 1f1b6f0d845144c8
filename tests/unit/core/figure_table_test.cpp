#include "core/figure_table.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace fabricheck {
namespace {

TEST(FigureTable, EveryConditionOfAKeyIsAConditionAndEveryOneIsUsed) {
  std::set<std::string> used, keys;
  for (const FigureKey& key : figure_keys()) {
    EXPECT_TRUE(keys.insert(key.key).second) << key.key;
    EXPECT_FALSE(key.units.empty()) << key.key;
    for (const std::string& name : conditions_of(key)) {
      EXPECT_NE(figure_condition(name), nullptr) << key.key << ": " << name;
      used.insert(name);
    }
  }
  for (const FigureCondition& condition : figure_conditions())
    EXPECT_TRUE(used.contains(std::string(condition.name))) << condition.name;
}

TEST(FigureTable, WhatIsOfAnotherMachineIsSpecial) {
  Figure figure;
  figure.conditions = {{"nvls", "on"}, {"nodes", "1"}};
  EXPECT_FALSE(is_special(figure));
  figure.conditions["nvls"] = "off";
  EXPECT_TRUE(is_special(figure));
  EXPECT_EQ(condition_of(figure, "nodes"), "1");
  EXPECT_EQ(condition_of(figure, "nics"), "");
  EXPECT_TRUE(is_remark("product"));
  EXPECT_FALSE(is_remark("said_by"));
}

}  // namespace
}  // namespace fabricheck
