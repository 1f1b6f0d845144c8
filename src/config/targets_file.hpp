// Targets in TOML.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "core/target.hpp"

namespace fabricheck::config {

/// What a target may name; comes from the catalogue.
struct KnownCheck {
  std::string id;
  std::string unit;
};

/// `[[target]]` tables: check, bytes ("8", "64KiB" or integer), ranks_per_node, group_nodes, statistic, one
/// of at_most | below | at_least | above (a quantity with its unit, "5 us"), source. Unknown keys, unknown
/// checks (with the nearest known one), wrong types and impossible values throw UsageError "FILE:LINE:COLUMN:
/// …".
std::vector<Target> parse_targets(std::string_view text, const std::string& file,
                                  const std::vector<KnownCheck>& known);

/// Reads and parses a file. UsageError when it cannot be read (names the reason), is a folder or is over 4
/// MiB.
std::vector<Target> read_targets(const std::string& file, const std::vector<KnownCheck>& known);

/// The text of a plain file that a user named. UsageError "cannot read the WHAT 'FILE': reason" when it is
/// missing, unreadable, a folder, a pipe or a device, or over `largest_bytes`.
std::string read_text_file(const std::string& file, std::size_t largest_bytes, std::string_view what);

/// The targets that come with the program.
std::vector<Target> default_targets(const std::vector<KnownCheck>& known);

}  // namespace fabricheck::config
