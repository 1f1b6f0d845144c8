// What a node should have, in TOML.
#pragma once

#include <string>
#include <string_view>

#include "core/expectation.hpp"

namespace fabricheck::config {

/// `[gpu]` count, model, nvlinks, nvlink_islands, nvswitches, pcie_width, pcie_speed ("32 GT/s"), driver_min,
/// driver_max ·
/// `[[nic]]` count, names, link_layer, rate ("400 Gb/s"), firmware, pcie_width, pcie_speed · `[[rail]]` rail,
/// nic, leaf ·
/// `[host]` virtual_machine. Unknown keys (with the nearest known one), wrong types, impossible values and a
/// file that asks for nothing throw UsageError "FILE:LINE:COLUMN: …".
Expectation parse_expectation(std::string_view text, const std::string& file);

/// Reads and parses a file; refusals as read_text_file() has them.
Expectation read_expectation(const std::string& file);

/// The inverse of parse_expectation(), with a comment at the head that says what it is and where it is from.
std::string format_expectation(const Expectation& expectation, const std::string& origin);

}  // namespace fabricheck::config
