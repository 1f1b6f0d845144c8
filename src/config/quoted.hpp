// Text from outside inside a one-line error.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

namespace fabricheck::config {

/// 'text' without control characters (they would reach the terminal) and cut after 80 characters.
inline std::string quoted(std::string_view text) {
  constexpr std::string_view::size_type longest = 80;
  std::string result = "'";
  for (const char c : text.substr(0, longest)) {
    const auto code = static_cast<unsigned char>(c);
    if (code < 0x20 || code == 0x7f) {
      result += fmt::format("\\x{:02x}", code);
    } else {
      result += c;
    }
  }
  return result + (text.size() > longest ? "...'" : "'");
}

}  // namespace fabricheck::config
