// The values of values.hpp as patterns for device memory, in every type and reduction. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "collectives/reference.hpp"
#include "core/variant.hpp"
#include "device/pattern.hpp"

namespace fabricheck::collectives {

/// What fill_block() puts into a buffer.
device::Pattern block_pattern(DataType type, std::uint64_t stream, std::uint64_t iteration);

/// What fill_contribution() puts into the buffer of `rank`, 0 <= rank < ranks.
device::Pattern contribution_pattern(const Variant& variant, int rank, int ranks, std::uint64_t iteration,
                                     Part part = {});

/// The reduction over all ranks of what contribution_pattern() gives. The bits are those of the machine, with
/// any order of additions and with averages as sum / ranks or as the sum of x * (1 / ranks), where
/// inexact_because() has nothing to say.
device::Pattern reduced_pattern(const Variant& variant, int ranks, std::uint64_t iteration, Part part = {});

/// Empty, or why the machine's result over so many ranks may differ from reduced_pattern() in the last bits:
/// "float8e4m3 sums are exact up to 272 ranks".
std::string inexact_because(const Variant& variant, int ranks);

}  // namespace fabricheck::collectives
