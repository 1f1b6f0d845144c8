#include "report/summary.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <map>

#include "core/units.hpp"
#include "report/cells.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

std::string counted(std::size_t n, const char* noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

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

using Checks = std::vector<const CheckRecord*>;

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
  std::map<std::array<std::string, 4>, std::size_t> known;
  for (const CheckRecord* check : checks) {
    const std::array<std::string, 4> key{check->id, folded_title(*check), scope_words(*check),
                                         target_cell(*check)};
    const auto [entry, is_new] = known.emplace(key, groups.size());
    if (is_new) groups.emplace_back();
    groups[entry->second].push_back(check);
  }
  for (const Checks& group : groups) {
    rows.push_back(group.size() == 1 ? row_of(*group.front(), record) : folded_row(group));
  }
}

/// The reasons in the order in which they first appear; a reason that many checks share is said once.
std::vector<SummaryReason> reasons_of(const Checks& checks, const RunRecord& record) {
  std::vector<std::pair<const CheckRecord*, std::vector<std::string>>> grouped;
  std::map<std::pair<Verdict, std::string>, std::size_t> known;
  for (const CheckRecord* check : checks) {
    if (check->reason.empty()) continue;
    const auto [entry, is_new] = known.emplace(std::pair(check->verdict, check->reason), grouped.size());
    if (is_new) grouped.push_back({check, {}});
    std::vector<std::string>& names = grouped[entry->second].second;
    std::string name = full_name(*check, record);
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
  }
  std::vector<SummaryReason> reasons;
  for (const auto& [check, names] : grouped) {
    std::string text;
    for (std::size_t i = 0; i < names.size() && i < 4; ++i) text += (i > 0 ? "; " : "") + names[i];
    if (names.size() > 4) text += fmt::format("; and {} more", names.size() - 4);
    reasons.push_back({check->verdict, sanitise(text), sanitise(check->reason)});
  }
  return reasons;
}

std::string tally(const RunRecord& record) {
  std::vector<std::string> parts;
  for (const Verdict verdict : {Verdict::fail, Verdict::error, Verdict::inconclusive, Verdict::pass,
                                Verdict::unchecked, Verdict::skipped}) {
    const std::size_t n = with_verdict(record, verdict).size();
    if (n > 0) parts.push_back(fmt::format("{} {}", n, verdict_name(verdict)));
  }
  return parts.empty() ? "no check ran" : counted(record.checks.size(), "check") + ": " + join(parts, ", ");
}

/// "ob1 over vader inside nodes, tcp between nodes".
std::string mpi_transport(const std::map<std::string, std::string>& mpi) {
  std::vector<std::string> paths;
  const auto add = [&](const char* key, const char* place) {
    const auto found = mpi.find(key);
    if (found != mpi.end() && found->second != "unknown") paths.push_back(found->second + place);
  };
  add("transport_inside_node", " inside nodes");
  add("transport_between_nodes", " between nodes");
  const auto pml = mpi.find("pml");
  const bool known = pml != mpi.end() && pml->second != "unknown";
  if (!known) return join(paths, ", ");
  return pml->second + (paths.empty() ? "" : " over " + join(paths, ", "));
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
  const Component& component = finding.component;
  std::string part = component.kind;
  if (!component.name.empty()) part += " " + component.name;
  if (!component.host.empty() && component.host != component.name) part += " on " + component.host;
  out.title = sanitise(part + ": " + finding.meaning);
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

/// "sampling_p50_ns" -> "sampling p50 42 ns": the unit is the name's last word.
std::string named_quantity(const std::string& key, double value) {
  const std::size_t cut = key.rfind('_');
  std::string name = key.substr(0, cut);
  std::replace(name.begin(), name.end(), '_', ' ');
  const std::string unit = cut == std::string::npos ? "" : " " + key.substr(cut + 1);
  return fmt::format("{} {}{}", name, number(value), unit);
}

std::string matrix_note(const Matrix& matrix) {
  std::string note = fmt::format("matrix {} ({} x {}, {}, {}): in result.json", matrix.id, matrix.rows.size(),
                                 matrix.cols.size(), matrix.unit, matrix.direction);
  const double* lowest = nullptr;
  std::string place;
  for (std::size_t i = 0; i < std::min(matrix.data.size(), matrix.rows.size()); ++i) {
    for (std::size_t j = 0; j < std::min(matrix.data[i].size(), matrix.cols.size()); ++j) {
      const std::optional<double>& cell = matrix.data[i][j];
      if (!cell || !std::isfinite(*cell) || (lowest != nullptr && *cell >= *lowest)) continue;
      lowest = &*cell;
      place = matrix.rows[i] + " to " + matrix.cols[j];
    }
  }
  return lowest == nullptr ? note : note + fmt::format("; lowest {} from {}", number(*lowest), place);
}

/// What NCCL's checks ran by, each combination once: "NCCL 2.28.9 (/usr/lib/libnccl.so.2): P2P/CUMEM, NVLS".
// How long the checks took, and how long they were expected to take when a quarter of them was done.
constexpr const char *took = "checks_s", *expected = "checks_estimated_s";

void add_duration(const RunRecord& record, std::vector<std::string>& notes) {
  const auto words = [](double seconds) {
    return format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds))));
  };
  const auto whole = record.overhead.find(took), told = record.overhead.find(expected);
  if (whole == record.overhead.end()) return;
  std::string line = "the checks took " + words(whole->second);
  if (told != record.overhead.end())
    line += fmt::format("; after the first quarter {} were expected", words(told->second));
  notes.push_back(line);
}

void add_nccl(const RunRecord& record, std::vector<std::string>& notes) {
  constexpr std::size_t most = 4;
  std::vector<std::string> lines;
  for (const CheckRecord& check : record.checks) {
    if (!check.path || !check.path->contains("nccl_version")) continue;
    const auto text = [&](const char* name) -> std::string {
      const auto number = path_number(check, name);
      return number ? format_number(*number) : path_text(check, name);
    };
    std::string line = fmt::format("NCCL {} ({})", text("nccl_version"), text("nccl_library"));
    const auto add = [&](const char* name, const char* words) {
      if (const std::string value = text(name); !value.empty()) line += fmt::format("; {} {}", words, value);
    };
    add("nccl_transports", "by");
    add("nccl_network", "network");
    add("nccl_plugin", "plugin");
    add("nccl_gdr", "GPUDirect RDMA");
    add("nccl_channels", "channels");
    add("nccl_nvls", "NVLS");
    add("nccl_algorithms", "algorithm");
    add("nccl_protocols", "protocol");
    if (text("cuda_graph") == "yes") line += "; as a CUDA graph";
    if (text("registered") == "yes") line += "; buffers registered";
    add("nccl_differs", "not the same everywhere:");
    if (std::find(lines.begin(), lines.end(), line) == lines.end()) lines.push_back(line);
  }
  for (std::size_t i = 0; i < lines.size() && i < most; ++i) notes.push_back(lines[i]);
  if (lines.size() > most)
    notes.push_back(fmt::format("NCCL ran in {} more ways: in result.json", lines.size() - most));
}

/// Figures by other definitions, so that nobody compares them with the median unawares.
void add_beside(const RunRecord& record, std::vector<std::string>& notes) {
  constexpr std::size_t most = 6;
  std::size_t found = 0;
  for (const CheckRecord& check : record.checks) {
    const Statistics& statistics = check.statistics;
    if (!check.target || (!statistics.osu_mean && !statistics.barrier_median) || ++found > most) continue;
    std::vector<std::string> figures;
    if (statistics.osu_mean)
      figures.push_back(fmt::format("OSU mean {} {}", figure(statistics.osu_mean), check.unit));
    if (statistics.barrier_median) {
      figures.push_back(
          fmt::format("median from a barrier start {} {}", figure(statistics.barrier_median), check.unit));
    }
    notes.push_back(
        fmt::format("beside, never judged: {}: {}", full_name(check, record), join(figures, ", ")));
  }
  if (found > most)
    notes.push_back(fmt::format("beside, never judged: {} more in result.json", found - most));
}

/// "NCCL allreduce bus bandwidth, 8 GiB: rails at once reach 62 % of what each reaches alone; least is rail 3
/// with 41 %, 19.8 of 48.3 GB/s"
void add_rails(const RunRecord& record, std::vector<std::string>& notes) {
  constexpr std::size_t most = 4;
  const auto share = [](const CheckRecord* check) { return *path_number(*check, "share_of_alone_percent"); };
  std::map<std::string, Checks> kinds;
  for (const CheckRecord& check : record.checks)
    if (check.value && path_number(check, "share_of_alone_percent"))
      kinds[check.title + ", " + bytes_cell(check)].push_back(&check);
  std::vector<std::pair<double, std::string>> lines;
  for (const auto& [name, rails] : kinds) {
    double sum = 0;
    for (const CheckRecord* rail : rails) sum += share(rail);
    const CheckRecord& least = **std::min_element(
        rails.begin(), rails.end(), [&](const auto* a, const auto* b) { return share(a) < share(b); });
    lines.emplace_back(share(&least),
                       fmt::format("{}: rails at once reach {:.0f} % of what each reaches alone; least is "
                                   "rail {} with {:.0f} %, {} of {} {}",
                                   name, sum / static_cast<double>(rails.size()),
                                   integer_parameter(least, "group").value_or(0), share(&least),
                                   number(least.value), number(path_number(least, "alone")), least.unit));
  }
  std::sort(lines.begin(), lines.end());
  for (std::size_t i = 0; i < lines.size() && i < most; ++i) notes.push_back(lines[i].second);
  if (lines.size() > most)
    notes.push_back(
        fmt::format("rails at once and alone: {} more operations in result.json", lines.size() - most));
}

/// What a latency costs more where it is between GPUs.
void add_over_host_memory(const RunRecord& record, std::vector<std::string>& notes) {
  constexpr std::size_t most = 4;
  std::size_t found = 0;
  for (const CheckRecord& check : record.checks) {
    const auto over = path_number(check, "over_host_memory_us"),
               from = path_number(check, "over_host_memory_from_us"),
               to = path_number(check, "over_host_memory_to_us");
    if (!over || !from || !to || ++found > most) continue;
    std::string what = "no difference from host memory that the intervals tell";
    if (*from > 0.0) what = fmt::format("GPU memory adds {} us over host memory", number(over));
    if (*to < 0.0) what = fmt::format("GPU memory takes {} us less than host memory", number(-*over));
    const bool was_inline = path_text(check, "host_memory_inline") == "yes";
    notes.push_back(fmt::format("{}: {}{} ({} to {} us)", full_name(check, record), what,
                                was_inline ? ", from where it went inline" : "", number(from), number(to)));
  }
  if (found > most)
    notes.push_back(fmt::format("GPU over host memory: {} more in result.json", found - most));
}

/// "mpi.bcast.latency, inside node: 0.488 +- 0.12 us + bytes / (7 +- 1.3 GB/s), off by 14 % on average"
std::string alpha_beta_note(const Fit& fit) {
  const auto coefficient = [&](const char* key) -> std::optional<double> {
    const auto found = fit.coefficients.find(key);
    return found == fit.coefficients.end() ? std::nullopt : std::optional(found->second);
  };
  const auto alpha = coefficient("alpha_us"), alpha_error = coefficient("alpha_error_us");
  const auto beta = coefficient("beta_GBps"), beta_error = coefficient("beta_error_GBps");
  const auto residual = coefficient("rms_residual_percent"), sizes = coefficient("sizes");
  if (!alpha || !alpha_error || !beta || !beta_error || !residual || !sizes) return "";
  return fmt::format(
      "{}, {}: {} +- {} us + bytes / ({} +- {} GB/s), a line through {} sizes, off by {} % on average",
      fit.id, fit.scope, number(alpha), number(alpha_error), number(beta), number(beta_error), number(sizes),
      number(residual));
}

std::vector<std::string> notes_of(const RunRecord& record) {
  std::vector<std::string> notes;
  constexpr std::size_t most_fits = 6;
  for (std::size_t i = 0; i < std::min(most_fits, record.fits.size()); ++i) {
    const Fit& fit = record.fits[i];
    if (const std::string line = alpha_beta_note(fit); !line.empty()) {
      notes.push_back(line);
      continue;
    }
    std::vector<std::string> coefficients;
    for (const auto& [key, value] : fit.coefficients) coefficients.push_back(named_quantity(key, value));
    notes.push_back(fmt::format("model of {}{}{}: {}; {}", fit.id, fit.scope.empty() ? "" : ", ", fit.scope,
                                fit.model, join(coefficients, ", ")));
  }
  if (record.fits.size() > most_fits)
    notes.push_back(fmt::format("{} more models in result.json", record.fits.size() - most_fits));
  for (const Matrix& matrix : record.matrices) notes.push_back(matrix_note(matrix));
  std::vector<std::string> overhead;
  for (const auto& [key, value] : record.overhead)
    if (key != took && key != expected) overhead.push_back(named_quantity(key, value));
  add_duration(record, notes);
  if (!overhead.empty()) notes.push_back("the tool's own cost: " + join(overhead, ", "));

  std::optional<double> clock_error;
  std::string unit;
  std::uint64_t samples = 0, late = 0, overruns = 0, verified = 0;
  for (const CheckRecord& check : record.checks) {
    const Statistics& statistics = check.statistics;
    samples += statistics.samples;
    late += statistics.late_starts;
    overruns += statistics.overruns;
    verified += statistics.verified;
    if (statistics.clock_error && std::isfinite(*statistics.clock_error) &&
        *statistics.clock_error >= clock_error.value_or(0)) {
      clock_error = statistics.clock_error;
      unit = check.unit;
    }
  }
  if (clock_error) {
    notes.push_back(fmt::format("clock error: up to {} {} either way, part of every interval",
                                number(clock_error), unit));
  }
  if (late > 0)
    notes.push_back(
        fmt::format("late starts: in {} of {} samples a rank missed the common start", late, samples));
  if (overruns > 0) {
    notes.push_back(fmt::format(
        "overruns: {} iterations began before the one before had ended and are no samples", overruns));
  }
  if (verified > 0)
    notes.push_back(fmt::format("results compared element by element: {} iterations", verified));
  add_nccl(record, notes);
  add_rails(record, notes);
  add_beside(record, notes);
  add_over_host_memory(record, notes);
  for (std::string& note : notes) note = sanitise(note);
  return notes;
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

}  // namespace

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
    add_rows(checks, record, verdict == Verdict::pass, summary.judged);
    explained.insert(explained.end(), checks.begin(), checks.end());
  }
  const Checks unjudged = with_verdict(record, Verdict::unchecked);
  add_rows(unjudged, record, true, summary.unjudged);
  explained.insert(explained.end(), unjudged.begin(), unjudged.end());
  summary.reasons = reasons_of(explained, record);
  summary.skipped = reasons_of(with_verdict(record, Verdict::skipped), record);
  for (const Finding& finding : record.findings) summary.findings.push_back(finding_of(finding));
  summary.notes = notes_of(record);
  for (const NotTested& entry : record.not_tested) {
    summary.not_tested.emplace_back(sanitise(entry.id), sanitise(entry.reason));
  }
  summary.legend = legend_of(record);
  return summary;
}

}  // namespace fabricheck::report
