// The words of one command, taken apart: options by name, and what each option's text stands for.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/choice_words.hpp"
#include "app/command_table.hpp"
#include "app/options.hpp"
#include "core/error.hpp"
#include "core/suggest.hpp"
#include "core/text.hpp"

namespace fabricheck::app {

using Words = std::vector<std::string>;

/// Options and other words of one command, still as text.
struct ParsedWords {
  std::map<std::string, Words> values;  ///< by option; flags have one empty value
  Words others;
  bool help{};

  bool has(const std::string& name) const { return values.count(name) != 0; }
  /// nullptr when not given.
  const std::string* value(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? nullptr : &found->second.back();
  }
};

/// `words` are what follows the command; after a lone `--` nothing is an option. Throws UsageError, as all
/// that follows.
ParsedWords parse_words(const CommandRow& command, const Words& words);
/// Throws where there are words beside the options.
void refuse_others(const CommandRow& command, const ParsedWords& parsed);

Words split_on_commas(const std::string& text);
std::string text_of(const ParsedWords& parsed, const std::string& name, const std::string& otherwise);
std::chrono::nanoseconds duration_of(const ParsedWords& parsed, const std::string& name,
                                     std::chrono::nanoseconds otherwise, std::chrono::nanoseconds least,
                                     std::chrono::nanoseconds most);
/// A whole number from `least` to `most`; unset when the option is not given.
std::optional<int> number_of(const ParsedWords& parsed, const std::string& name, int most, int least = 0);
/// What --expect, --platform and --switch-topology name.
TopologySources sources_of(const ParsedWords& parsed);
/// "5", "2.5" or "5%", from 0 to 100.
double tolerance_of(const ParsedWords& parsed);

/// Calls a parser of core/units and puts the option's name before its error.
template <typename Parse>
auto with_name(const std::string& name, Parse parse) {
  try {
    return parse();
  } catch (const UsageError& error) {
    throw UsageError(fmt::format("--{}: {}", name, error.what()));
  }
}

/// The value that `name` has among the words of `choices`.
template <typename Choice, std::size_t count>
Choice choice_of(const ParsedWords& parsed, const std::string& name,
                 const ChoiceWords<Choice, count>& choices) {
  const std::string* text = parsed.value(name);
  if (text == nullptr) return choices.front().second;
  Words known;
  for (const auto& choice : choices) {
    if (*text == choice.first) return choice.second;
    known.emplace_back(choice.first);
  }
  throw UsageError(fmt::format("--{}: unknown {}{}", name, quoted_text(*text), suggestion(*text, known)));
}

}  // namespace fabricheck::app
