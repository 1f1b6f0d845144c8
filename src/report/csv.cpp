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

std::vector<std::string> fields(const CheckRecord& check) {
  const Statistics& statistics = check.statistics;
  std::vector<std::string> out{
      field(check.id),
      field(check.title),
      field(check.scope),
      field(check, "bytes"),
      field(check, "ranks_per_node"),
      field(check, "nodes"),
      field(check, "ranks"),
      field(check, "group"),
      field(check.metric),
      field(check.unit),
      std::string(verdict_name(check.verdict)),
      field(check.value),
      field(low(check.ci95)),
      field(high(check.ci95)),
      fmt::format("{}", statistics.samples),
      fmt::format("{}", statistics.blocks),
      field(statistics.min),
      field(statistics.median),
      field(statistics.mean),
      field(statistics.p99),
      field(statistics.p999),
      field(statistics.max),
      field(statistics.osu_mean),
      field(statistics.barrier_median),
      field(statistics.clock_error),
      check.last ? fmt::format("{}", check.last->rank) : "",
      check.last ? field(check.last->host) : "",
      check.last ? field(std::optional(check.last->share)) : "",
      check.target ? field(check.target->comparison) : "",
      check.target ? field(std::optional(check.target->value)) : "",
      check.target ? field(check.target->statistic) : "",
      check.target ? field(check.target->source) : "",
      field(check.reason),
      field(fmt::format("{}", fmt::join(check.participants, " "))),
  };
  return out;
}

}  // namespace

std::string csv(const RunRecord& record) {
  std::string out =
      "id,title,scope,bytes,ranks_per_node,nodes,ranks,group,metric,unit,verdict,value,ci95_lo,ci95_hi,"
      "samples,blocks,"
      "min,median,mean,p99,p999,max,osu_mean,barrier_median,clock_error,last_rank,last_host,last_share,"
      "target_comparison,target_value,target_statistic,target_source,reason,participants\r\n";
  for (const CheckRecord& check : record.checks) out += fmt::format("{}\r\n", fmt::join(fields(check), ","));
  return out;
}

}  // namespace fabricheck::report
