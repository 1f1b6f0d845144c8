// With which element types, reductions and placements a collective is measured. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/plan.hpp"

namespace fabricheck::plan {

/// Those that were named; what a row does not have, it takes as its default. Never empty.
std::vector<Variant> variants_of(const CheckRow& row, const Request& request);

/// All that a row has but the usual one (float32, sum, out of place).
std::vector<Variant> other_variants(const CheckRow& row);

/// At which size those others are measured: the row's own or, where sizes were named, the nearest of them.
std::uint64_t other_variants_bytes(const CheckRow& row, const Request& request);

}  // namespace fabricheck::plan
