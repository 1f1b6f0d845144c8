#include "fabric/nvlink/judgement.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "core/figure_table.hpp"
#include "core/units.hpp"
#include "fabric/nvlink/catalog.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/pcie_rate.hpp"

namespace fabricheck::nvlink {
namespace {

constexpr const char* fallback_slug = "nvlink-fallback";
constexpr const char* pair_bandwidth = "nvlink.pair.bandwidth";
/// NVLinks that carry less than this many times as much as PCIe cannot be told from it.
constexpr double clearly_more = 1.5;

std::string name_of(const Gpu& gpu) { return fmt::format("GPU{}", gpu.index); }

bool is_up(const NvLink& link) { return link.active.value_or(false); }

int links_to_switches(const Gpu& gpu) {
  return static_cast<int>(std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(), [](const NvLink& link) {
    return link.remote == "switch" && is_up(link);
  }));
}

/// Listed with `other` at their end, up or down.
int listed_links(const Gpu& gpu, const Gpu& other) {
  if (other.pci_address.empty()) return 0;
  return static_cast<int>(std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(), [&](const NvLink& link) {
    return link.remote_pci_address == other.pci_address;
  }));
}

std::optional<double> figure_of(const Platform* platform, const char* key, const char* kind) {
  if (!platform) return std::nullopt;
  for (const Figure& figure : platform->figures)
    if (figure.key == key && figure.kind == kind) return figure.value;
  return std::nullopt;
}

std::optional<int> links_of(const Platform* platform) {
  if (!platform) return std::nullopt;
  if (platform->expected.nvlinks_per_gpu) return platform->expected.nvlinks_per_gpu;
  for (const char* kind : {"datasheet", "published"})
    if (const auto links = figure_of(platform, "nvlink.links", kind)) return static_cast<int>(*links);
  return std::nullopt;
}

bool has_switches(const Host& host, const Platform* platform) {
  return (platform && platform->expected.nvswitches.value_or(0) > 0) ||
         std::any_of(host.gpus.begin(), host.gpus.end(),
                     [](const Gpu& gpu) { return links_to_switches(gpu) > 0; });
}

/// GPUs of one machine can be split into partitions that the switches do not join.
bool is_one_partition(const Gpu& a, const Gpu& b) {
  if (!a.fabric || !b.fabric) return true;
  if (a.fabric->cluster_uuid != b.fabric->cluster_uuid) return false;
  return !a.fabric->clique_id || !b.fabric->clique_id || a.fabric->clique_id == b.fabric->clique_id;
}

/// Whether NVML told the state of all links of the GPU, so that what is not up is down.
bool tells_links(const Gpu& gpu) {
  return !gpu.nvlinks.empty() && std::all_of(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                             [](const NvLink& link) { return link.active.has_value(); });
}

std::optional<int> links_up(const Host& host, const Gpu& from, const Gpu& to, topology::Path path) {
  if (!host.given_paths && !(tells_links(from) && tells_links(to))) return std::nullopt;
  if (path.type == topology::PathType::nvlink) return path.nvlinks;
  if (path.type == topology::PathType::unknown && host.given_paths) return std::nullopt;
  return 0;
}

std::optional<int> links_there(const Host& host, const Gpu& from, const Gpu& to, const Platform* platform) {
  if (!is_one_partition(from, to)) return 0;
  if (!has_switches(host, platform)) {
    if (from.nvlinks.empty() && to.nvlinks.empty()) return std::nullopt;
    return std::max(listed_links(from, to), listed_links(to, from));
  }
  int most = 0;
  for (const Gpu& gpu : host.gpus) most = std::max(most, links_to_switches(gpu));
  return links_of(platform).value_or(most);
}

std::optional<double> link_speed(const Gpu& from, const Gpu& to, const Platform* platform) {
  if (const auto speed = figure_of(platform, "nvlink.link.bandwidth", "datasheet")) return speed;
  std::optional<double> slowest;
  for (const Gpu* gpu : {&from, &to})
    for (const NvLink& link : gpu->nvlinks)
      if (is_up(link) && link.speed_GBps)
        slowest = std::min(slowest.value_or(*link.speed_GBps), *link.speed_GBps);
  return slowest;
}

std::optional<double> pcie_payload(const Gpu& from, const Gpu& to) {
  const auto a = topology::pcie_GBps(from.pcie), b = topology::pcie_GBps(to.pcie);
  if (!a || !b) return std::nullopt;
  return topology::pcie_payload_share * std::min(*a, *b);
}

/// GB/s one way of what the figure says; nothing where it does not say which way, or is a placeholder.
std::optional<double> one_way(const Figure& figure) {
  const std::string direction = condition_of(figure, "direction");
  if (condition_of(figure, "caveat").find("placeholder") != std::string::npos) return std::nullopt;
  if (direction.find("both ways") == 0) return figure.value / 2.0;
  // A health check's threshold is of nvbandwidth's or CUDA's copies, which are one way.
  if (direction.find("one way") == 0 || (direction.empty() && figure.kind == "threshold"))
    return figure.value;
  return std::nullopt;
}

std::optional<SourcedRate> sourced(const Platform* platform, const char* kind, int links) {
  const auto whole = links_of(platform);
  if (!whole || *whole == 0) return std::nullopt;
  const Figure* chosen = nullptr;
  for (const Figure& figure : platform->figures) {
    if (figure.key != pair_bandwidth || figure.kind != kind || figure.unit != "GB/s" || !one_way(figure))
      continue;
    // What was measured one way comes before what is inferred from both.
    const bool is_direct = *one_way(figure) == figure.value;
    if (!chosen || (is_direct && *one_way(*chosen) != chosen->value)) chosen = &figure;
  }
  if (!chosen) return std::nullopt;
  SourcedRate rate;
  rate.GBps = *one_way(*chosen) * links / *whole;
  rate.source = fmt::format("{} GB/s one way over {} links{}: {}", format_number(*one_way(*chosen)), *whole,
                            links == *whole ? "" : fmt::format(", scaled to {}", links), chosen->source);
  return rate;
}

Finding base(const CheckRecord& check, const PairExpectation& expected, const char* slug) {
  Finding finding;
  finding.slug = slug;
  finding.severity = Severity::bad;
  finding.component = {"link", fmt::format("{} to {}", expected.from, expected.to),
                       check.participants.empty() ? std::string() : check.participants.front()};
  finding.confirm = "nvidia-smi nvlink --status; nvidia-smi topo -m";
  finding.explains = {check.id};
  return finding;
}

std::string links_words(const PairExpectation& expected) {
  if (!expected.links_up) return "how many links are up is not known";
  return fmt::format("{} of {} links are up, by NVML", *expected.links_up, expected.links_there.value_or(0));
}

/// In smaller copies what each costs to begin counts: where that is 10 us, NVLinks with 1.5 times the rate of
/// PCIe 5.0 look no faster than it up to 1.6 MiB.
constexpr double least_telling_bytes = 2 << 20;

bool tells_of_links(const CheckRecord& check) {
  const auto used = path_number(check, "bytes_per_copy");
  const auto found = check.parameters.find("bytes");
  const std::int64_t* asked =
      found == check.parameters.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  return used.value_or(asked ? static_cast<double>(*asked) : 0.0) >= least_telling_bytes;
}

bool is_fallback(const CheckRecord& check, const PairExpectation& expected) {
  if (path_text(check, "access") == "through the host") return true;
  if (!tells_of_links(check)) return false;
  const auto measured = one_way_GBps(check);
  if (!measured || !expected.pcie_GBps || !expected.link_GBps) return false;
  const double links_GBps = *expected.links_there * *expected.link_GBps;
  return *measured <= *expected.pcie_GBps && links_GBps > clearly_more * *expected.pcie_GBps;
}

}  // namespace

std::string expected_words(const PairExpectation& expected) {
  std::string words = fmt::format("{} links of {} GB/s one way", expected.links_there.value_or(0),
                                  format_number(expected.link_GBps.value_or(0.0)));
  const auto& rate = expected.likely ? expected.likely : expected.floor;
  if (rate)
    return fmt::format("{} should give {} {} GB/s ({})", words, expected.likely ? "about" : "at least",
                       format_number(rate->GBps), rate->source);
  return fmt::format("{} carry up to {} GB/s", words,
                     format_number(expected.links_there.value_or(0) * expected.link_GBps.value_or(0.0)));
}

std::optional<double> one_way_GBps(const CheckRecord& check) {
  if (!check.value || check.unit != "GB/s") return std::nullopt;
  return is_both_ways(check.id) ? *check.value / 2.0 : *check.value;
}

std::optional<std::size_t> gpu_at(const Host& host, const std::string& pci_address) {
  if (pci_address.empty()) return std::nullopt;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    if (host.gpus[i].pci_address == pci_address) return i;
  return std::nullopt;
}

PairExpectation expect_pair(const Host& host, std::size_t from, std::size_t to, const Platform* platform) {
  const Gpu& a = host.gpus.at(from);
  const Gpu& b = host.gpus.at(to);
  PairExpectation expected;
  expected.from = name_of(a);
  expected.to = name_of(b);
  const topology::Path path = topology::paths_of(host).at(from, to);  // GPUs come first, in the host's order
  expected.path = topology::path_name(path);
  expected.links_up = links_up(host, a, b, path);
  expected.links_there = links_there(host, a, b, platform);
  if (expected.links_up && expected.links_there)
    expected.links_there = std::max(*expected.links_there, *expected.links_up);
  expected.link_GBps = link_speed(a, b, platform);
  expected.pcie_GBps = pcie_payload(a, b);
  if (expected.links_there.value_or(0) > 0) {
    expected.floor = sourced(platform, "threshold", *expected.links_there);
    expected.likely = sourced(platform, "published", *expected.links_there);
  }
  return expected;
}

std::optional<Target> pair_target(const PairExpectation& expected) {
  if (!expected.floor) return std::nullopt;
  Target target;
  target.check = pair_bandwidth;
  target.comparison = Comparison::at_least;
  target.value = expected.floor->GBps;
  target.unit = "GB/s";
  target.source = expected.floor->source;
  target.origin = "built in";
  return target;
}

std::optional<Finding> pair_finding(const CheckRecord& check, const PairExpectation& expected) {
  if (expected.links_there.value_or(0) == 0) return std::nullopt;
  const std::string host = check.participants.empty() ? "this host" : check.participants.front();
  const std::string rate = check.value ? fmt::format("{} {}{}", format_number(*check.value), check.unit,
                                                     is_both_ways(check.id) ? ", both ways together," : "")
                                       : "no figure";
  if (is_fallback(check, expected)) {
    Finding finding = base(check, expected, fallback_slug);
    finding.meaning = fmt::format("{} to {} on {} fell back to PCIe: {} where {}", expected.from, expected.to,
                                  host, rate, expected_words(expected));
    finding.evidence.push_back({"", 0, links_words(expected)});
    if (const std::string access = path_text(check, "access"); !access.empty())
      finding.evidence.push_back({"", 0, "copies go by: " + access});
    finding.advice =
        "Look for inactive NVLinks and for Xid 74 or SXid errors in the kernel log, and whether "
        "nvidia-fabricmanager runs and matches the driver; then reset the GPUs or reseat the board.";
    finding.confidence = "certain";
    return finding;
  }
  if (!expected.links_up || *expected.links_up >= *expected.links_there) return std::nullopt;
  Finding finding = base(check, expected, "nvlink-links-down");
  finding.meaning = fmt::format("{} to {} on {} has {} of {} NVLinks up and reaches {} where {}",
                                expected.from, expected.to, host, *expected.links_up, *expected.links_there,
                                rate, expected_words(expected));
  finding.evidence.push_back({"", 0, links_words(expected)});
  finding.advice =
      "Reset the GPUs, then reboot the node; links that stay down are a fault of the GPU, its board or its "
      "bridge: have it replaced.";
  finding.confidence = "certain";
  return finding;
}

std::string pair_reason(const Finding& finding, const PairExpectation& expected) {
  return fmt::format("{} where {}",
                     finding.slug == fallback_slug
                         ? "fell back to PCIe"
                         : fmt::format("{} of {} NVLinks up", expected.links_up.value_or(0),
                                       expected.links_there.value_or(0)),
                     expected_words(expected));
}

void note_topology(CheckRecord& check, const Host& host) {
  const auto from = gpu_at(host, path_text(check, "gpu_from")), to = gpu_at(host, path_text(check, "gpu_to"));
  if (!from || !to) return;
  (*check.path)["gpu_from_name"] = name_of(host.gpus[*from]);
  (*check.path)["gpu_to_name"] = name_of(host.gpus[*to]);
  (*check.path)["topology"] = topology::path_name(topology::paths_of(host).at(*from, *to));
}

}  // namespace fabricheck::nvlink
