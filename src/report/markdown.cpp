// The report for a ticket.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "report/report.hpp"
#include "report/summary.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

/// Text that Markdown neither formats nor takes for a link, HTML or the end of a table cell.
std::string escape(std::string_view text) {
  std::string out;
  for (const char c : sanitise(text)) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      if (std::string_view("\\|`*_[]>#~").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

void add_row(std::string& out, const std::vector<std::string>& cells) {
  out += '|';
  for (const std::string& cell : cells) out += " " + cell + " |";
  out += '\n';
}

void add_measurements(std::string& out, const char* title, const std::vector<SummaryRow>& rows, bool judged) {
  if (rows.empty()) return;
  out += fmt::format("\n## {}\n\n", title);
  std::vector<std::string> headings{"check", "bytes", "median [95% interval]"};
  std::vector<std::string> rules{"---", "---:", "---"};
  if (judged) {
    headings.insert(headings.begin(), "verdict");
    headings.push_back("target");
    rules.insert(rules.begin(), "---");
    rules.push_back("---");
  }
  headings.insert(headings.end(), {"p99", "n", "last rank"});
  rules.insert(rules.end(), {"---:", "---:", "---"});
  headings[judged ? 3 : 2] = escape(headings[judged ? 3 : 2]);
  add_row(out, headings);
  add_row(out, rules);
  for (const SummaryRow& row : rows) {
    std::vector<std::string> cells;
    if (judged) cells.push_back(fmt::format("**{}**", verdict_name(row.verdict)));
    cells.insert(cells.end(), {escape(row.check), escape(row.bytes), escape(row.value)});
    if (judged) cells.push_back(escape(row.target));
    cells.insert(cells.end(), {escape(row.p99), escape(row.samples), escape(row.last)});
    add_row(out, cells);
  }
}

}  // namespace

std::string markdown(const RunRecord& record) {
  const Summary summary = summarise(record);
  std::string out =
      fmt::format("# fabricheck: {}\n\n{}\n\n", verdict_name(summary.verdict), escape(summary.headline));
  for (const std::string& fact : summary.facts) out += fmt::format("- {}\n", escape(fact));
  if (!record.command.empty()) {
    out += fmt::format("- command: {}\n", escape(fmt::format("{}", fmt::join(record.command, " "))));
  }
  if (!summary.found.empty()) out += "\n## What is there\n\n";
  for (const SummaryReason& one : summary.found) {
    out += fmt::format("- **{}** {}{}{}\n", verdict_name(one.verdict), escape(one.checks),
                       one.reason.empty() ? "" : ": ", escape(one.reason));
  }
  add_measurements(out, "Targets", summary.judged, true);
  if (!summary.reasons.empty()) out += '\n';
  for (const SummaryReason& reason : summary.reasons) {
    out += fmt::format("- **{}** {}: {}\n", verdict_name(reason.verdict), escape(reason.checks),
                       escape(reason.reason));
  }
  if (!summary.findings.empty()) out += "\n## Findings\n\n";
  for (const SummaryFinding& finding : summary.findings) {
    out += fmt::format("- **{}** {}\n", severity_name(finding.severity), escape(finding.title));
    for (const auto& detail : finding.details) {
      out += fmt::format("  - {}: {}\n", detail.first, escape(detail.second));
    }
  }
  add_measurements(out, "Measured, no target", summary.unjudged, false);
  if (!summary.notes.empty()) out += "\n## Notes\n\n";
  for (const std::string& note : summary.notes) out += fmt::format("- {}\n", escape(note));
  if (!summary.skipped.empty() || !summary.not_tested.empty()) out += "\n## Not tested\n\n";
  for (const SummaryReason& skipped : summary.skipped) {
    out += fmt::format("- {}: {}\n", escape(skipped.checks), escape(skipped.reason));
  }
  for (const auto& entry : summary.not_tested) {
    out += fmt::format("- {}: {}\n", escape(entry.first), escape(entry.second));
  }
  out += fmt::format("\n## How to read it\n\n{}\n", escape(summary.legend));
  return out;
}

}  // namespace fabricheck::report
