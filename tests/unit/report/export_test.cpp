// Markdown for a ticket and CSV for a spreadsheet.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "report/report.hpp"
#include "unit/report/sample_record.hpp"

namespace fabricheck::report {
namespace {

using report_test::full_record;
using report_test::mixed_record;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// A plain RFC 4180 reader, written apart from the writer.
std::vector<std::vector<std::string>> parse_csv(const std::string& text) {
  std::vector<std::vector<std::string>> rows{{""}};
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '"' && i + 1 < text.size() && text[i + 1] == '"') {
        rows.back().back() += text[++i];
      } else if (c == '"') {
        quoted = false;
      } else {
        rows.back().back() += c;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      rows.back().emplace_back();
    } else if (c == '\r') {
      EXPECT_EQ(text[++i], '\n');
      rows.push_back({""});
    } else {
      rows.back().back() += c;
    }
  }
  EXPECT_EQ(rows.back(), std::vector<std::string>{""}) << "the last line has its end";
  rows.pop_back();
  return rows;
}

std::string field(const std::vector<std::vector<std::string>>& rows, std::size_t row,
                  const std::string& name) {
  const auto at = std::find(rows[0].begin(), rows[0].end(), name);
  if (at == rows[0].end()) return "no column " + name;
  return rows[row].at(static_cast<std::size_t>(at - rows[0].begin()));
}

TEST(Csv, OneLinePerCheckWithAllItsFields) {
  RunRecord record = full_record();
  record.checks[0].reason = "says \"no\", twice";
  record.checks[0].value = 0.1 + 0.2;
  Statistics& statistics = record.checks[0].statistics;
  statistics.repeats = 16;
  statistics.decision_interval = {5.9, 6.5};
  statistics.decision_confidence = 0.999;
  statistics.late_starts = 7;
  statistics.overruns = 8;
  statistics.verified = 9;
  const auto rows = parse_csv(csv(record));
  ASSERT_EQ(rows.size(), 2u);
  ASSERT_EQ(rows[1].size(), rows[0].size());
  EXPECT_EQ(field(rows, 1, "id"), "mpi.allreduce.latency");
  EXPECT_EQ(field(rows, 1, "bytes"), "8");
  EXPECT_EQ(field(rows, 1, "nodes"), "");
  EXPECT_EQ(std::stod(field(rows, 1, "value")), 0.1 + 0.2);
  EXPECT_EQ(field(rows, 1, "ci95_hi"), "6.3");
  EXPECT_EQ(field(rows, 1, "samples"), "12000");
  EXPECT_EQ(field(rows, 1, "verdict"), "FAIL");
  EXPECT_EQ(field(rows, 1, "last_host"), "n2");
  EXPECT_EQ(field(rows, 1, "target_comparison"), "<");
  EXPECT_EQ(field(rows, 1, "target_value"), "5");
  EXPECT_EQ(field(rows, 1, "reason"), "says \"no\", twice");
  EXPECT_EQ(field(rows, 1, "participants"), "n1 n2");
  EXPECT_EQ(field(rows, 1, "repeats"), "16");
  EXPECT_EQ(field(rows, 1, "decision_lo"), "5.9");
  EXPECT_EQ(field(rows, 1, "decision_hi"), "6.5");
  EXPECT_EQ(field(rows, 1, "decision_confidence"), "0.999");
  EXPECT_EQ(field(rows, 1, "late_starts"), "7");
  EXPECT_EQ(field(rows, 1, "overruns"), "8");
  EXPECT_EQ(field(rows, 1, "verified"), "9");
}

TEST(Csv, EveryRowHasEveryColumn) {
  RunRecord record = mixed_record();
  record.checks.emplace_back();
  const auto rows = parse_csv(csv(record));
  ASSERT_EQ(rows.size(), record.checks.size() + 1);
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
  EXPECT_EQ(field(rows, rows.size() - 1, "value"), "") << "missing is empty, not 0";
}

TEST(Csv, ALineBreakInTheTextIsNoSecondLineAndAFormulaIsText) {
  RunRecord record = full_record();
  record.checks[0].reason = "first\r\nsecond";
  record.checks[0].last->host = "=HYPERLINK(\"http://x\")";
  const auto rows = parse_csv(csv(record));
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(field(rows, 1, "reason"), "first  second");
  EXPECT_EQ(field(rows, 1, "last_host"), "'=HYPERLINK(\"http://x\")");
}

/// Cells of a Markdown table row: split at bars that are not escaped.
std::size_t cells_of(const std::string& line) {
  std::size_t bars = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '\\') {
      ++i;
    } else if (line[i] == '|') {
      ++bars;
    }
  }
  return bars - 1;
}

TEST(Markdown, SaysWhatTheConsoleSays) {
  const std::string text = markdown(mixed_record());
  EXPECT_THAT(text, StartsWith("# fabricheck: FAIL\n\n1 of 4 targets missed\n"));
  EXPECT_THAT(
      text,
      HasSubstr("| **FAIL** | MPI allreduce latency, between nodes | 8 B | 6.12 \\[6.00, 6.30\\] us |"));
  EXPECT_THAT(
      text, HasSubstr("- **ERROR** MPI alltoall latency, 8 B, between nodes: rank 2 on n2: out of memory\n"));
  EXPECT_THAT(text, HasSubstr("- **bad** nic mlx5\\_3 on n2: port 1 runs at 100 of 400 Gb/s\n"));
  EXPECT_THAT(text, HasSubstr("  - do: reseat or replace the cable of mlx5\\_3\n"));
  EXPECT_THAT(text, AllOf(HasSubstr("## Measured, no target\n"), HasSubstr("## Notes\n"),
                          HasSubstr("## Not tested\n")));
  EXPECT_THAT(text, HasSubstr("- verbs.write.latency: no RDMA device on n1\n"));
  EXPECT_LT(text.find("**FAIL**"), text.find("**PASS**"));
}

TEST(Markdown, TextFromOutsideBreaksNoTableAndIsNoMarkup) {
  RunRecord record = mixed_record();
  record.checks[5].title = "a | b\n| c | <img src=x> [x](http://evil) `code` &lt; \\|";
  const std::string text = markdown(record);
  std::size_t rows = 0;
  std::istringstream in(text);
  std::size_t cells = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] != '|') {
      cells = 0;
      continue;
    }
    if (cells == 0) cells = cells_of(line);
    EXPECT_EQ(cells_of(line), cells) << line;
    ++rows;
  }
  EXPECT_GE(rows, 9u);
  EXPECT_EQ(text.find("<img"), std::string::npos);
  EXPECT_EQ(text.find("[x]("), std::string::npos);
  EXPECT_THAT(text, HasSubstr("&lt;img src=x\\> \\[x\\](http://evil) \\`code\\` &amp;lt; \\\\\\|"));
}

}  // namespace
}  // namespace fabricheck::report
