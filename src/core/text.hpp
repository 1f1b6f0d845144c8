// Words and lists of them, as every room writes and reads them.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck {

/// "a, b, c"
template <class Words>
std::string joined(const Words& words, std::string_view between = ", ") {
  return fmt::format("{}", fmt::join(words, between));
}

/// The first `most` of them: "a, b and 3 more"
template <class Words>
std::string first_few(const Words& words, std::size_t most) {
  const std::size_t shown = std::min<std::size_t>(most, words.size());
  const std::vector<std::string> first(words.begin(),
                                       std::next(words.begin(), static_cast<std::ptrdiff_t>(shown)));
  return words.size() > shown ? fmt::format("{} and {} more", joined(first), words.size() - shown)
                              : joined(first);
}

/// "1 host", "3 hosts"
std::string counted(std::size_t n, std::string_view noun);

/// 'text' from outside, fit for one line of an error: without control characters (they would reach the
/// terminal) and cut after 80 characters.
std::string quoted_text(std::string_view text);

/// Without white space at both ends.
std::string_view trimmed(std::string_view text);

/// A to Z become small letters.
std::string lowered(std::string_view text);

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace fabricheck
