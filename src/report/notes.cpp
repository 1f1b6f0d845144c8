#include "report/notes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "core/units.hpp"
#include "report/cells.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

using Checks = std::vector<const CheckRecord*>;

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

// How long the checks took, and how long they were expected to take when that was first known well; and
// what measuring all pairs of GPUs of a node takes, as estimated before.
constexpr const char *took = "checks_s", *expected = "checks_estimated_s",
                     *expected_after = "checks_estimated_after_s", *pairs = "estimated_gpu_pairs_s";

void add_duration(const RunRecord& record, std::vector<std::string>& notes) {
  const auto words = [](double seconds) {
    return format_duration(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::round<std::chrono::milliseconds>(std::chrono::duration<double>(seconds))));
  };
  const auto whole = record.overhead.find(took), told = record.overhead.find(expected);
  if (whole == record.overhead.end()) return;
  std::string line = "the checks took " + words(whole->second);
  const auto after = record.overhead.find(expected_after);
  if (told != record.overhead.end() && after != record.overhead.end())
    line += fmt::format("; after {} of it {} were expected", words(after->second), words(told->second));
  if (const auto estimate = record.overhead.find(pairs); estimate != record.overhead.end())
    line += fmt::format("; all checks of all pairs of a node's GPUs are estimated at {}",
                        words(estimate->second));
  notes.push_back(line);
}

/// What NCCL's checks ran by, each combination once: "NCCL 2.28.9 (/usr/lib/libnccl.so.2): P2P/CUMEM, NVLS".
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
        fmt::format("beside, never judged: {}: {}", full_name(check, record), joined(figures, ", ")));
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

}  // namespace

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
                                fit.model, joined(coefficients, ", ")));
  }
  if (record.fits.size() > most_fits)
    notes.push_back(fmt::format("{} more models in result.json", record.fits.size() - most_fits));
  for (const Matrix& matrix : record.matrices) notes.push_back(matrix_note(matrix));
  std::vector<std::string> overhead;
  for (const auto& [key, value] : record.overhead)
    if (key != took && key != expected && key != expected_after && key != pairs)
      overhead.push_back(named_quantity(key, value));
  add_duration(record, notes);
  if (!overhead.empty()) notes.push_back("the tool's own cost: " + joined(overhead, ", "));

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

}  // namespace fabricheck::report
