#include "app/json_log_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "app/utf16.hpp"

namespace fabricheck::app {
namespace {

constexpr std::array<std::string_view, 4> kMembers{"log", "message", "msg", "MESSAGE"};

/// Walks over JSON that may be cut off anywhere; what it passes over is not checked.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}

  bool take(char c) {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) rest_.remove_prefix(1);
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  /// What stands between quotes, the first of which was taken.
  std::string_view take_string() {
    std::size_t end = rest_.find('"');
    while (end != std::string_view::npos && is_escaped(end)) end = rest_.find('"', end + 1);
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return text;
  }

  /// Up to the comma or brace that ends a value that is no string.
  void skip_value() {
    std::size_t depth = 0;
    while (!rest_.empty()) {
      const char c = rest_.front();
      if (depth == 0 && (c == ',' || c == '}')) return;
      rest_.remove_prefix(1);
      if (c == '"') take_string();
      if (c == '{' || c == '[') ++depth;
      if (c == '}' || c == ']') --depth;
    }
  }

 private:
  bool is_escaped(std::size_t at) const {
    std::size_t backslashes = 0;
    while (backslashes < at && rest_[at - 1 - backslashes] == '\\') ++backslashes;
    return backslashes % 2 == 1;
  }

  std::string_view rest_;
};

char control(char letter) {
  switch (letter) {
    case 'n':
      return '\n';
    case 't':
      return '\t';
    case 'r':
      return '\r';
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    default:
      return letter;
  }
}

/// Takes "12ab" of "u12ab…"; nothing where it is no such escape.
std::optional<char16_t> take_unit(std::string_view& text) {
  constexpr std::size_t digits = 4;
  if (text.size() < 1 + digits || text.front() != 'u') return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + 1 + digits;
  if (std::from_chars(text.data() + 1, end, value, 16).ptr != end) return std::nullopt;
  text.remove_prefix(1 + digits);
  return static_cast<char16_t>(value);
}

std::string_view unescaped(std::string_view text, std::string& buffer) {
  std::size_t at = text.find('\\');
  if (at == std::string_view::npos) return text;
  buffer.clear();
  Utf16Units units;
  while (at != std::string_view::npos) {
    if (at > 0) units.finish(buffer);
    buffer += text.substr(0, at);
    text.remove_prefix(at + 1);
    if (const auto unit = take_unit(text)) {
      units.add(*unit, buffer);
    } else if (!text.empty()) {
      units.finish(buffer);
      buffer += control(text.front());
      text.remove_prefix(1);
    }
    at = text.find('\\');
  }
  units.finish(buffer);
  buffer += text;
  return buffer;
}

}  // namespace

std::optional<std::string_view> json_log_text(std::string_view line, std::string& buffer) {
  Scanner scanner(line);
  if (!scanner.take('{')) return std::nullopt;
  std::optional<std::string_view> found;
  std::size_t best = kMembers.size();
  do {
    if (!scanner.take('"')) break;
    const std::string_view name = scanner.take_string();
    if (!scanner.take(':')) break;
    if (!scanner.take('"')) {
      scanner.skip_value();
      continue;
    }
    const std::string_view value = scanner.take_string();
    const auto member =
        static_cast<std::size_t>(std::find(kMembers.begin(), kMembers.end(), name) - kMembers.begin());
    if (member >= best) continue;
    best = member;
    found = value;
  } while (best > 0 && scanner.take(','));
  if (!found) return std::nullopt;
  return unescaped(*found, buffer);
}

}  // namespace fabricheck::app
