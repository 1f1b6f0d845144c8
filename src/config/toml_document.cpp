#include "config/toml_document.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/error.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"
#include "core/units.hpp"

namespace fabricheck::config {
namespace {

/// A dotted key nests once per dot, and the parser's tables are destroyed recursively: a line of a megabyte
/// of dots would overflow the stack.
constexpr std::size_t longest_line = 4096;

}  // namespace

const char* type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a number with a point";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      return "a date or time";
    case toml::node_type::none:
      break;
  }
  return "nothing";
}

TomlDocument::TomlDocument(std::string_view text, std::string file) : file_(std::move(file)) {
  refuse_hostile(text);
  root_ = parse(text);
}

void TomlDocument::fail(toml::source_position at, const std::string& sentence) const {
  throw UsageError(fmt::format("{}:{}:{}: {}", file_, at.line, at.column, sentence));
}

void TomlDocument::fail(const toml::node& at, const std::string& sentence) const {
  fail(at.source().begin, sentence);
}

void TomlDocument::refuse_hostile(std::string_view text) const {
  if (text.size() > largest_toml_bytes) {
    fail(toml::source_position{1, 1}, fmt::format("the text is over {}", format_bytes(largest_toml_bytes)));
  }
  toml::source_index line = 1;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    if (end - begin > longest_line) {
      fail(toml::source_position{line, static_cast<toml::source_index>(longest_line + 1)},
           fmt::format("the line is longer than {} characters", longest_line));
    }
    begin = end + 1;
    ++line;
  }
}

toml::table TomlDocument::parse(std::string_view text) const {
  try {
    return toml::parse(text, file_);
  } catch (const toml::parse_error& error) {
    fail(error.source().begin, fmt::format("this is not TOML: {}", error.description()));
  }
}

void TomlDocument::refuse_unknown_keys(const toml::table& table,
                                       const std::vector<std::string>& known) const {
  for (const auto& [key, node] : table) {
    if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
    fail(key.source().begin,
         fmt::format("unknown key {}{}", quoted_text(key.str()), suggestion(key.str(), known)));
  }
}

const toml::table* TomlDocument::table_at(const toml::table& parent, std::string_view key,
                                          std::string_view form) const {
  const toml::node* node = parent.get(key);
  if (node == nullptr) return nullptr;
  const toml::table* table = node->as_table();
  if (table == nullptr)
    fail(*node, fmt::format("'{}' is {}; write it as a {} table", key, type_name(*node), form));
  return table;
}

std::vector<const toml::table*> TomlDocument::tables_at(const toml::table& parent, std::string_view key,
                                                        std::string_view form, std::size_t most) const {
  const toml::node* node = parent.get(key);
  if (node == nullptr) return {};
  const toml::array* list = node->as_array();
  if (list == nullptr)
    fail(*node, fmt::format("'{}' is {}; write each {} as a {} table", key, type_name(*node), key, form));
  if (list->empty()) fail(*node, fmt::format("the list of {}s is empty", key));
  if (list->size() > most) fail(*node, fmt::format("there are over {} {}s", most, key));
  std::vector<const toml::table*> tables;
  for (const toml::node& element : *list) {
    const toml::table* table = element.as_table();
    if (table == nullptr)
      fail(element, fmt::format("a {} is {}; write it as a {} table", key, type_name(element), form));
    tables.push_back(table);
  }
  return tables;
}

std::string TomlDocument::text_of(const toml::node& node, std::string_view key, std::size_t longest) const {
  const auto* value = node.as_string();
  if (value == nullptr)
    fail(node, fmt::format("{} is {}; it has to be text in quotes", key, type_name(node)));
  const std::string& text = value->get();
  if (text.empty()) fail(node, fmt::format("{} is empty", key));
  if (text.size() > longest) fail(node, fmt::format("{} is longer than {} bytes", key, longest));
  // Reports and terminals show it as it is.
  const bool printable = std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) == 0x7f;
  });
  if (!printable) fail(node, fmt::format("{} holds a control character; write it as one line of text", key));
  return text;
}

std::int64_t TomlDocument::integer_of(const toml::node& node, std::string_view key, std::int64_t least,
                                      std::int64_t most) const {
  const auto* value = node.as_integer();
  if (value == nullptr) fail(node, fmt::format("{} is {}; it has to be an integer", key, type_name(node)));
  if (value->get() < least || value->get() > most)
    fail(node, fmt::format("{} is {}; it has to be from {} to {}", key, value->get(), least, most));
  return value->get();
}

bool TomlDocument::boolean_of(const toml::node& node, std::string_view key) const {
  const auto* value = node.as_boolean();
  if (value == nullptr) fail(node, fmt::format("{} is {}; it has to be true or false", key, type_name(node)));
  return value->get();
}

std::vector<std::string> TomlDocument::texts_of(const toml::node& node, std::string_view key,
                                                std::size_t longest) const {
  const toml::array* list = node.as_array();
  if (list == nullptr)
    fail(node, fmt::format("{} is {}; it has to be a list of texts", key, type_name(node)));
  if (list->empty()) fail(node, fmt::format("{} is an empty list", key));
  if (list->size() > longest) fail(node, fmt::format("{} has over {} entries", key, longest));
  std::vector<std::string> texts;
  for (const toml::node& element : *list) {
    const std::string text = text_of(element, fmt::format("an entry of {}", key));
    if (std::find(texts.begin(), texts.end(), text) != texts.end())
      fail(element, fmt::format("{} has {} twice", key, quoted_text(text)));
    texts.push_back(text);
  }
  return texts;
}

double TomlDocument::quantity_of(const toml::node& node, std::string_view key, std::string_view unit) const {
  if (node.is_number())
    fail(node, fmt::format("{} is a bare number; write it with its unit, such as \"5 {}\"", key, unit));
  const std::string text = text_of(node, key);
  try {
    return parse_quantity_as(text, unit);
  } catch (const UsageError& error) {
    fail(node, fmt::format("{}: {}", key, error.what()));
  }
}

std::string TomlDocument::word_of(const toml::node& node, std::string_view key,
                                  const std::vector<std::string>& known) const {
  std::string word = text_of(node, key);
  if (std::find(known.begin(), known.end(), word) != known.end()) return word;
  fail(node, fmt::format("unknown {} {}{}", key, quoted_text(word), suggestion(word, known)));
}

int TomlDocument::pcie_width_of(const toml::node& node, std::string_view key) const {
  constexpr std::array<std::int64_t, 7> widths{1, 2, 4, 8, 12, 16, 32};
  const std::int64_t width = integer_of(node, key, 1, widths.back());
  if (std::find(widths.begin(), widths.end(), width) == widths.end())
    fail(node, fmt::format("{} is {}; a PCIe link has {} lanes", key, width, "1, 2, 4, 8, 12, 16 or 32"));
  return static_cast<int>(width);
}

double TomlDocument::pcie_speed_of(const toml::node& node, std::string_view key) const {
  constexpr std::array<double, 7> speeds{2.5, 5, 8, 16, 32, 64, 128};
  const std::string how = "a PCIe lane has \"2.5 GT/s\", \"5 GT/s\", 8, 16, 32, 64 or 128 GT/s";
  if (node.is_number()) fail(node, fmt::format("{} is a bare number; {}", key, how));
  const std::string text = text_of(node, key);
  double speed = 0;
  try {
    speed = parse_quantity_as(text, "GT/s");
  } catch (const UsageError&) {
    fail(node, fmt::format("{} is {}; {}", key, quoted_text(text), how));
  }
  if (std::find(speeds.begin(), speeds.end(), speed) == speeds.end())
    fail(node, fmt::format("{} is {}; {}", key, quoted_text(text), how));
  return speed;
}

}  // namespace fabricheck::config
