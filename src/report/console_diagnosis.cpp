// What `diagnose` says on the terminal: the cause with its evidence and mend, then what follows from it.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "report/cells.hpp"
#include "report/report.hpp"
#include "report/screen.hpp"
#include "report/summary.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

constexpr std::size_t kMostEvidence = 3;

const char* colour_of(Severity severity) {
  return severity == Severity::info ? "36" : severity == Severity::bad ? "1;33" : "1;31";
}

std::string place_of(const Component& component) { return sanitise(component_words(component)); }

std::string source_of(const Evidence& evidence) {
  std::string source = evidence.file;
  if (!source.empty() && evidence.line > 0) source += ":" + std::to_string(evidence.line);
  return sanitise(source.empty() ? evidence.text : source + ": " + evidence.text);
}

class Diagnosed : private Screen {
 public:
  using Screen::Screen;

  std::string write(const RunRecord& record, const DiagnosisNotes& notes) {
    const char* code = record.verdict == Verdict::fail   ? "1;31"
                       : record.verdict == Verdict::pass ? "32"
                                                         : "1;33";
    hanging(std::string(verdict_name(record.verdict)), code, headline(record));
    hanging("", dim, sanitise(notes.read), 2);
    const auto& findings = record.findings;
    for (std::size_t i = 0; i < findings.size(); ++i) {
      if (findings[i].caused_by) continue;
      cause(findings[i]);
      for (const Finding& other : findings)
        if (other.caused_by && *other.caused_by == findings[i].slug) consequence(other);
    }
    orphans(findings);
    list("Seen", notes.seen);
    std::vector<std::string> missing;
    for (const NotTested& one : record.not_tested)
      if (one.id != "diagnose.input") missing.push_back(one.reason);
    list("Not seen", missing);
    list("Not read", notes.not_read);
    return take();
  }

 private:
  /// Which cause, and how many others; its meaning stands below.
  static std::string headline(const RunRecord& record) {
    std::string text;
    std::size_t others = 0;
    for (const Finding& finding : record.findings) {
      if (finding.caused_by || (record.verdict == Verdict::fail && finding.severity == Severity::info))
        continue;
      // What is only a remark is no headline.
      if (record.verdict == Verdict::pass && text.empty() && !finding.slug.starts_with("healthy")) continue;
      if (text.empty())
        text = finding.slug + " (" + place_of(finding.component) + ")";
      else
        ++others;
    }
    if (text.empty() || record.verdict == Verdict::inconclusive) return sanitise(record.verdict_reason);
    if (others > 0) text += fmt::format(", and {} other finding{}", others, others == 1 ? "" : "s");
    return sanitise(text);
  }

  void cause(const Finding& finding) {
    out() += '\n';
    hanging(severity_name(finding.severity), colour_of(finding.severity),
            paint(bold, sanitise(finding.slug)) + "  (" + place_of(finding.component) + ")");
    hanging("means:", "", sanitise(finding.meaning), 2);
    for (std::size_t i = 0; i < finding.evidence.size() && i < kMostEvidence; ++i)
      hanging("evidence:", "", source_of(finding.evidence[i]), 2);
    if (finding.evidence.size() > kMostEvidence)
      hanging("evidence:", "",
              "and " + std::to_string(finding.evidence.size() - kMostEvidence) + " more lines", 2);
    if (!finding.advice.empty()) hanging("do:", bold, sanitise(finding.advice), 2);
    if (!finding.confirm.empty()) hanging("confirm:", "", sanitise(finding.confirm), 2);
    hanging("sure:", "", sanitise(finding.confidence), 2);
  }

  void consequence(const Finding& finding) {
    hanging("->", dim, "from this follows " + sanitise(finding.slug) + ": " + sanitise(finding.meaning), 2);
    if (!finding.evidence.empty()) hanging("evidence:", "", source_of(finding.evidence.front()), 5);
  }

  /// Those whose cause is itself the consequence of another.
  void orphans(const std::vector<Finding>& findings) {
    for (const Finding& finding : findings) {
      if (!finding.caused_by) continue;
      for (const Finding& other : findings)
        if (other.slug == *finding.caused_by && other.caused_by) {
          consequence(finding);
          break;
        }
    }
  }

  void list(const char* title, const std::vector<std::string>& lines) {
    if (lines.empty()) return;
    heading(title);
    for (const std::string& line : lines) hanging("-", "", sanitise(line));
  }
};

}  // namespace

std::string console_diagnosis(const RunRecord& record, const DiagnosisNotes& notes,
                              const ConsoleStyle& style) {
  return Diagnosed(style).write(record, notes);
}

}  // namespace fabricheck::report
