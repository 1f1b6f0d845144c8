// What every TOML file of this program has in common: where an error is, which keys are known, what a value
// may be. Private to src/config.
#pragma once

#include <fmt/format.h>
#include <toml++/toml.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::config {

/// No file that a person writes is larger.
inline constexpr std::size_t largest_toml_bytes = std::size_t{4} << 20;

/// "text", "a list", … for errors.
const char* type_name(const toml::node& node);

/// One file. All refusals are UsageErrors "FILE:LINE:COLUMN: …".
class TomlDocument {
 public:
  /// Refuses what is too large, has endless lines or is not TOML.
  TomlDocument(std::string_view text, std::string file);

  const toml::table& root() const { return root_; }
  const std::string& file() const { return file_; }

  [[noreturn]] void fail(toml::source_position at, const std::string& sentence) const;
  [[noreturn]] void fail(const toml::node& at, const std::string& sentence) const;

  void refuse_unknown_keys(const toml::table& table, const std::vector<std::string>& known) const;

  /// The table under `key`, null where there is none; `form` says how to write it: "[gpu]".
  const toml::table* table_at(const toml::table& parent, std::string_view key, std::string_view form) const;

  /// The tables of the list under `key`; `form` is "[[nic]]". At most `most` of them; an empty list is
  /// refused.
  std::vector<const toml::table*> tables_at(const toml::table& parent, std::string_view key,
                                            std::string_view form, std::size_t most) const;

  /// One line of text, not empty, without control characters, at most `longest` bytes.
  std::string text_of(const toml::node& node, std::string_view key, std::size_t longest = 1000) const;

  std::int64_t integer_of(const toml::node& node, std::string_view key, std::int64_t least,
                          std::int64_t most) const;

  bool boolean_of(const toml::node& node, std::string_view key) const;

  /// A list of texts, none twice; `longest` entries at most.
  std::vector<std::string> texts_of(const toml::node& node, std::string_view key, std::size_t longest) const;

  /// "400 Gb/s": a number with its unit, converted to `unit`.
  double quantity_of(const toml::node& node, std::string_view key, std::string_view unit) const;

  /// One of the words of `known`.
  std::string word_of(const toml::node& node, std::string_view key,
                      const std::vector<std::string>& known) const;

  /// The lanes that a PCIe link can have.
  int pcie_width_of(const toml::node& node, std::string_view key) const;
  /// "32 GT/s", one of the speeds that PCIe has.
  double pcie_speed_of(const toml::node& node, std::string_view key) const;

 private:
  void refuse_hostile(std::string_view text) const;
  toml::table parse(std::string_view text) const;

  std::string file_;
  toml::table root_;
};

}  // namespace fabricheck::config
