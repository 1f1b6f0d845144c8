#include <fmt/format.h>

#include <span>

#include "app/command_table.hpp"
#include "app/manual.hpp"
#include "core/text.hpp"

namespace fabricheck::embedded {
extern const char completion[];  // docs/completion.sh
}

namespace fabricheck::app {
namespace {

/// A word for single quotes in bash.
std::string quoted_for_bash(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

/// How the script is told what completes a value: words, or one of <file>, <folder>, <nothing>.
std::string completed_by(Names names, std::span<const char* const> choices, const CompletionWords& words) {
  if (!choices.empty()) return joined(choices, " ");
  switch (names) {
    case Names::file:
      return "<file>";
    case Names::folder:
      return "<folder>";
    case Names::check:
      return joined(words.checks, " ");
    case Names::platform:
      return joined(words.platforms, " ") + " auto";
    case Names::nothing:
      break;
  }
  return "<nothing>";
}

std::string bash_case(const std::string& pattern, const std::string& text) {
  return fmt::format("    {}) printf '%s\\n' {} ;;\n", pattern, quoted_for_bash(text));
}

}  // namespace

std::string bash_completion(const CompletionWords& words) {
  std::string text =
      "# Completion of fabricheck for bash, made from its own table of commands and options.\n# shellcheck "
      "shell=bash\n\n";
  std::vector<std::string> commands;
  std::string options, repeatable, values;
  for (const CommandRow& command : command_rows()) {
    commands.emplace_back(command.name);
    std::vector<std::string> names, again;
    for (const OptionRow& option : command.options) {
      const std::string name = fmt::format("--{}", option.name);
      names.push_back(name);
      if (option.repeatable) again.push_back(name);
      if (option.is_flag()) continue;
      std::string pattern = fmt::format("'{} {}'", command.name, name);
      if (option.letter != 0) pattern += fmt::format(" | '{} -{}'", command.name, option.letter);
      values += bash_case(pattern, completed_by(option.names, option.choices, words));
    }
    names.emplace_back("--help");
    options += bash_case(command.name, joined(names, " "));
    // Between spaces, so that a whole name can be looked for.
    if (!again.empty()) repeatable += bash_case(command.name, fmt::format(" {} ", joined(again, " ")));
    if (command.names != Names::nothing || !command.choices.empty())
      values += bash_case(command.name, completed_by(command.names, command.choices, words));
  }
  text += fmt::format("_fabricheck_commands() {{ printf '%s\\n' {}; }}\n\n",
                      quoted_for_bash(joined(commands, " ")));
  text += "_fabricheck_options() {\n  case $1 in\n" + options + "  esac\n}\n\n";
  text += "_fabricheck_repeatable() {\n  case $1 in\n" + repeatable + "  esac\n}\n\n";
  text += "# What the value of an option, or the argument of a command, is completed with.\n";
  text += "_fabricheck_value() {\n  case $1 in\n" + values + "  esac\n}\n";
  return text + embedded::completion;
}

}  // namespace fabricheck::app
