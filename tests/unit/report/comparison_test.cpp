// What compare prints.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "report/report.hpp"
#include "report/text.hpp"
#include "unit/report/sample_record.hpp"

namespace fabricheck::report {
namespace {

using report_test::latency_check;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

RunRecord run(std::vector<CheckRecord> checks) {
  RunRecord record;
  record.started = "2026-07-04T12:00:00Z";
  record.world = {4, 2, "mpirun", {"n1", "n2"}, {{"library", "Open MPI 4.1.4"}}};
  record.checks = std::move(checks);
  return record;
}

CheckRecord sharp(const std::string& operation, double value) {
  CheckRecord check = latency_check(operation, Verdict::unchecked, value);
  check.ci95 = Interval{value * 0.999, value * 1.001};
  check.statistics.clock_error = 0.0;
  check.statistics.repeats = check.statistics.blocks;
  return check;
}

std::string compared(const RunRecord& before, const RunRecord& after, bool colour = false) {
  return console_comparison(compare_runs(before, after), before, after, {"old/result.json", "new"},
                            {colour, 100});
}

std::string flat(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string word; in >> word;) out += (out.empty() ? "" : " ") + word;
  return out;
}

RunRecord before() {
  return run({sharp("bcast", 2.0), sharp("allreduce", 3.0), sharp("reduce", 4.0), sharp("barrier", 1.0)});
}
RunRecord after() {
  RunRecord record =
      run({sharp("bcast", 2.0), sharp("allreduce", 3.6), sharp("reduce", 3.0), sharp("gather", 1.0)});
  record.world.mpi["library"] = "Open MPI 5.0.3";
  return record;
}

TEST(ConsoleComparison, SummaryThenWhatChangedThenWorseBetterNotComparableUnchanged) {
  const std::string text = compared(before(), after());
  EXPECT_THAT(text, StartsWith("1 worse, 1 better, 1 unchanged, 2 not comparable\n"));
  std::size_t at = 0;
  for (const char* heading : {"\nWhat changed besides the figures\n", "\nWorse\n", "\nBetter\n",
                              "\nNot comparable\n", "\nUnchanged\n"}) {
    const std::size_t found = text.find(heading, at);
    ASSERT_NE(found, std::string::npos) << heading << " in\n" << text;
    at = found;
  }
}

TEST(ConsoleComparison, AWorseCheckShowsBothFiguresTheChangeItsIntervalAndWhatElseChanged) {
  const std::string text = flat(compared(before(), after()));
  EXPECT_THAT(text, HasSubstr("- MPI library Open MPI 4.1.4 -> Open MPI 5.0.3 "));
  EXPECT_THAT(text, HasSubstr("3.00 us 3.60 us +20.0 % [+19."));
  EXPECT_THAT(text, HasSubstr("all 2"));
  EXPECT_THAT(text, HasSubstr("MPI allreduce latency, 8 B, between nodes: not explained away: MPI library "
                              "(Open MPI 4.1.4 -> Open MPI 5.0.3) changed too"));
  EXPECT_THAT(text, HasSubstr("only in OLD (1): MPI barrier latency"));
  EXPECT_THAT(text, HasSubstr("only in NEW (1): MPI gather latency"));
}

TEST(ConsoleComparison, FitsTheTerminalAndCannotBeSteeredByAFile) {
  RunRecord evil = after();
  evil.world.hosts[0] = "n1\x1b[2J";
  evil.world.mpi["library"] = std::string(300, 'x') + "\n\x1b]0;";
  evil.checks[1].title = std::string(300, 'y') + "\x1b[31m";
  evil.checks[1].participants = {std::string(200, 'h'), "\x1b[5m"};
  const std::string text = compared(before(), evil);
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) EXPECT_LE(text_width(line), 100u) << line;
}

TEST(ConsoleComparison, SaysWhenNothingChangedAndWhenNothingCouldBeCompared) {
  EXPECT_THAT(compared(before(), before()),
              AllOf(StartsWith("0 worse, 0 better, 4 unchanged, 0 not comparable\n"),
                    HasSubstr("- nothing that is recorded\n"), Not(HasSubstr("\nWorse\n"))));
  EXPECT_THAT(compared(before(), run({})),
              StartsWith("nothing could be compared: 4 of 4 checks: only in OLD\n"));
}

TEST(ConsoleComparison, ColoursOnlyWhenAsked) {
  EXPECT_NE(compared(before(), after(), true).find("\x1b[1;31m"), std::string::npos);
  EXPECT_EQ(compared(before(), after(), false).find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace fabricheck::report
