// The console report as text that tests look into.
#pragma once

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "report/report.hpp"
#include "report/text.hpp"

namespace fabricheck::report {

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// The first line that contains all of the words.
inline std::string line_with(const std::string& text, const std::vector<std::string>& words) {
  for (const std::string& line : lines_of(text)) {
    if (std::all_of(words.begin(), words.end(),
                    [&line](const std::string& word) { return line.find(word) != std::string::npos; })) {
      return line;
    }
  }
  return "";
}

/// Characters before `part`.
inline std::size_t column_of(const std::string& line, const std::string& part) {
  const std::size_t at = line.find(part);
  return at == std::string::npos ? at : text_width(std::string_view(line).substr(0, at));
}

/// The text with line breaks and indents made single spaces.
inline std::string flat(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

inline std::string without_colour(const std::string& text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\x1b') {
      i = text.find('m', i);
    } else {
      out += text[i];
    }
  }
  return out;
}

inline std::string report(const RunRecord& record, int width = 120) {
  return console(record, {false, width});
}

}  // namespace fabricheck::report
