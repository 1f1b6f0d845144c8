// All that can be found, in the order of what comes first among equally bad ones: one row each.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "core/fault_text.hpp"
#include "diagnose/context.hpp"

namespace fabricheck::diagnose {

/// A finding as the rules make it.
struct Found : Finding {
  bool is_elsewhere{};  ///< of a host that is none of the job's: possible, and no cause
};
using Findings = std::vector<Found>;

/// Adds what is there of `row`'s kind.
struct CatalogRow;
using Rule = void (*)(const Context& context, const CatalogRow& row, Findings& found);

struct CatalogRow {
  const FaultText* text;
  Rule rule;
  /// Where one of these is found, this is its consequence. "*": any other one that is bad or fatal.
  std::array<const FaultText*, 6> causes{};
  bool follows_anything{};
  Event event{Event::count_};  ///< what the plain rules look for
  int code{};                  ///< 0: any
};

std::span<const CatalogRow> catalog();

}  // namespace fabricheck::diagnose
