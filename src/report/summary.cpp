#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <chrono>
#include <cmath>
#include <map>

#include "core/text.hpp"
#include "core/units.hpp"
#include "report/cells.hpp"
#include "report/notes.hpp"
#include "report/reasons.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

SummaryRow clean(SummaryRow row) {
  for (std::string* text :
       {&row.check, &row.bytes, &row.value, &row.target, &row.p99, &row.samples, &row.last}) {
    *text = sanitise(*text);
  }
  return row;
}

SummaryRow row_of(const CheckRecord& check, const RunRecord& record) {
  const std::uint64_t samples = check.statistics.samples;
  return clean({check.verdict, name_of(check, record), bytes_cell(check), value_cell(check),
                target_cell(check), figure(check.statistics.p99), samples > 0 ? std::to_string(samples) : "-",
                last_cell(check)});
}

Checks with_verdict(const RunRecord& record, Verdict verdict) {
  Checks checks;
  for (const CheckRecord& check : record.checks) {
    if (check.verdict == verdict) checks.push_back(&check);
  }
  return checks;
}

/// Counts faults in what was found, and has no figures of a measurement.
bool counts_faults(const CheckRecord& check) { return check.metric == "faults"; }

/// Takes the checks that count faults out of `checks`.
Checks take_fault_counts(Checks& checks) {
  const auto first = std::stable_partition(checks.begin(), checks.end(),
                                           [](const CheckRecord* check) { return !counts_faults(*check); });
  Checks taken(first, checks.end());
  checks.erase(first, checks.end());
  return taken;
}

/// "1.21 to 5300" over the checks that have the figure.
template <class Figure, class Format>
std::string range(const Checks& checks, Figure figure, Format format) {
  std::optional<double> lowest, highest;
  for (const CheckRecord* check : checks) {
    const std::optional<double> value = figure(*check);
    if (!value || !std::isfinite(*value)) continue;
    lowest = std::min(lowest.value_or(*value), *value);
    highest = std::max(highest.value_or(*value), *value);
  }
  if (!lowest) return "-";
  const std::string low = format(*lowest);
  const std::string high = format(*highest);
  return low == high ? low : low + " to " + high;
}

/// "MPI allreduce latency, other variants" for all that name a type, a reduction or a placement behind the
/// title.
std::string folded_title(const CheckRecord& check) {
  const std::size_t comma = check.title.find(", ");
  return comma == std::string::npos ? check.title : check.title.substr(0, comma) + ", other variants";
}

SummaryRow folded_row(const Checks& checks) {
  const CheckRecord& first = *checks.front();
  const auto plain = [](double value) { return figure(value); };
  const auto samples = [](double value) { return fmt::format("{:.0f}", value); };
  const auto bytes = [](double value) { return format_bytes(static_cast<std::uint64_t>(value)); };
  const std::string value = range(checks, shown_value, plain);
  return clean({first.verdict,
                fmt::format("{}, {} ({} rows)", folded_title(first), scope_words(first), checks.size()),
                range(
                    checks,
                    [](const CheckRecord& check) -> std::optional<double> {
                      const auto size = integer_parameter(check, "bytes");
                      if (!size || *size <= 0) return std::nullopt;
                      return static_cast<double>(*size);
                    },
                    bytes),
                value == "-" ? value : value + " " + first.unit, target_cell(first),
                range(
                    checks, [](const CheckRecord& check) { return check.statistics.p99; }, plain),
                range(
                    checks,
                    [](const CheckRecord& check) -> std::optional<double> {
                      if (check.statistics.samples == 0) return std::nullopt;
                      return static_cast<double>(check.statistics.samples);
                    },
                    samples),
                ""});
}

/// One row per check, or, where that would be more than a screen, one per kind of check.
void add_rows(const Checks& checks, const RunRecord& record, bool foldable, std::vector<SummaryRow>& rows) {
  if (!foldable || checks.size() <= max_plain_rows) {
    for (const CheckRecord* check : checks) rows.push_back(row_of(*check, record));
    return;
  }
  std::vector<Checks> groups;
  std::map<std::array<std::string, 5>, std::size_t> known;
  for (const CheckRecord* check : checks) {
    // An error has no figure; what tells one from another is its reason.
    const std::array<std::string, 5> key{check->id, folded_title(*check), scope_words(*check),
                                         target_cell(*check),
                                         check->verdict == Verdict::error ? reason_kind(check->reason) : ""};
    const auto [entry, is_new] = known.emplace(key, groups.size());
    if (is_new) groups.emplace_back();
    groups[entry->second].push_back(check);
  }
  for (const Checks& group : groups) {
    rows.push_back(group.size() == 1 ? row_of(*group.front(), record) : folded_row(group));
  }
}

std::string tally(const RunRecord& record) {
  std::vector<std::string> parts;
  for (const Verdict verdict : {Verdict::fail, Verdict::error, Verdict::inconclusive, Verdict::pass,
                                Verdict::unchecked, Verdict::skipped}) {
    const std::size_t n = with_verdict(record, verdict).size();
    if (n > 0) parts.push_back(fmt::format("{} {}", n, verdict_name(verdict)));
  }
  return parts.empty() ? "no check ran" : counted(record.checks.size(), "check") + ": " + joined(parts, ", ");
}

/// Whether hosts or ranks differ in it: "vader; on n3: tcp".
bool differs(const std::string& words) {
  return words.starts_with("on ") || words.find("; on ") != std::string::npos;
}

/// "ob1 over vader inside nodes, tcp between nodes"; "ob1: inside nodes (on n1: tcp; on n2: vader), tcp
/// between nodes" where they differ.
std::string mpi_transport(const std::map<std::string, std::string>& mpi) {
  std::vector<std::string> paths;
  bool is_mixed = false;
  const auto add = [&](const char* key, const char* place) {
    const auto found = mpi.find(key);
    if (found == mpi.end() || found->second == "unknown") return;
    is_mixed = is_mixed || differs(found->second);
    paths.push_back(differs(found->second) ? fmt::format("{} ({})", place, found->second)
                                           : fmt::format("{} {}", found->second, place));
  };
  add("transport_inside_node", "inside nodes");
  add("transport_between_nodes", "between nodes");
  const auto pml = mpi.find("pml");
  const bool known = pml != mpi.end() && pml->second != "unknown";
  if (!known) return joined(paths, ", ");
  if (paths.empty()) return pml->second;
  const char* between = differs(pml->second) ? "; " : is_mixed ? ": " : " over ";
  return pml->second + between + joined(paths, ", ");
}

std::vector<std::string> facts_of(const RunRecord& record) {
  const WorldInfo& world = record.world;
  std::vector<std::string> facts;
  facts.push_back(fmt::format("{}; exit status {}", tally(record), record.exit_status));
  std::string where =
      fmt::format("{} on {}", counted(static_cast<std::size_t>(std::max(world.ranks, 0)), "rank"),
                  counted(static_cast<std::size_t>(std::max(world.nodes, 0)), "node"));
  if (!world.hosts.empty()) where += ": " + some_of(world.hosts, 6);
  if (!world.launcher.empty()) where += "; launched by " + world.launcher;
  for (const auto& [key, value] : world.mpi) {
    if (key == "library" || key == "transport") where += fmt::format("; {} {}", key, value);
  }
  const std::string transport = mpi_transport(world.mpi);
  if (!transport.empty()) where += "; " + transport;
  facts.push_back(where);
  const bool timed = std::isfinite(record.duration_s) && record.duration_s > 0 && record.duration_s < 1e9;
  const std::string duration =
      timed ? format_duration(std::chrono::nanoseconds(static_cast<std::int64_t>(record.duration_s * 1e9)))
            : "-";
  facts.push_back(fmt::format("started {}, duration {}; fabricheck {}{}",
                              record.started.empty() ? "-" : record.started, duration, record.tool.version,
                              record.tool.git.empty() ? "" : " (" + record.tool.git + ")"));
  for (std::string& fact : facts) fact = sanitise(fact);
  return facts;
}

SummaryFinding finding_of(const Finding& finding) {
  SummaryFinding out;
  out.severity = finding.severity;
  const std::string part = component_words(finding.component);
  out.title =
      sanitise(finding.meaning.starts_with(part + " ") ? finding.meaning : part + ": " + finding.meaning);
  const auto detail = [&out](const char* label, const std::string& text) {
    if (!text.empty()) out.details.emplace_back(label, sanitise(text));
  };
  detail("do", finding.advice);
  detail("confirm", finding.confirm);
  constexpr std::size_t most_evidence = 3;
  for (std::size_t i = 0; i < finding.evidence.size() && i < most_evidence; ++i) {
    const Evidence& evidence = finding.evidence[i];
    std::string source = evidence.file;
    if (!source.empty() && evidence.line > 0) source += ":" + std::to_string(evidence.line);
    detail("evidence", source.empty() ? evidence.text : source + ": " + evidence.text);
  }
  if (finding.evidence.size() > most_evidence) {
    detail("evidence", fmt::format("and {} more in result.json", finding.evidence.size() - most_evidence));
  }
  detail("explains", some_of(finding.explains, 6));
  detail("follows from", finding.caused_by.value_or(""));
  detail("confidence", finding.confidence);
  return out;
}

/// Only what this report shows is explained.
std::string legend_of(const RunRecord& record) {
  std::string legend =
      "median: from the common start on synchronised clocks to the last rank's end, with its 95% interval";
  if (!with_verdict(record, Verdict::inconclusive).empty()) {
    legend += "; INCONCLUSIVE: the interval that the verdict rests on spans the target";
  }
  const bool has_gpu = std::any_of(record.checks.begin(), record.checks.end(), [](const CheckRecord& check) {
    return check.id.starts_with("nccl.") || check.id.starts_with("gpu.") || check.id.starts_with("nvlink.");
  });
  if (has_gpu)
    legend += "; on GPUs (gpu, nvlink, nccl): by the GPU's own events, the slowest rank of each iteration";
  legend += "; last rank: which ended last most often, and in how many of the samples";
  return sanitise(legend);
}

/// An interrupted run has one for each check that it did not reach: in a report their number and the first
/// say enough.
std::vector<NotTested> shown_not_tested(const std::vector<NotTested>& all) {
  constexpr std::string_view not_reached = "the run ended before it: ";
  constexpr std::size_t most_shown = 8, shown_of_many = 3;
  const auto is_not_reached = [&](const NotTested& one) { return one.reason.starts_with(not_reached); };
  const auto count = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), is_not_reached));
  if (count <= most_shown) return all;
  std::vector<NotTested> shown;
  std::size_t seen = 0;
  for (const NotTested& one : all) {
    if (!is_not_reached(one) || ++seen <= shown_of_many) shown.push_back(one);
    if (is_not_reached(one) && seen == shown_of_many)
      shown.push_back({"run", fmt::format("it ended before {} more checks; result.json names them",
                                          count - shown_of_many)});
  }
  return shown;
}

}  // namespace

std::string component_words(const Component& component) {
  const std::string& name = component.name;
  const std::size_t length = component.kind.size();
  const bool name_has_kind =
      (name.compare(std::min(length, name.size()), 1, " ") == 0 ||
       name.compare(std::min(length, name.size()), 2, "s ") == 0) &&
      std::equal(component.kind.begin(), component.kind.end(), name.begin(), [](char one, char other) {
        return std::tolower(static_cast<unsigned char>(one)) ==
               std::tolower(static_cast<unsigned char>(other));
      });
  std::string words = name_has_kind ? name : component.kind;
  if (!name_has_kind && !name.empty()) words += " " + name;
  if (!component.host.empty() && component.host != name) words += " on " + component.host;
  return words;
}

Summary summarise(const RunRecord& record) {
  Summary summary;
  summary.verdict = record.verdict;
  summary.headline = sanitise(record.verdict_reason.empty() ? tally(record) : record.verdict_reason);
  summary.facts = facts_of(record);
  Checks explained;
  for (const Verdict verdict : {Verdict::fail, Verdict::error, Verdict::inconclusive, Verdict::pass}) {
    Checks checks = with_verdict(record, verdict);
    for (const CheckRecord* check : take_fault_counts(checks)) {
      summary.found.push_back({verdict, sanitise(check->title), sanitise(check->reason)});
    }
    const bool foldable = verdict == Verdict::pass || verdict == Verdict::error;
    add_rows(checks, record, foldable, summary.judged);
    explained.insert(explained.end(), checks.begin(), checks.end());
  }
  const Checks unjudged = with_verdict(record, Verdict::unchecked);
  add_rows(unjudged, record, true, summary.unjudged);
  explained.insert(explained.end(), unjudged.begin(), unjudged.end());
  summary.reasons = reasons_of(explained, record);
  summary.skipped = reasons_of(with_verdict(record, Verdict::skipped), record);
  for (const Finding& finding : record.findings) summary.findings.push_back(finding_of(finding));
  summary.notes = notes_of(record);
  for (const NotTested& entry : shown_not_tested(record.not_tested)) {
    summary.not_tested.emplace_back(sanitise(entry.id), sanitise(entry.reason));
  }
  summary.legend = legend_of(record);
  return summary;
}

}  // namespace fabricheck::report
