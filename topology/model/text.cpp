#include "topology/model/text.hpp"

#include <charconv>

#include "core/text.hpp"

namespace fabricheck::topology {
namespace {

/// The digits at the front of `text`, which is shortened by them.
std::string_view take_digits(std::string_view& text) {
  std::size_t length = 0;
  while (length < text.size() && is_digit(text[length])) ++length;
  const std::string_view digits = text.substr(0, length);
  text.remove_prefix(length);
  return digits;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  std::string_view rest_a = a;
  std::string_view rest_b = b;
  while (!rest_a.empty() && !rest_b.empty()) {
    if (is_digit(rest_a.front()) && is_digit(rest_b.front())) {
      std::string_view digits_a = take_digits(rest_a);
      std::string_view digits_b = take_digits(rest_b);
      while (digits_a.size() > 1 && digits_a.front() == '0') digits_a.remove_prefix(1);
      while (digits_b.size() > 1 && digits_b.front() == '0') digits_b.remove_prefix(1);
      if (digits_a.size() != digits_b.size()) return digits_a.size() < digits_b.size();
      if (digits_a != digits_b) return digits_a < digits_b;
    } else if (rest_a.front() != rest_b.front()) {
      return rest_a.front() < rest_b.front();
    } else {
      rest_a.remove_prefix(1);
      rest_b.remove_prefix(1);
    }
  }
  if (rest_a.empty() != rest_b.empty()) return rest_a.empty();
  return a < b;  // equal but for leading zeros
}

std::optional<long> parse_number(std::string_view text, int base) {
  if (base == 16 && text.size() > 2 && text[0] == '0' && text[1] == 'x') text.remove_prefix(2);
  long value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::string printable(std::string_view text) {
  constexpr std::size_t kLongest = 96;
  std::string result;
  for (const char c : text.substr(0, kLongest)) result += (c >= ' ' && c <= '~') ? c : '?';
  if (text.size() > kLongest) result += "…";
  return result;
}

std::string in_quotes(std::string_view text) { return "'" + printable(text) + "'"; }

}  // namespace fabricheck::topology
