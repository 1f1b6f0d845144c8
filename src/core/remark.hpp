// What is said beside the result: a reader that is gone costs nothing but the words.
#pragma once

#include <cstdio>
#include <string>
#include <utility>

#include <fmt/format.h>

namespace fabricheck {

/// Whether it could be written. Never throws for that, as fmt::print does.
template <typename... Arguments>
bool remark(std::FILE* out, fmt::format_string<Arguments...> format, Arguments&&... arguments) {
  const std::string text = fmt::format(format, std::forward<Arguments>(arguments)...);
  return std::fwrite(text.data(), 1, text.size(), out) == text.size();
}

}  // namespace fabricheck
