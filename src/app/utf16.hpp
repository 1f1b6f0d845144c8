// UTF-16 as UTF-8: of files that Windows wrote, and of the \u escapes of JSON.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace fabricheck::app {

/// Joins code units. A half of a pair without the other one becomes '?'.
class Utf16Units {
 public:
  void add(char16_t unit, std::string& out);
  /// No unit follows the last one.
  void finish(std::string& out);

 private:
  char16_t high_{};
};

/// Bytes in blocks of any size; a character may be split between two.
class Utf16Bytes {
 public:
  /// Whether the text begins with a byte order mark, and then of which order. UTF-32 is none of it.
  static std::optional<Utf16Bytes> of_mark(std::string_view text);

  void add(std::string_view bytes, std::string& out);

 private:
  explicit Utf16Bytes(bool big_endian) : big_endian_(big_endian) {}

  bool big_endian_;
  std::optional<char> half_;
  Utf16Units units_;
};

}  // namespace fabricheck::app
