// The report on the terminal.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "report/report.hpp"
#include "report/screen.hpp"
#include "report/summary.hpp"
#include "report/table.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

const char* colour_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::fail:
      return "1;31";
    case Verdict::error:
      return "1;35";
    case Verdict::inconclusive:
      return "1;33";
    case Verdict::pass:
      return "32";
    case Verdict::skipped:
    case Verdict::unchecked:
      return dim;
  }
  return dim;
}

const char* colour_of(Severity severity) {
  return severity == Severity::info ? "36" : severity == Severity::bad ? "1;33" : "1;31";
}

class ConsoleReport : private Screen {
 public:
  using Screen::Screen;

  std::string write(const Summary& summary) {
    hanging(std::string(verdict_name(summary.verdict)), colour_of(summary.verdict), summary.headline);
    for (const std::string& fact : summary.facts) hanging("", dim, fact, 2);
    found(summary.found);
    measurements("Targets", summary.judged, true);
    reasons(summary.reasons);
    findings(summary.findings);
    measurements("Measured, no target", summary.unjudged, false);
    if (!summary.notes.empty()) {
      heading("Notes");
      for (const std::string& note : summary.notes) hanging("-", "", note);
    }
    if (!summary.skipped.empty() || !summary.not_tested.empty()) {
      heading("Not tested");
      for (const SummaryReason& skipped : summary.skipped)
        hanging("-", "", skipped.checks + ": " + skipped.reason);
      for (const auto& entry : summary.not_tested) hanging("-", "", entry.first + ": " + entry.second);
    }
    heading("How to read it");
    hanging("", "", summary.legend, 2);
    return take();
  }

  std::string write_verdicts(const Summary& summary) {
    hanging(std::string(verdict_name(summary.verdict)), colour_of(summary.verdict), summary.headline);
    found(summary.found);
    findings(summary.findings);
    for (const auto& entry : summary.not_tested) hanging("-", "", entry.first + ": " + entry.second);
    return take();
  }

 private:
  /// One line per row where the width allows it; else the check above its figures.
  void measurements(const char* title, const std::vector<SummaryRow>& rows, bool judged) {
    if (rows.empty()) return;
    heading(title);
    std::vector<TableColumn> columns{{"bytes", true, 0}, {"median [95% interval]", false, 0}};
    if (judged) columns.push_back({"target", false, 0});
    columns.insert(columns.end(), {{"p99", true, 0}, {"n", true, 0}, {"last rank", false, 16}});
    std::vector<TableRow> figures;
    for (const SummaryRow& row : rows) {
      figures.push_back({"", {row.bytes, row.value}});
      if (judged) figures.back().cells.push_back(row.target);
      figures.back().cells.insert(figures.back().cells.end(), {row.p99, row.samples, row.last});
    }
    if (const auto table = wide(columns, figures, rows, judged)) {
      out() += *table;
    } else {
      out() += stacked(std::move(columns), std::move(figures), rows, judged);
    }
  }

  std::optional<std::string> wide(std::vector<TableColumn> columns, std::vector<TableRow> figures,
                                  const std::vector<SummaryRow>& rows, bool judged) const {
    columns.insert(columns.begin(), {"check", false, 24});
    if (judged) columns.insert(columns.begin(), {"verdict", false, 0});
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::vector<std::string>& cells = figures[i].cells;
      cells.insert(cells.begin(), rows[i].check);
      if (judged) cells.insert(cells.begin(), std::string(verdict_name(rows[i].verdict)));
    }
    return render_table(columns, figures, width(), 0, [&](int row, int column, const std::string& text) {
      if (row < 0) return paint(dim, text);
      return judged && column == 0 ? paint(colour_of(rows[static_cast<std::size_t>(row)].verdict), text)
                                   : text;
    });
  }

  std::string stacked(std::vector<TableColumn> columns, std::vector<TableRow> figures,
                      const std::vector<SummaryRow>& rows, bool judged) const {
    constexpr std::size_t narrowest = 7;
    for (TableColumn& column : columns) column.narrowest = narrowest;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      // Several rows of one check share its line.
      const bool repeats =
          i > 0 && rows[i].check == rows[i - 1].check && rows[i].verdict == rows[i - 1].verdict;
      if (repeats) continue;
      figures[i].lead =
          judged ? fmt::format("{}  {}", verdict_name(rows[i].verdict), rows[i].check) : rows[i].check;
    }
    const auto painted = [&](int row, int column, const std::string& text) {
      if (row < 0) return paint(dim, text);
      const std::string name(verdict_name(rows[static_cast<std::size_t>(row)].verdict));
      if (!judged || column >= 0 || text.compare(0, name.size(), name) != 0) return text;
      return paint(colour_of(rows[static_cast<std::size_t>(row)].verdict), name) + text.substr(name.size());
    };
    return render_table(columns, figures, width(), 4, painted).value_or("");
  }

  void found(const std::vector<SummaryReason>& found) {
    if (found.empty()) return;
    heading("What is there");
    for (const SummaryReason& one : found) {
      hanging(std::string(verdict_name(one.verdict)), colour_of(one.verdict),
              one.checks + (one.reason.empty() ? "" : ": " + one.reason));
    }
  }

  void reasons(const std::vector<SummaryReason>& reasons) {
    if (reasons.empty()) return;
    out() += '\n';
    for (const SummaryReason& reason : reasons) {
      hanging(std::string(verdict_name(reason.verdict)), colour_of(reason.verdict),
              reason.checks + ": " + reason.reason);
    }
  }

  void findings(const std::vector<SummaryFinding>& findings) {
    if (findings.empty()) return;
    heading("Findings");
    for (const SummaryFinding& finding : findings) {
      hanging(severity_name(finding.severity), colour_of(finding.severity), finding.title);
      for (const auto& detail : finding.details) hanging(detail.first + ":", dim, detail.second, 4);
    }
  }
};

}  // namespace

std::string console(const RunRecord& record, const ConsoleStyle& style) {
  return ConsoleReport(style).write(summarise(record));
}

std::string console_verdicts(const RunRecord& record, const ConsoleStyle& style) {
  return ConsoleReport(style).write_verdicts(summarise(record));
}

}  // namespace fabricheck::report
