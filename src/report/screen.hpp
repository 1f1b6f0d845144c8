// Lines of a report on the terminal. Private to src/report.
#pragma once

#include <string>

#include "report/report.hpp"

namespace fabricheck::report {

inline constexpr const char* bold = "1";
inline constexpr const char* dim = "2";

/// Collects text within the width of the terminal, coloured or not.
class Screen {
 public:
  explicit Screen(const ConsoleStyle& style);

  std::size_t width() const { return width_; }
  std::string& out() { return out_; }
  std::string take() { return std::move(out_); }

  /// `code` is what stands between ESC[ and m; empty: as it is.
  std::string paint(const char* code, const std::string& text) const;
  void heading(const std::string& title);
  /// "label  text", the text's further lines indented like its first.
  void hanging(const std::string& label, const char* code, const std::string& text, std::size_t indent = 0);

 private:
  bool colour_;
  std::size_t width_;
  std::string out_;
};

}  // namespace fabricheck::report
