// Shell patterns over check ids.
#pragma once

#include <string>
#include <vector>

namespace fabricheck {

/// Whether `pattern` (`*`, `?`, `[…]` as fnmatch(3) has them) matches the whole of `text`.
bool glob_matches(const std::string& pattern, const std::string& text);

/// Whether --only (empty: all) takes `id` and --skip leaves it.
bool is_selected(const std::string& id, const std::vector<std::string>& only,
                 const std::vector<std::string>& skip);

}  // namespace fabricheck
