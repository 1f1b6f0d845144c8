// Platforms in TOML, and those that come with the program (topology/platforms/*.toml).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/platform.hpp"

namespace fabricheck::config {

/// One platform. Unknown keys, figures without unit, kind or source, and unknown kinds throw UsageError
/// "FILE:LINE:COLUMN: …".
Platform parse_platform(std::string_view text, const std::string& file);

/// In order of name.
const std::vector<Platform>& built_in_platforms();

}  // namespace fabricheck::config
