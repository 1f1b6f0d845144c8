// Which figures a platform may state: their keys, units and conditions, and what a condition changes.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/platform.hpp"

namespace fabricheck {

/// What a condition does to a figure that has it.
enum class ConditionRole {
  narrows,  ///< the figure is of something else than one without it
  remarks,  ///< only tells where or how it was found
};

struct FigureCondition {
  std::string_view name;
  ConditionRole role{ConditionRole::narrows};
  /// Its figure is of another machine than the platform at its best, unless it says "on": it judges, but does
  /// not stand in the platform's table.
  bool is_special{};
  bool is_everywhere{};                 ///< any figure may have it
  std::vector<std::string_view> words;  ///< what it may say; empty: any text
  bool is_count{};                      ///< or a text that begins with a number
};

struct FigureKey {
  std::string key;
  std::vector<std::string_view> units;
  std::vector<std::string_view> conditions;  ///< beside those that are everywhere
};

std::span<const FigureCondition> figure_conditions();
std::span<const FigureKey> figure_keys();

/// Null where there is none of that name.
const FigureCondition* figure_condition(std::string_view name);
const FigureKey* figure_key(std::string_view key);

/// The names that a figure of `key` may have as conditions.
std::vector<std::string> conditions_of(const FigureKey& key);

/// What the figure says about `condition`; empty: nothing.
std::string condition_of(const Figure& figure, std::string_view condition);

bool is_remark(std::string_view condition);

/// A figure with a special condition; see FigureCondition.
bool is_special(const Figure& figure);

}  // namespace fabricheck
