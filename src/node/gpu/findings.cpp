#include "node/gpu/findings.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <tuple>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fabricheck::node::gpu {
namespace {

/// Host and PCI address.
using GpuName = std::pair<std::string, std::string>;

/// Nothing where the record is not of one GPU alone.
std::optional<GpuName> gpu_of(const CheckRecord& check) {
  if (!check.id.starts_with("gpu.")) return std::nullopt;
  const std::string address = path_text(check, "gpu");
  if (address.empty() || check.participants.size() != 1) return std::nullopt;
  return GpuName{check.participants.front(), address};
}

std::string words(const GpuName& gpu) { return fmt::format("GPU {} on {}", gpu.second, gpu.first); }

Component component(const GpuName& gpu) { return {"gpu", gpu.second, gpu.first}; }

std::string smi(const GpuName& gpu, const char* rest) {
  return fmt::format("nvidia-smi -i {} {} (on {})", gpu.second, rest, gpu.first);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return (values[(values.size() - 1) / 2] + values[values.size() / 2]) / 2.0;
}

double deviation(const std::vector<double>& values, double around) {
  std::vector<double> off;
  off.reserve(values.size());
  for (const double value : values) off.push_back(std::abs(value - around));
  return median(off);
}

/// What the GPU said of itself during a check, a part of a sentence; empty: it was not asked.
std::string self_words(const CheckRecord& check) {
  std::string text;
  const auto add = [&text](const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
  if (const auto clock = path_number(check, "sm_clock_median_MHz"))
    add(fmt::format("SM clock {} MHz in the middle and {} at least", *clock,
                    path_number(check, "sm_clock_min_MHz").value_or(*clock)));
  if (const auto heat = path_number(check, "temperature_max_C")) add(fmt::format("at most {} C", *heat));
  if (const auto power = path_number(check, "power_median_W")) add(fmt::format("{:.0f} W", *power));
  if (const std::string reasons = path_text(check, "throttle_reasons"); !reasons.empty())
    add("slowed down by: " + reasons);
  return text;
}

/// All that one GPU has of one check.
struct Figures {
  std::vector<double> values;
  std::vector<double> better_ends;  ///< of their intervals; as many as values have one
  const CheckRecord* last{};
};

bool is_time(const CheckRecord& check) { return check.unit == "us"; }

double how_much_worse(const CheckRecord& check, double figure, double norm) {
  return is_time(check) ? figure / norm - 1.0 : 1.0 - figure / norm;
}

/// A few slow visits move a figure, but not all of its interval.
bool is_surely_worse(const Figures& figures, double norm, double limit) {
  const double worse = how_much_worse(*figures.last, median(figures.values), norm);
  // Without intervals, of so few samples: only what no spell of noise does.
  if (figures.better_ends.size() != figures.values.size())
    return worse > odd_without_interval && worse > limit;
  return worse > limit && how_much_worse(*figures.last, median(figures.better_ends), norm) > limit;
}
/// Check, scope, model, parameters that change the figure.
using Group = std::tuple<std::string, std::string, std::string, std::string>;

std::string bytes_of(const CheckRecord& check) {
  const auto found = check.parameters.find("bytes");
  if (found == check.parameters.end()) return {};
  const std::int64_t* bytes = std::get_if<std::int64_t>(&found->second);
  return bytes ? std::to_string(*bytes) : std::string();
}

bool is_host_copy(const CheckRecord& check) {
  return check.id.starts_with("gpu.host") || check.id.starts_with("gpu.device_to_host");
}

/// None: such figures of good GPUs differ.
std::optional<double> odd_share_of(const CheckRecord& check) {
  if (is_host_copy(check) && (check.unit == "us" || check.id.find("_far") != std::string::npos))
    return std::nullopt;
  const bool hangs_on_clocks = check.id.starts_with("gpu.gemm.") || check.id.starts_with("gpu.burn.");
  return hangs_on_clocks || is_host_copy(check) ? odd_share_of_places_and_clocks : odd_share;
}

constexpr const char* advice_of_gpu =
    "Compare this GPU's throttle reasons, clocks, power limit and temperature with its neighbours'; if they "
    "are alike, look at its PCIe width, ECC errors and remapped rows, and have it replaced if it stays slow "
    "after a reboot.";
constexpr const char* advice_of_place =
    "Compare this GPU's PCIe width, speed and replays with its neighbours', and the NUMA node and PCIe "
    "switch it is on (fabricheck topology); reseat it where its link is narrower, and have it looked at if "
    "it "
    "stays slow.";

Finding odd(const GpuName& gpu, const Figures& figures, double figure, double norm, double limit,
            std::size_t peers) {
  const CheckRecord& check = *figures.last;
  Finding finding;
  finding.slug = "odd-gpu";
  finding.severity = Severity::bad;
  finding.component = component(gpu);
  finding.meaning = fmt::format("{} is off its peers: {} is {} {} where the median of {} other {} is {} {}",
                                words(gpu), check.id, format_number(figure), check.unit, peers,
                                path_text(check, "gpu_name"), format_number(norm), check.unit);
  finding.evidence.push_back({"", 0,
                              fmt::format("{:.1f} % off; more than {:.1f} % is odd among these",
                                          100.0 * std::abs(figure / norm - 1.0), 100.0 * limit)});
  if (const std::string self = self_words(check); !self.empty())
    finding.evidence.push_back({"", 0, "during the check: " + self});
  finding.advice = is_host_copy(check) ? advice_of_place : advice_of_gpu;
  finding.confirm = smi(gpu, "-q -d PERFORMANCE,CLOCK,POWER,TEMPERATURE,ECC");
  finding.confidence = "likely";
  finding.explains = {check.id};
  return finding;
}

}  // namespace

std::vector<Finding> odd_gpus(std::span<const CheckRecord> checks) {
  std::map<Group, std::map<GpuName, Figures>> groups;
  for (const CheckRecord& check : checks) {
    const auto gpu = gpu_of(check);
    if (!gpu || !check.value || *check.value <= 0.0 || !odd_share_of(check)) continue;
    Figures& figures = groups[{check.id, check.scope, path_text(check, "gpu_name"), bytes_of(check)}][*gpu];
    figures.values.push_back(*check.value);
    if (check.ci95) figures.better_ends.push_back(is_time(check) ? check.ci95->lo : check.ci95->hi);
    figures.last = &check;
  }
  std::vector<Finding> findings;
  for (const auto& [group, gpus] : groups) {
    std::vector<Finding> odd_ones;
    for (const auto& [gpu, figures] : gpus) {
      std::vector<double> peers;
      peers.reserve(gpus.size());
      for (const auto& [other, of_other] : gpus)
        if (other != gpu) peers.push_back(median(of_other.values));
      if (peers.size() < fewest_odd_peers) break;
      const double norm = median(peers), spread = deviation(peers, norm) / norm;
      if (spread > odd_spread) continue;
      const double times = peers.size() < odd_peers ? odd_share_times_of_few : 1.0;
      const double limit = times * std::max(*odd_share_of(*figures.last), odd_deviations * spread);
      if (is_surely_worse(figures, norm, limit))
        odd_ones.push_back(odd(gpu, figures, median(figures.values), norm, limit, peers.size()));
    }
    if (odd_ones.size() * 3 > gpus.size()) continue;
    for (Finding& one : odd_ones) findings.push_back(std::move(one));
  }
  return findings;
}

namespace {

/// The looks at one GPU during all its checks.
struct Looks {
  double all{}, slowed{};
  bool is_enough{};  ///< one check alone had
  std::vector<const CheckRecord*> slowed_checks;
};

}  // namespace

std::vector<Finding> throttled_gpus(std::span<const CheckRecord> checks) {
  std::map<GpuName, Looks> looks_at;
  for (const CheckRecord& check : checks) {
    const auto gpu = gpu_of(check);
    const auto percent = path_number(check, "throttled_percent"),
               samples = path_number(check, "monitor_samples");
    if (!gpu || !percent || !samples) continue;
    Looks& looks = looks_at[*gpu];
    looks.all += *samples;
    looks.slowed += *samples * *percent / 100.0;
    if (*percent <= throttled_percent) continue;
    looks.slowed_checks.push_back(&check);
    looks.is_enough = looks.is_enough || *samples >= throttled_looks;
  }
  std::vector<Finding> all;
  for (const auto& [gpu, looks] : looks_at) {
    const bool together =
        looks.all >= throttled_looks && looks.slowed * 100.0 > throttled_percent * looks.all;
    if (!looks.is_enough && !together) continue;
    const CheckRecord& first = *looks.slowed_checks.front();
    Finding finding;
    finding.slug = "gpu-throttled";
    finding.severity = Severity::bad;
    finding.component = component(gpu);
    finding.meaning = fmt::format(
        "{} was slowed down by its hardware or its heat in {:.0f} % of {:.0f} looks during its checks: {}",
        words(gpu), 100.0 * looks.slowed / looks.all, looks.all, path_text(first, "throttle_reasons"));
    finding.advice =
        "Look at the airflow, the fans and the inlet temperature of this node, at the seat of the GPU's heat "
        "sink, and at the power supplies (hw-power-brake-slowdown comes from the chassis).";
    finding.confirm = smi(gpu, "-q -d PERFORMANCE,TEMPERATURE,POWER");
    finding.confidence = "certain";
    for (const CheckRecord* check : looks.slowed_checks) {
      std::string text = fmt::format("{}: in {:.0f} % of {:.0f} looks, {}", check->id,
                                     *path_number(*check, "throttled_percent"),
                                     *path_number(*check, "monitor_samples"), self_words(*check));
      if (const auto trend = path_number(*check, "rate_trend_percent"))
        text += fmt::format("; the rate changed by {:+.1f} % from begin to end", *trend);
      finding.evidence.push_back({"", 0, std::move(text)});
      if (std::find(finding.explains.begin(), finding.explains.end(), check->id) == finding.explains.end())
        finding.explains.push_back(check->id);
    }
    all.push_back(std::move(finding));
  }
  return all;
}

namespace {

/// Digest -> the GPUs that have it.
using Votes = std::map<std::string, std::vector<GpuName>>;

Finding wrong_digest(const GpuName& gpu, const std::string& id, const std::string& digest,
                     const std::string& other, std::size_t majority, std::size_t all) {
  Finding finding;
  finding.slug = "gpu-wrong-digest";
  finding.severity = Severity::fatal;
  finding.component = component(gpu);
  finding.meaning = fmt::format(
      "{} computes something else: of {} equal GPUs that multiplied the same numbers by the same algorithm, "
      "{} "
      "agree, and it does not",
      words(gpu), all, majority);
  finding.evidence.push_back({"", 0, fmt::format("{}: digest {} in place of {}", id, digest, other)});
  finding.advice =
      "Take this GPU out of service: it corrupts results silently. Run the vendor's diagnosis and have it "
      "replaced.";
  finding.confirm = fmt::format("dcgmi diag -r 3 (on {})", gpu.first);
  finding.confidence = "likely";
  finding.explains = {id};
  return finding;
}

Finding unclear_digests(const Votes& votes, const std::string& id) {
  Finding finding;
  finding.slug = "gpu-wrong-digest";
  finding.severity = Severity::fatal;
  finding.component = {"cluster", "GPUs", ""};
  finding.meaning = fmt::format(
      "Equal GPUs that multiplied the same numbers by the same algorithm differ in {}, and there is no "
      "majority "
      "that says which of them is wrong",
      id);
  for (const auto& [digest, gpus] : votes)
    for (const GpuName& gpu : gpus)
      finding.evidence.push_back({"", 0, fmt::format("{}: {}", words(gpu), digest)});
  finding.advice =
      "Run this with more GPUs, or the vendor's diagnosis on each of these, to tell which is wrong.";
  finding.confirm = "dcgmi diag -r 3";
  finding.confidence = "certain";
  finding.explains = {id};
  return finding;
}

/// What the bits of a product depend on: check (and so precision), model, library, algorithm, size.
using Computed = std::tuple<std::string, std::string, std::string, std::string, double>;

std::map<Computed, Votes> votes_on(std::span<const CheckRecord> checks, const char* digest_name,
                                   const char* algorithm_name) {
  std::map<Computed, Votes> groups;
  for (const CheckRecord& check : checks) {
    const auto gpu = gpu_of(check);
    const std::string digest = path_text(check, digest_name);
    if (!gpu || digest.empty()) continue;
    auto& voters =
        groups[{check.id, path_text(check, "gpu_name"), path_text(check, "library"),
                path_text(check, algorithm_name), path_number(check, "size").value_or(0.0)}][digest];
    if (std::find(voters.begin(), voters.end(), *gpu) == voters.end()) voters.push_back(*gpu);
  }
  return groups;
}

std::vector<Finding> findings_of(const std::string& id, const Votes& votes) {
  if (votes.size() < 2) return {};
  std::size_t all = 0;
  auto best = votes.begin();
  for (auto vote = votes.begin(); vote != votes.end(); ++vote) {
    all += vote->second.size();
    if (vote->second.size() > best->second.size()) best = vote;
  }
  if (all < 3 || best->second.size() * 2 <= all) return {unclear_digests(votes, id)};
  std::vector<Finding> findings;
  for (const auto& [digest, gpus] : votes) {
    if (digest == best->first) continue;
    for (const GpuName& gpu : gpus)
      findings.push_back(wrong_digest(gpu, id, digest, best->first, best->second.size(), all));
  }
  return findings;
}

}  // namespace

std::vector<Finding> differing_digests(std::span<const CheckRecord> checks) {
  std::vector<Finding> findings;
  // A GPU that is wrong by both is told of once for each check.
  const auto is_told = [&findings](const Finding& finding) {
    return std::any_of(findings.begin(), findings.end(), [&](const Finding& one) {
      return one.component == finding.component && one.explains == finding.explains;
    });
  };
  for (const auto& [digest, algorithm] :
       {std::pair("common_digest", "common_algorithm"), std::pair("digest", "algorithm")})
    for (const auto& [computed, votes] : votes_on(checks, digest, algorithm))
      for (Finding& finding : findings_of(std::get<0>(computed), votes))
        if (!is_told(finding)) findings.push_back(std::move(finding));
  return findings;
}

std::vector<CheckRecord> judged_by_digests(std::span<const CheckRecord> checks,
                                           std::span<const Finding> findings) {
  std::vector<CheckRecord> judged;
  for (const CheckRecord& check : checks) {
    const auto gpu = gpu_of(check);
    const bool stands = check.verdict == Verdict::fail || check.verdict == Verdict::error ||
                        check.verdict == Verdict::skipped;
    if (!gpu || stands) continue;
    for (const Finding& finding : findings) {
      const bool names_it = finding.component == component(*gpu);
      const bool is_explained =
          std::find(finding.explains.begin(), finding.explains.end(), check.id) != finding.explains.end();
      if (finding.slug != "gpu-wrong-digest" || !is_explained) continue;
      const bool is_one_of_them =
          std::any_of(finding.evidence.begin(), finding.evidence.end(),
                      [&](const Evidence& one) { return one.text.starts_with(words(*gpu) + ":"); });
      if (!names_it && !is_one_of_them) continue;
      CheckRecord worse = check;
      worse.verdict = names_it ? Verdict::fail : Verdict::inconclusive;
      worse.reason = finding.meaning;
      judged.push_back(std::move(worse));
      break;
    }
  }
  return judged;
}

std::vector<Finding> gpu_findings(std::span<const CheckRecord> checks) {
  std::vector<Finding> all = differing_digests(checks);
  for (auto* const more : {&throttled_gpus, &odd_gpus})
    for (Finding& finding : more(checks)) all.push_back(std::move(finding));
  return all;
}

}  // namespace fabricheck::node::gpu
