#include "core/glob.hpp"

#include <fnmatch.h>

namespace fabricheck {

bool glob_matches(const std::string& pattern, const std::string& text) {
  return ::fnmatch(pattern.c_str(), text.c_str(), FNM_NOESCAPE) == 0;
}

}  // namespace fabricheck
