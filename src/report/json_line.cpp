#include "report/json_line.hpp"

#include <algorithm>

namespace fabricheck::report {
namespace {

/// Walks over valid JSON; it only has to find the ends of values.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  std::size_t at() const { return at_; }

  /// The next character that is not white space; 0 at the end.
  char peek() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos)
      ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  void step() { ++at_; }

  /// The text between the quotes, escapes as they are: keys of ours have none.
  std::string_view string() {
    const std::size_t begin = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    at_ = std::min(at_, text_.size());
    const std::string_view inside = text_.substr(begin, at_ - begin);
    ++at_;
    return inside;
  }

  void skip_value() {
    int depth = 0;
    do {
      const char c = peek();
      if (c == '\0') return;
      if (c == '"') {
        string();
      } else if (c == '{' || c == '[') {
        ++depth;
        step();
      } else if (c == '}' || c == ']') {
        --depth;
        step();
      } else if (c == ',' || c == ':') {
        step();
      } else {
        while (at_ < text_.size() &&
               std::string_view(",:]} \t\r\n").find(text_[at_]) == std::string_view::npos)
          ++at_;
      }
    } while (depth > 0);
  }

  /// From an object or array to the value that `wanted` names; false when it is not there.
  bool descend(const JsonStep& wanted) {
    const char open = peek();
    if (open != '{' && open != '[') return false;
    step();
    for (std::size_t i = 0;; ++i) {
      const char c = peek();
      if (c == '}' || c == ']' || c == '\0') return false;
      if (open == '{') {
        const bool found = string() == wanted.key;
        if (peek() == ':') step();
        peek();
        if (found) return true;
      } else if (i == wanted.index) {
        return true;
      }
      skip_value();
      if (peek() == ',') step();
    }
  }

 private:
  std::string_view text_;
  std::size_t at_{};
};

}  // namespace

std::size_t line_of(std::string_view text, const std::vector<JsonStep>& path) {
  Scanner scanner(text);
  scanner.peek();
  std::size_t place = scanner.at();
  for (const JsonStep& step : path) {
    if (!scanner.descend(step)) break;
    place = scanner.at();
  }
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(place, text.size()));
  return 1 + static_cast<std::size_t>(std::count(text.begin(), end, '\n'));
}

}  // namespace fabricheck::report
