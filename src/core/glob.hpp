// Shell patterns over check ids.
#pragma once

#include <string>

namespace fabricheck {

/// Whether `pattern` (`*`, `?`, `[…]` as fnmatch(3) has them) matches the whole of `text`.
bool glob_matches(const std::string& pattern, const std::string& text);

}  // namespace fabricheck
