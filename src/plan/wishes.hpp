// What was asked for by name and that a plan does not do: nobody should take it for done. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plan/plan.hpp"

namespace fabricheck::plan {

/// Of selected rows that present others' samples from some size on: those that --sizes ends below.
std::vector<NotTested> too_small_wishes(const Request& request, std::span<const CheckRow> catalogue);

/// What an option has to ask for before `id` is measured ("--burn DURATION"); empty: nothing has to.
std::string need_of(const std::string& id, const Request& request);

/// A sentence where a named type or reduction is in no check of the plan; empty: all are, or nothing is
/// planned.
std::string unknown_wish(const TestPlan& plan, const Request& request);

/// Back ends that have not all named types and reductions, and what their checks take in their place.
std::vector<NotTested> replaced_wishes(const TestPlan& plan, const Request& request);

/// `sizes` with those that a user's targets name for the row or what is derived from it.
std::vector<std::uint64_t> with_target_sizes(std::vector<std::uint64_t> sizes, const CheckRow& row,
                                             const std::vector<const CheckRow*>& derived,
                                             const Request& request);

struct UnusedTarget {
  Target target;
  std::string why;  ///< part of a sentence
};

/// Targets of a user's file, of checks that were not deselected, against which no check of the plan is held.
std::vector<UnusedTarget> unused_targets(const TestPlan& plan, const Request& request,
                                         std::span<const CheckRow> catalogue);

}  // namespace fabricheck::plan
