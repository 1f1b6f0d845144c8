// One line per check, RFC 4180, numbers unrounded.
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <vector>

#include "report/report.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

std::string field(const std::string& text) {
  std::string clean = sanitise(text);
  // A spreadsheet would run a host name such as =HYPERLINK(…) as a formula.
  if (!clean.empty() && std::string_view("=+-@").find(clean.front()) != std::string_view::npos)
    clean.insert(clean.begin(), '\'');
  if (clean.find_first_of(",\"") == std::string::npos) return clean;
  std::string quoted = "\"";
  for (const char c : clean) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

/// Empty where there is no figure.
std::string field(std::optional<double> value) {
  return value && std::isfinite(*value) ? fmt::format("{}", *value) : "";
}

std::string field(const CheckRecord& check, const char* name) {
  const auto parameter = check.parameters.find(name);
  if (parameter == check.parameters.end()) return "";
  if (const auto* whole = std::get_if<std::int64_t>(&parameter->second)) return fmt::format("{}", *whole);
  if (const auto* real = std::get_if<double>(&parameter->second)) return field(std::optional(*real));
  return field(std::get<std::string>(parameter->second));
}

std::optional<double> low(const std::optional<Interval>& interval) {
  return interval ? std::optional(interval->lo) : std::nullopt;
}
std::optional<double> high(const std::optional<Interval>& interval) {
  return interval ? std::optional(interval->hi) : std::nullopt;
}

/// A count that was not taken is empty.
std::string field(std::optional<std::uint64_t> count) { return count ? fmt::format("{}", *count) : ""; }

struct Column {
  const char* name;
  std::string (*of)(const CheckRecord&);
};

// In this order; new ones come last, for some read columns by their place.
constexpr Column columns[] = {
    {"id", [](const CheckRecord& check) { return field(check.id); }},
    {"title", [](const CheckRecord& check) { return field(check.title); }},
    {"scope", [](const CheckRecord& check) { return field(check.scope); }},
    {"bytes", [](const CheckRecord& check) { return field(check, "bytes"); }},
    {"ranks_per_node", [](const CheckRecord& check) { return field(check, "ranks_per_node"); }},
    {"nodes", [](const CheckRecord& check) { return field(check, "nodes"); }},
    {"ranks", [](const CheckRecord& check) { return field(check, "ranks"); }},
    {"group", [](const CheckRecord& check) { return field(check, "group"); }},
    {"metric", [](const CheckRecord& check) { return field(check.metric); }},
    {"unit", [](const CheckRecord& check) { return field(check.unit); }},
    {"verdict", [](const CheckRecord& check) { return std::string(verdict_name(check.verdict)); }},
    {"value", [](const CheckRecord& check) { return field(check.value); }},
    {"ci95_lo", [](const CheckRecord& check) { return field(low(check.ci95)); }},
    {"ci95_hi", [](const CheckRecord& check) { return field(high(check.ci95)); }},
    {"samples", [](const CheckRecord& check) { return fmt::format("{}", check.statistics.samples); }},
    {"blocks", [](const CheckRecord& check) { return fmt::format("{}", check.statistics.blocks); }},
    {"min", [](const CheckRecord& check) { return field(check.statistics.min); }},
    {"median", [](const CheckRecord& check) { return field(check.statistics.median); }},
    {"mean", [](const CheckRecord& check) { return field(check.statistics.mean); }},
    {"p99", [](const CheckRecord& check) { return field(check.statistics.p99); }},
    {"p999", [](const CheckRecord& check) { return field(check.statistics.p999); }},
    {"max", [](const CheckRecord& check) { return field(check.statistics.max); }},
    {"osu_mean", [](const CheckRecord& check) { return field(check.statistics.osu_mean); }},
    {"barrier_median", [](const CheckRecord& check) { return field(check.statistics.barrier_median); }},
    {"clock_error", [](const CheckRecord& check) { return field(check.statistics.clock_error); }},
    {"last_rank",
     [](const CheckRecord& check) { return check.last ? fmt::format("{}", check.last->rank) : ""; }},
    {"last_host", [](const CheckRecord& check) { return check.last ? field(check.last->host) : ""; }},
    {"last_share",
     [](const CheckRecord& check) { return check.last ? field(std::optional(check.last->share)) : ""; }},
    {"target_comparison",
     [](const CheckRecord& check) { return check.target ? field(check.target->comparison) : ""; }},
    {"target_value",
     [](const CheckRecord& check) { return check.target ? field(std::optional(check.target->value)) : ""; }},
    {"target_statistic",
     [](const CheckRecord& check) { return check.target ? field(check.target->statistic) : ""; }},
    {"target_source",
     [](const CheckRecord& check) { return check.target ? field(check.target->source) : ""; }},
    {"reason", [](const CheckRecord& check) { return field(check.reason); }},
    {"participants",
     [](const CheckRecord& check) { return field(fmt::format("{}", fmt::join(check.participants, " "))); }},
    {"repeats", [](const CheckRecord& check) { return field(check.statistics.repeats); }},
    {"decision_lo", [](const CheckRecord& check) { return field(low(check.statistics.decision_interval)); }},
    {"decision_hi", [](const CheckRecord& check) { return field(high(check.statistics.decision_interval)); }},
    {"decision_confidence",
     [](const CheckRecord& check) { return field(check.statistics.decision_confidence); }},
    {"late_starts", [](const CheckRecord& check) { return fmt::format("{}", check.statistics.late_starts); }},
    {"overruns", [](const CheckRecord& check) { return fmt::format("{}", check.statistics.overruns); }},
    {"verified", [](const CheckRecord& check) { return fmt::format("{}", check.statistics.verified); }},
};

/// What `of` says of each column, as one line.
template <class Of>
std::string line(Of of) {
  std::string text;
  for (const Column& column : columns) {
    if (&column != columns) text += ',';
    text += of(column);
  }
  return text + "\r\n";
}

}  // namespace

std::string csv(const RunRecord& record) {
  std::string out = line([](const Column& column) { return std::string(column.name); });
  for (const CheckRecord& check : record.checks)
    out += line([&](const Column& column) { return column.of(check); });
  return out;
}

}  // namespace fabricheck::report
