#include "report/screen.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "report/text.hpp"

namespace fabricheck::report {

Screen::Screen(const ConsoleStyle& style)
    : colour_(style.colour), width_(static_cast<std::size_t>(std::clamp(style.width, 80, 160))) {}

std::string Screen::paint(const char* code, const std::string& text) const {
  if (!colour_ || code[0] == '\0') return text;
  return fmt::format("\x1b[{}m{}\x1b[0m", code, text);
}

void Screen::heading(const std::string& title) { out_ += "\n" + paint(bold, title) + "\n"; }

void Screen::hanging(const std::string& label, const char* code, const std::string& text,
                     std::size_t indent) {
  const bool tight = label == "-" || (!label.empty() && label.back() == ':');
  const std::size_t column = indent + (label.empty() ? 0 : text_width(label) + (tight ? 1 : 2));
  const std::vector<std::string> lines = wrap(text, width_ - column);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i == 0 && !label.empty()) {
      const std::string spaces(column - indent - text_width(label), ' ');
      out_ += std::string(indent, ' ') + paint(code, label) + spaces + lines[i] + '\n';
    } else {
      out_ += std::string(column, ' ') + (label.empty() ? paint(code, lines[i]) : lines[i]) + '\n';
    }
  }
}

}  // namespace fabricheck::report
