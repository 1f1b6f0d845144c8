#include "core/glob.hpp"

#include <fnmatch.h>

#include <algorithm>

namespace fabricheck {

bool glob_matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

bool is_selected(const std::string& id, const std::vector<std::string>& only,
                 const std::vector<std::string>& skip) {
  const auto matches = [&id](const std::string& pattern) { return glob_matches(pattern, id); };
  return (only.empty() || std::any_of(only.begin(), only.end(), matches)) &&
         std::none_of(skip.begin(), skip.end(), matches);
}

}  // namespace fabricheck
