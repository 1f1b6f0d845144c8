#include "app/parsed_words.hpp"

// Its regular expressions recurse once per character: a long argument would overflow the stack.
#define CXXOPTS_NO_REGEX true
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cxxopts.hpp>

#include "core/units.hpp"

namespace fabricheck::app {
namespace {

using std::chrono::nanoseconds;

/// What cxxopts gives a flag that stands without a value.
constexpr const char* flag_is_set = "";

cxxopts::Options options_of(const CommandRow& command) {
  cxxopts::Options options("fabricheck");
  // Unknown ones are reported here, with the nearest known option.
  options.allow_unrecognised_options();
  auto add = options.add_options();
  add("h,help", "", cxxopts::value<std::string>()->implicit_value(flag_is_set));
  for (const OptionRow& row : command.options) {
    const std::string names =
        row.letter == 0 ? std::string(row.name) : fmt::format("{},{}", row.letter, row.name);
    // All are text: a vector would split its values on commas, a number would accept 0x10, a bool "t".
    auto value = cxxopts::value<std::string>();
    add(names, "", row.is_flag() ? value->implicit_value(flag_is_set) : value);
  }
  return options;
}

bool has_option(const CommandRow& command, const std::string& word) {
  return std::any_of(command.options.begin(), command.options.end(),
                     [&](const OptionRow& row) { return word == fmt::format("--{}", row.name); });
}

[[noreturn]] void throw_unknown_option(const CommandRow& command, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  if (std::string_view(command.name) == "launch" && has_option(*find_command("run"), name)) {
    throw UsageError(
        fmt::format("launch: {} is an option of run; write it behind -- run", quoted_text(name)));
  }
  Words known{"--help"};
  for (const OptionRow& row : command.options) {
    known.push_back(fmt::format("--{}", row.name));
    if (row.letter != 0) known.push_back(fmt::format("-{}", row.letter));
  }
  const std::string nearest = nearest_word(name, known);
  for (const CommandRow& other : command_rows())
    if (nearest.empty() && has_option(other, name))
      throw UsageError(
          fmt::format("{}: unknown option {}; {} has it", command.name, quoted_text(name), other.name));
  throw UsageError(
      fmt::format("{}: unknown option {}{}", command.name, quoted_text(name), suggestion(name, known)));
}

/// cxxopts takes -suite for -s, -u, …: the word of which `letters` are the first, where the user wrote a
/// longer one.
std::string whole_word(const std::string& letters, const Words& words) {
  if (letters.starts_with("--")) return letters;
  const auto whole = std::find_if(words.begin(), words.end(),
                                  [&](const std::string& word) { return word.starts_with(letters); });
  return whole == words.end() ? letters : *whole;
}

void add_value(const CommandRow& command, const std::string& name, const std::string& value,
               ParsedWords& parsed) {
  if (name == "help") {
    parsed.help = true;
    return;
  }
  const auto row = std::find_if(command.options.begin(), command.options.end(),
                                [&](const OptionRow& option) { return name == option.name; });
  if (row == command.options.end()) throw_unknown_option(command, "--" + name);
  if (row->is_flag()) {
    if (!value.empty())
      throw UsageError(fmt::format("--{} takes no value, but has {}", name, quoted_text(value)));
  } else if (value.empty()) {
    throw UsageError(fmt::format("--{} has an empty value; it needs a {}", name, row->value));
  } else if (value.starts_with("--")) {
    throw UsageError(
        fmt::format("--{} needs a {}, but the option {} follows it", name, row->value, quoted_text(value)));
  }
  Words& values = parsed.values[name];
  if (!values.empty() && !row->repeatable) throw UsageError(fmt::format("--{} is given twice", name));
  values.push_back(value);
}

}  // namespace

ParsedWords parse_words(const CommandRow& command, const Words& words) {
  const auto separator = std::find(words.begin(), words.end(), "--");
  std::vector<const char*> argv{"fabricheck"};
  for (auto word = words.begin(); word != separator; ++word) argv.push_back(word->c_str());
  cxxopts::Options options = options_of(command);
  ParsedWords parsed;
  try {
    const cxxopts::ParseResult result = options.parse(static_cast<int>(argv.size()), argv.data());
    for (const cxxopts::KeyValue& argument : result.arguments()) {
      add_value(command, argument.key(), argument.value(), parsed);
    }
    for (const std::string& word : result.unmatched()) {
      // A lone dash stands for standard input or output.
      if (word.starts_with('-') && word != "-" && !parsed.help)
        throw_unknown_option(command, whole_word(word, words));
      parsed.others.push_back(word);
    }
  } catch (const cxxopts::exceptions::exception& error) {
    // All that is left is an option at the end without its value.
    throw UsageError(fmt::format("{}: {} needs a value", command.name, quoted_text(argv.back())));
  }
  if (separator != words.end()) parsed.others.insert(parsed.others.end(), separator + 1, words.end());
  return parsed;
}

void refuse_others(const CommandRow& command, const ParsedWords& parsed) {
  if (parsed.others.empty()) return;
  const std::string& word = parsed.others.front();
  for (const OptionRow& row : command.options)
    for (const char* choice : row.choices)
      if (word == choice)
        throw UsageError(fmt::format("{}: unexpected argument {}; did you mean --{} {}?", command.name,
                                     quoted_text(word), row.name, word));
  throw UsageError(fmt::format("{}: unexpected argument {}", command.name, quoted_text(word)));
}

Words split_on_commas(const std::string& text) {
  Words elements;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    elements.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return elements;
}

std::string text_of(const ParsedWords& parsed, const std::string& name, const std::string& otherwise) {
  const std::string* text = parsed.value(name);
  return text == nullptr ? otherwise : *text;
}
nanoseconds duration_of(const ParsedWords& parsed, const std::string& name, nanoseconds otherwise,
                        nanoseconds least, nanoseconds most) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return otherwise;
  const nanoseconds duration = with_name(name, [&] { return parse_duration(*text); });
  if (duration < least || duration > most) {
    throw UsageError(fmt::format("--{}: {} is not between {} and {}", name, quoted_text(*text),
                                 format_duration(least), format_duration(most)));
  }
  return duration;
}

std::optional<int> number_of(const ParsedWords& parsed, const std::string& name, int most, int least) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return std::nullopt;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc{} || end != text->data() + text->size() || value < least || value > most)
    throw UsageError(
        fmt::format("--{}: {} is no number from {} to {}", name, quoted_text(*text), least, most));
  return value;
}

TopologySources sources_of(const ParsedWords& parsed) {
  TopologySources sources;
  sources.expect_file = text_of(parsed, "expect", "");
  sources.platform = text_of(parsed, "platform", "");
  sources.switch_topology_file = text_of(parsed, "switch-topology", "");
  return sources;
}
double tolerance_of(const ParsedWords& parsed) {
  const std::string* text = parsed.value("tolerance");
  if (text == nullptr) return default_tolerance_percent;
  std::string_view digits = *text;
  if (digits.ends_with('%')) digits.remove_suffix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  double percent = -1.0;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), percent, std::chars_format::fixed);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  // Written so that a NaN is refused, too.
  if (!is_number || !(percent >= 0.0 && percent <= 100.0))
    throw UsageError(
        fmt::format("--tolerance: {} is no percentage from 0 to 100, such as 5 or 2.5%", quoted_text(*text)));
  return std::abs(percent);  // -0
}

}  // namespace fabricheck::app
