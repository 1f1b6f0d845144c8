#include <fmt/format.h>

#include <array>
#include <cstddef>
#include <span>

#include "app/command_table.hpp"
#include "app/manual.hpp"

namespace fabricheck::app {
namespace {

/// Text as roff prints it: a bare - would become a hyphen that cannot be pasted, a ' a typographic quote.
std::string roff(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool line_begins = out.empty() || out.back() == '\n';
    switch (c) {
      case '\\':
        out += "\\e";
        break;
      case '-':
        out += "\\-";
        break;
      case '\'':
        out += "\\(aq";
        break;
      case '`':
        out += "\\(ga";
        break;
      case '^':
        out += "\\(ha";
        break;
      case '~':
        out += "\\(ti";
        break;
      case '.':
        out += line_begins ? "\\&." : ".";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string bold(std::string_view text) { return fmt::format("\\fB{}\\fR", roff(text)); }

/// The table breaks its prose for a terminal; roff breaks lines itself.
std::string filled(std::string_view text) {
  std::string out = roff(text);
  for (char& c : out)
    if (c == '\n') c = ' ';
  return out;
}

/// A line of the list of commands as a sentence.
std::string sentence(std::string text) {
  if (!text.empty() && text[0] >= 'a' && text[0] <= 'z') text[0] = static_cast<char>(text[0] - 'a' + 'A');
  return text + ".";
}

std::string option_item(const OptionRow& option) {
  std::string names = option.letter == 0 ? "" : bold(fmt::format("-{}", option.letter)) + ", ";
  names += bold(fmt::format("--{}", option.name));
  if (!option.is_flag()) names += fmt::format(" \\fI{}\\fR", roff(option.value));
  return fmt::format(".TP\n{}\n{}\n", names, filled(option_help(option)));
}

std::string statuses(std::span<const ExitStatusRow> rows) {
  std::string text;
  for (const ExitStatusRow& row : rows)
    text += fmt::format(".TP\n{}\n{}\n", bold(std::to_string(row.status)), filled(row.meaning));
  return text;
}

std::string command_section(const CommandRow& command) {
  std::string text = fmt::format(".SS \"fabricheck {}\"\n{}\n.PP\n{}\n", roff(usage(command)),
                                 filled(sentence(command.summary)), filled(command.details));
  for (const OptionRow& option : command.options) text += option_item(option);
  text += fmt::format(".TP\n{}, {}\nthe help of this command\n", bold("-h"), bold("--help"));
  text += ".PP\nExamples:\n.PP\n.RS 4\n.nf\n";
  for (const char* example : command.examples) text += roff(example) + "\n";
  text += ".fi\n.RE\n";
  if (!command.judges) {
    std::string list;
    for (const ExitStatusRow& row : exit_status_rows(command))
      list += fmt::format("{}{} {}", list.empty() ? "" : ", ", row.status, row.meaning);
    text += fmt::format(".PP\nExit status: {}.\n", filled(list));
  }
  return text;
}

struct Item {
  const char* name;
  const char* meaning;
};

constexpr std::array<Item, 5> files{
    {{"result.json", "the whole result of a run, in the folder that --out names; fabricheck report shows it"},
     {"report.md", "the same for a ticket"},
     {"topology.json", "what the hosts are made of; fabricheck topology --load shows it"},
     {"journal.jsonl",
      "each finished check as it ended; the result can be rebuilt from it when a run was cut short"},
     {"fabricheck.schema.json", "the JSON Schema of result.json, in share/fabricheck"}}};

constexpr std::array<Item, 3> variables{
    {{"NO_COLOR", "when set, the report has no colours"},
     {"NCCL_HOME", "where NCCL's library is looked for, beside the system's folders, to tell its version"},
     {"SLURM_JOB_NUM_NODES, SLURM_GPUS_ON_NODE",
      "what Slurm allocated: a smaller world is refused, and the GPUs that a host should have are known"}}};

template <std::size_t count>
std::string items(const char* section, const std::array<Item, count>& rows) {
  std::string text = fmt::format(".SH {}\n", section);
  for (const Item& row : rows) text += fmt::format(".TP\n{}\n{}\n", bold(row.name), filled(row.meaning));
  return text;
}

}  // namespace

std::string man_page(std::string_view version) {
  // Without hyphenation: a divided option cannot be pasted.
  std::string text =
      fmt::format(".TH FABRICHECK 1 \"\" \"fabricheck {}\" \"User Commands\"\n.nh\n.ad l\n", roff(version));
  text += fmt::format(".SH NAME\nfabricheck \\- {}\n.SH SYNOPSIS\n", filled(program_purpose));
  const char* between = "";
  for (const CommandRow& command : command_rows()) {
    text += fmt::format("{}{} {}\n", between, bold("fabricheck"), roff(usage(command)));
    between = ".br\n";
  }
  text += fmt::format(".br\n{0} help [COMMAND]\n.br\n{0} {1}\n", bold("fabricheck"), roff("--version"));
  text += fmt::format(".SH DESCRIPTION\n{}\n.PP\n{}\n", filled(program_description), filled(units_help));
  text += ".SH COMMANDS\n";
  for (const CommandRow& command : command_rows()) text += command_section(command);
  text += ".SH \"EXIT STATUS\"\nThe first that applies:\n" + statuses(exit_status_rows());
  text += items("FILES", files) + items("ENVIRONMENT", variables);
  return text + ".SH \"SEE ALSO\"\n.BR mpirun (1),\n.BR srun (1),\n.BR lstopo (1)\n";
}

}  // namespace fabricheck::app
