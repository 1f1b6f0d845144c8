// The commands and their options: one table that feeds the parser and the help.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::app {

struct OptionRow {
  const char* name;   ///< without dashes
  char letter;        ///< short form, or 0
  const char* value;  ///< what to call its value in the help; "" for a flag
  const char* help;
  bool repeatable;
  bool is_flag() const { return *value == '\0'; }
};

struct CommandRow {
  const char* name;
  const char* arguments;  ///< of the usage line, beside the options
  const char* summary;    ///< one line for the list of commands
  const char* details;
  std::span<const OptionRow> options;
  std::span<const char* const> examples;
  bool judges;  ///< whether all exit statuses can occur
};

std::span<const CommandRow> command_rows();

/// nullptr when there is no such command.
const CommandRow* find_command(std::string_view name);

std::vector<std::string> command_names();

/// The help of the program, or of one command.
std::string program_help();
std::string command_help(const CommandRow& command);

}  // namespace fabricheck::app
