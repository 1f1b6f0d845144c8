// The commands and their options: one table that feeds the parser, the help, the man page and the completion.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::app {

/// What a value names, where it is no word of a fixed choice: what a shell can complete it with.
enum class Names { nothing, file, folder, check, platform };

struct OptionRow {
  const char* name;   ///< without dashes
  char letter;        ///< short form, or 0
  const char* value;  ///< what to call its value in the help; "" for a flag
  const char* help;   ///< with `choices`, what is to be said beside them
  bool repeatable;
  Names names{Names::nothing};
  std::span<const char* const> choices{};  ///< all words that it takes, the default first; empty: not fixed
  std::string (*listed)(){};               ///< behind `help`: what follows from another table
  bool is_flag() const { return *value == '\0'; }
};

struct ExitStatusRow {
  int status;
  const char* meaning;
};

struct CommandRow {
  const char* name;
  const char* arguments;  ///< of the usage line, beside the options
  const char* summary;    ///< one line for the list of commands
  const char* details;
  std::span<const OptionRow> options;
  std::span<const char* const> examples;
  bool judges;                             ///< whether all exit statuses can occur
  Names names{Names::nothing};             ///< of the argument
  std::span<const char* const> choices{};  ///< all words that the argument can be; empty: not fixed
};

std::span<const CommandRow> command_rows();

/// nullptr when there is no such command.
const CommandRow* find_command(std::string_view name);

std::vector<std::string> command_names();

/// The options' own words in the help: the choices, the default marked, and what is to be said beside them.
std::string option_help(const OptionRow& option);

/// "checks, targets or platforms"
std::string alternatives(std::span<const char* const> words);

/// Behind "fabricheck": "list checks|targets|platforms".
std::string usage(const CommandRow& command);

/// In the order in which they are looked for.
std::span<const ExitStatusRow> exit_status_rows(const CommandRow& command);
std::span<const ExitStatusRow> exit_status_rows();

/// What the program is for, in a sentence and in a paragraph.
inline constexpr const char* program_purpose =
    "tests the fabric that trains models, and names the part to fix";
extern const char* const program_description;
/// How sizes and durations are written.
extern const char* const units_help;

/// The help of the program, or of one command.
std::string program_help();
std::string command_help(const CommandRow& command);

}  // namespace fabricheck::app
