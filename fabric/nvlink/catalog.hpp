// The checks between two GPUs of one node.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "core/check.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::nvlink {

/// Bytes of one copy by default.
inline constexpr std::uint64_t pair_bytes = std::uint64_t{64} << 20;

/// `setup` is what this rank measures with; without it the rows can be listed and planned.
std::vector<CheckRow> catalog(const std::shared_ptr<const cuda::Setup>& setup = nullptr);

/// Whether the rate of such a check is the sum of both directions.
bool is_both_ways(std::string_view check_id);

}  // namespace fabricheck::nvlink
