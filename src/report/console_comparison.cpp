// What `compare` prints.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/text.hpp"
#include "core/units.hpp"
#include "report/cells.hpp"
#include "report/report.hpp"
#include "report/screen.hpp"
#include "report/table.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

constexpr std::size_t most_names = 4;

const char* colour_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::worse:
      return "1;31";
    case Outcome::better:
      return "32";
    case Outcome::incomparable:
      return "1;33";
    case Outcome::unchanged:
      return dim;
  }
  return dim;
}

class ComparisonReport : private Screen {
 public:
  ComparisonReport(const RunComparison& comparison, const RunRecord& before, const RunRecord& after,
                   const ConsoleStyle& style)
      : Screen(style), comparison_(comparison), before_(before), after_(after) {}

  std::string write(const std::pair<std::string, std::string>& names) {
    const bool decided = comparison_.count(Outcome::incomparable) < comparison_.checks.size();
    hanging("",
            colour_of(comparison_.count(Outcome::worse) > 0 ? Outcome::worse
                      : decided                             ? Outcome::better
                                                            : Outcome::incomparable),
            sanitise(comparison_headline(comparison_)));
    hanging("", dim, run_text("OLD", names.first, before_), 2);
    hanging("", dim, run_text("NEW", names.second, after_), 2);

    heading("What changed besides the figures");
    if (comparison_.differences.empty()) hanging("-", "", "nothing that is recorded");
    for (const Difference& difference : comparison_.differences) {
      const char* note = difference.nature == Nature::hardware ? "hardware: " : "";
      hanging("-", "", sanitise(note + difference_text(difference)));
    }
    table("Worse", Outcome::worse);
    explanations(Outcome::worse);
    table("Better", Outcome::better);
    explanations(Outcome::better);
    incomparable();
    unchanged();
    if (decided) {
      heading("How to read it");
      hanging("", "",
              fmt::format("change: NEW against OLD with its interval; all intervals together hold with {} % "
                          "confidence as far as each run's own noise tells; worse or better: the whole "
                          "interval lies beyond {} %; unchanged: all of it lies within",
                          number(100.0 * (1.0 - comparison_.policy.alpha)), tolerance()),
              2);
    }
    return take();
  }

 private:
  std::string tolerance() const { return number(comparison_.policy.tolerance_percent); }

  static std::string run_text(const char* which, const std::string& name, const RunRecord& record) {
    const WorldInfo& world = record.world;
    std::string text =
        fmt::format("{} {}: started {}, {} on {}", which, name, record.started.empty() ? "-" : record.started,
                    counted(static_cast<std::size_t>(std::max(world.ranks, 0)), "rank"),
                    counted(static_cast<std::size_t>(std::max(world.nodes, 0)), "node"));
    if (!world.hosts.empty()) text += ": " + some_of(world.hosts, 6);
    return sanitise(text);
  }

  std::vector<const ComparedCheck*> with(Outcome outcome) const {
    std::vector<const ComparedCheck*> checks;
    for (const ComparedCheck& one : comparison_.checks)
      if (one.outcome == outcome) checks.push_back(&one);
    return checks;
  }

  std::string name(const ComparedCheck& one) const {
    return sanitise(full_name(one.shown(), one.after ? after_ : before_));
  }

  std::string hosts_cell(const ComparedCheck& one) const {
    const std::vector<std::string>& hosts = one.after->participants;
    std::string text = hosts.size() > 1 && hosts.size() == after_.world.hosts.size()
                           ? fmt::format("all {}", hosts.size())
                           : some_of(hosts, 4);
    if (one.before->participants != hosts && !one.before->participants.empty())
      text += fmt::format(" (OLD: {})", some_of(one.before->participants, 4));
    return text;
  }

  static std::string side_cell(const ComparedCheck& one, const CheckRecord& check) {
    return one.change ? value_text(check) : std::string(verdict_name(check.verdict));
  }

  void table(const char* title, Outcome outcome) {
    const std::vector<const ComparedCheck*> checks = with(outcome);
    if (checks.empty()) return;
    heading(title);
    std::vector<TableColumn> columns{{"check", false, 24}, {"bytes", true, 0},  {"old", true, 0},
                                     {"new", true, 0},     {"change", true, 0}, {"[interval] %", false, 0},
                                     {"hosts", false, 10}};
    std::vector<TableRow> rows;
    rows.reserve(checks.size());
    for (const ComparedCheck* one : checks) {
      rows.push_back({"",
                      {name_of(*one->after, after_), bytes_cell(*one->after), side_cell(*one, *one->before),
                       side_cell(*one, *one->after), one->change ? change_text(*one) : "-",
                       change_interval_text(*one), hosts_cell(*one)}});
      for (std::string& cell : rows.back().cells) cell = sanitise(cell);
    }
    const auto painted = [&](int row, int column, const std::string& text) {
      return row < 0 ? paint(dim, text) : column == 4 ? paint(colour_of(outcome), text) : text;
    };
    if (const auto fits = render_table(columns, rows, width(), 0, painted)) {
      out() += *fits;
      return;
    }
    // The check above its figures.
    columns.erase(columns.begin());
    for (TableColumn& column : columns) column.narrowest = 7;
    for (TableRow& row : rows) {
      row.lead = row.cells.front();
      row.cells.erase(row.cells.begin());
    }
    out() += render_table(columns, rows, width(), 4, [&](int row, int, const std::string& text) {
               return row < 0 ? paint(dim, text) : text;
             }).value_or("");
  }

  static std::string some(const std::vector<std::string>& names) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < most_names; ++i) text += (i > 0 ? "; " : "") + names[i];
    if (names.size() > most_names) text += fmt::format("; and {} more", names.size() - most_names);
    return text;
  }

  /// Under the table: what is true of several checks is said once.
  void explanations(Outcome outcome) {
    std::vector<std::pair<std::string, std::vector<std::string>>> grouped;
    for (const ComparedCheck* one : with(outcome)) {
      std::vector<std::string> parts;
      for (const std::string& part : {one->reason, one->detail, meanwhile_text(comparison_, *one)})
        if (!part.empty()) parts.push_back(sanitise(part));
      if (parts.empty()) continue;
      const std::string text = joined(parts, "; ");
      const auto known = std::find_if(grouped.begin(), grouped.end(),
                                      [&](const auto& group) { return group.first == text; });
      if (known == grouped.end()) {
        grouped.push_back({text, {name(*one)}});
      } else {
        known->second.push_back(name(*one));
      }
    }
    const std::size_t all = comparison_.count(outcome);
    for (const auto& [text, names] : grouped)
      hanging("-", "", (names.size() == all && all > 1 ? "all of them" : some(names)) + ": " + text);
  }

  void incomparable() {
    const std::vector<const ComparedCheck*> checks = with(Outcome::incomparable);
    if (checks.empty()) return;
    heading("Not comparable");
    std::vector<std::pair<std::string, std::vector<std::string>>> grouped;
    for (const ComparedCheck* one : checks) {
      std::string text = name(*one);
      if (!one->detail.empty()) text += " (" + sanitise(one->detail) + ")";
      const auto known = std::find_if(grouped.begin(), grouped.end(),
                                      [&](const auto& group) { return group.first == one->reason; });
      if (known == grouped.end()) {
        grouped.push_back({one->reason, {text}});
      } else {
        known->second.push_back(text);
      }
    }
    std::stable_sort(grouped.begin(), grouped.end(),
                     [](const auto& a, const auto& b) { return a.second.size() > b.second.size(); });
    for (const auto& [reason, names] : grouped)
      hanging("-", "", fmt::format("{} ({}): {}", sanitise(reason), names.size(), some(names)));
  }

  void unchanged() {
    const std::vector<const ComparedCheck*> checks = with(Outcome::unchanged);
    if (checks.empty()) return;
    heading("Unchanged");
    std::vector<std::pair<std::string, std::size_t>> titles;
    for (const ComparedCheck* one : checks) {
      const auto known = std::find_if(titles.begin(), titles.end(),
                                      [&](const auto& title) { return title.first == one->after->title; });
      if (known == titles.end()) {
        titles.emplace_back(one->after->title, 1);
      } else {
        ++known->second;
      }
    }
    std::vector<std::string> parts;
    parts.reserve(titles.size());
    for (const auto& [title, n] : titles)
      parts.push_back(n == 1 ? sanitise(title) : fmt::format("{} ({})", sanitise(title), n));
    hanging("", "", joined(parts, ", "), 2);
  }

  const RunComparison& comparison_;
  const RunRecord &before_, &after_;
};

}  // namespace

std::string console_comparison(const RunComparison& comparison, const RunRecord& before,
                               const RunRecord& after, const std::pair<std::string, std::string>& names,
                               const ConsoleStyle& style) {
  return ComparisonReport(comparison, before, after, style).write(names);
}

}  // namespace fabricheck::report
