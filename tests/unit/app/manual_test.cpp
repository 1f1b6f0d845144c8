#include "app/manual.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/command_line.hpp"
#include "app/command_table.hpp"
#include "app/known_words.hpp"
#include "core/error.hpp"

namespace fabricheck::app {
namespace {

using testing::HasSubstr;

std::string escaped(std::string text) {
  for (std::size_t at = text.find('-'); at != std::string::npos; at = text.find('-', at + 2))
    text.insert(at, "\\");
  return text;
}

TEST(ManPage, HasEveryCommandOptionAndExitStatus) {
  const std::string page = man_page("1.2.3");
  EXPECT_THAT(page, HasSubstr("\"fabricheck 1.2.3\""));
  for (const CommandRow& command : command_rows()) {
    EXPECT_THAT(page, HasSubstr(escaped(fmt::format(".SS \"fabricheck {}\"", usage(command)))));
    for (const OptionRow& option : command.options)
      EXPECT_THAT(page, HasSubstr(escaped(fmt::format("\\fB--{}\\fR", option.name)))) << command.name;
    EXPECT_FALSE(command.examples.empty()) << command.name;
  }
  for (const ExitStatusRow& row : exit_status_rows())
    EXPECT_THAT(page, HasSubstr(fmt::format(".TP\n\\fB{}\\fR\n", row.status)));
}

TEST(ManPage, PrintsWhatCanBePasted) {
  const std::string page = man_page("1");
  EXPECT_THAT(page, HasSubstr("\\-\\-only \\(aqmpi.allreduce.*\\(aq"));
  for (std::size_t at = page.find('-'); at != std::string::npos; at = page.find('-', at + 1))
    ASSERT_TRUE(at > 0 && page[at - 1] == '\\') << "a bare dash: " << page.substr(at > 30 ? at - 30 : 0, 40);
}

TEST(Completion, HasEveryOptionAndChoice) {
  const std::string script = bash_completion({{"a.b.c", "d.e"}, {"some-platform"}});
  for (const CommandRow& command : command_rows())
    for (const OptionRow& option : command.options) {
      EXPECT_THAT(script, HasSubstr(fmt::format("--{}", option.name)));
      const std::string completed = fmt::format("'{} --{}'", command.name, option.name);
      EXPECT_EQ(script.find(completed) == std::string::npos, option.is_flag()) << completed;
    }
  EXPECT_THAT(script, HasSubstr("'run --only') printf '%s\\n' 'a.b.c d.e'"));
  EXPECT_THAT(script, HasSubstr("'topology --platform') printf '%s\\n' 'some-platform auto'"));
  EXPECT_THAT(script, HasSubstr("'report --output' | 'report -o') printf '%s\\n' '<file>'"));
}

TEST(CommandTable, TheParserTakesEveryChoiceAndNothingElse) {
  const std::vector<std::string> known = known_check_ids();
  for (const CommandRow& command : command_rows()) {
    for (const OptionRow& option : command.options) {
      if (option.choices.empty()) continue;
      const auto parse = [&](const char* word) {
        std::vector<std::string> words{command.name, fmt::format("--{}", option.name), word};
        // " OLD NEW": the arguments that the command cannot do without.
        for (const char* at = command.arguments; *at != '\0'; ++at)
          if (*at == ' ' && at[1] >= 'A' && at[1] <= 'Z') words.emplace_back("result.json");
        return parse_command_line(words, known);
      };
      for (const char* word : option.choices) {
        EXPECT_NO_THROW(parse(word)) << command.name << " --" << option.name << ' ' << word;
        EXPECT_THAT(command_help(command), HasSubstr(word));
      }
      EXPECT_THROW(parse("neither"), UsageError) << command.name << " --" << option.name;
      EXPECT_THAT(option_help(option), HasSubstr(fmt::format("{} (default)", option.choices.front())));
    }
    for (const char* word : command.choices)
      EXPECT_NO_THROW(parse_command_line({command.name, word}, known)) << command.name << ' ' << word;
  }
}

TEST(CommandTable, ValuesThatAreFilesAreSaidToBe) {
  // The word for the value and what completes it are told apart in the table: they must not disagree.
  for (const CommandRow& command : command_rows())
    for (const OptionRow& option : command.options) {
      const std::string value = option.value;
      EXPECT_EQ(value == "FILE", option.names == Names::file) << command.name << " --" << option.name;
      EXPECT_EQ(value == "DIR", option.names == Names::folder) << command.name << " --" << option.name;
      EXPECT_EQ(value == "GLOB", option.names == Names::check) << command.name << " --" << option.name;
      EXPECT_TRUE(!option.is_flag() || option.choices.empty()) << command.name << " --" << option.name;
    }
}

TEST(KnownWords, EveryExampleIsACommandLineOfOurs) {
  for (const CommandRow& command : command_rows())
    for (const std::string example : command.examples) {
      // What stands before "fabricheck" is mpirun's or srun's.
      std::vector<std::string> words;
      std::string word;
      for (const char c : example.substr(example.find("fabricheck ") + 11) + " ") {
        if (c == '\'') continue;
        if (c != ' ') {
          word += c;
        } else if (!word.empty()) {
          words.push_back(std::exchange(word, {}));
        }
      }
      EXPECT_NO_THROW(parse_command_line(words, known_check_ids())) << example;
    }
}

}  // namespace
}  // namespace fabricheck::app
