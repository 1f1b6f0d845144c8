#include "topology/draw/words.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "topology/model/cpu_list.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/odd_ones.hpp"
#include "topology/model/pci_tree.hpp"

namespace fabricheck::topology {
namespace {

/// "NOT ANSWERING: why".
std::string status_words(const std::string& status, const std::string& problem) {
  if (status == "answers") return {};
  std::string words = status.empty() ? std::string("STATE NOT KNOWN") : status;
  std::transform(words.begin(), words.end(), words.begin(),
                 [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
  return problem.empty() ? words : words + ": " + problem;
}

std::string counted(const std::optional<std::uint64_t>& count, std::string_view what) {
  return count.value_or(0) == 0 ? std::string() : plural(static_cast<std::size_t>(*count), what);
}

/// What the other GPUs of the host show to be possible; all that it has where NVSwitches join them.
std::size_t expected_nvlinks(const Host& host, const Gpu& gpu) {
  std::size_t most = 0;
  for (const Gpu& other : host.gpus)
    if (other.name == gpu.name) most = std::max(most, active_nvlinks(other));
  const bool by_switch = std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                     [](const NvLink& link) { return link.remote == "switch"; });
  return by_switch ? std::max(most, gpu.nvlinks.size()) : most;
}

bool serves(const RdmaPort& port) { return port.state.empty() || port.state == "ACTIVE"; }

}  // namespace

std::string plural(std::size_t count, std::string_view what) {
  return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string gibibytes(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes) / (1024.0 * 1024.0 * 1024.0);
  return value < 100 ? fmt::format("{:.1f} GiB", value) : fmt::format("{:.0f} GiB", value);
}

std::string join(const std::vector<std::string>& parts, std::string_view between) {
  std::string text;
  for (const std::string& part : parts) {
    if (part.empty()) continue;
    if (!text.empty()) text += between;
    text += part;
  }
  return text;
}

std::string machine_words(const Host& host) {
  const HostEnvironment& environment = host.environment;
  std::vector<std::string> parts{environment.product};
  if (environment.hypervisor == "none") {
    parts.emplace_back("bare metal");
  } else if (!environment.hypervisor.empty()) {
    parts.push_back(fmt::format("virtual machine ({}{})", environment.hypervisor,
                                environment.passthrough.value_or(false) ? ", devices passed through" : ""));
  }
  if (!environment.container.empty() && environment.container != "none")
    parts.push_back("in a container (" + environment.container + ")");
  return join(parts, ", ");
}

std::string flat_words(const Host& host) {
  return host.environment.flat_pci_tree.value_or(false)
             ? "the PCI tree is a virtual one: devices may be nearer to each other than it shows"
             : "";
}

std::string software_words(const Host& host) {
  std::string text =
      host.kernel.empty() ? std::string("Linux release not known") : fmt::format("Linux {}", host.kernel);
  if (!host.gpu_driver.empty()) text += fmt::format(", NVIDIA driver {}", host.gpu_driver);
  if (!host.cuda_version.empty()) text += fmt::format(", CUDA up to {}", host.cuda_version);
  return text;
}

PcieLink link_of(const Host& host, const std::string& pci_address, const PcieLink& told) {
  const PciNode* const node = pci_node(host, pci_address);
  PcieLink link = told;
  if (!node) return link;
  if (!link.speed_GTps) link.speed_GTps = node->link.speed_GTps;
  if (!link.width) link.width = node->link.width;
  if (!link.max_speed_GTps) link.max_speed_GTps = node->link.max_speed_GTps;
  if (!link.max_width) link.max_width = node->link.max_width;
  return link;
}

bool narrow(const PcieLink& link) { return link.width && link.max_width && *link.width < *link.max_width; }

bool slow(const PcieLink& link) {
  return link.speed_GTps && link.max_speed_GTps && *link.speed_GTps < *link.max_speed_GTps;
}

std::string link_words(const PcieLink& link, bool is_gpu) {
  std::vector<std::string> parts;
  if (slow(link)) {
    parts.push_back(fmt::format("{:g} of {:g} GT/s{}", *link.speed_GTps, *link.max_speed_GTps,
                                is_gpu ? " (idle GPUs lower it)" : ""));
  } else if (link.speed_GTps) {
    parts.push_back(fmt::format("{:g} GT/s", *link.speed_GTps));
  }
  if (narrow(link)) {
    parts.push_back(fmt::format("x{} of x{}", *link.width, *link.max_width));
  } else if (link.width) {
    parts.push_back(fmt::format("x{}", *link.width));
  }
  if (narrow(link) || (slow(link) && !is_gpu)) parts.emplace_back("(!)");
  return join(parts, " ");
}

std::size_t active_nvlinks(const Gpu& gpu) {
  return static_cast<std::size_t>(
      std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                    [](const NvLink& link) { return link.active.value_or(false); }));
}

bool nvlinks_missing(const Host& host, const Gpu& gpu) {
  return gpu.status == "answers" && active_nvlinks(gpu) < expected_nvlinks(host, gpu);
}

std::string nvlink_words(const Gpu& gpu) {
  if (gpu.nvlinks.empty()) return {};
  double rate_GBps = 0;
  std::size_t rates = 0;
  std::size_t unknown = 0;
  for (const NvLink& link : gpu.nvlinks) {
    if (!link.active) ++unknown;
    if (!link.active.value_or(false) || !link.speed_GBps) continue;
    rate_GBps += *link.speed_GBps;
    ++rates;
  }
  const std::size_t active = active_nvlinks(gpu);
  std::string text = fmt::format("{} of {} active", active, plural(gpu.nvlinks.size(), "NVLink"));
  if (rates > 0 && rates == active) text += fmt::format(", {:.0f} GB/s one way", rate_GBps);
  if (unknown > 0) text += fmt::format(", {} not known", unknown);
  return text;
}

std::string nvswitch_words(const Host& host) {
  const auto count = std::count_if(host.pci.begin(), host.pci.end(),
                                   [](const PciNode& node) { return node.kind == "nvswitch"; });
  return count == 0 ? std::string() : fmt::format("{} NVSwitch{}", count, count == 1 ? "" : "es");
}

bool from_file(const Host& host) { return host.source != "live" && host.source != "recorded"; }

std::string status_words(const Host& host, const Gpu& gpu) {
  if (from_file(host) && (gpu.status == "not asked" || gpu.status.empty())) return {};
  return status_words(gpu.status, gpu.problem);
}
std::string status_words(const RdmaDevice& nic) { return status_words(nic.status, {}); }

std::vector<std::string> health_words(const GpuHealth& health) {
  std::vector<std::string> words;
  const auto add = [&](std::string sentence) {
    if (!sentence.empty()) words.push_back(std::move(sentence));
  };
  if (health.remap_failed.value_or(false)) add("row remapping FAILED: the GPU needs replacing");
  add(counted(health.ecc_uncorrected, "uncorrected ECC error"));
  if (health.remap_pending.value_or(false)) add("row remapping pending: the GPU needs a reset");
  if (health.page_retirement_pending.value_or(false)) add("page retirement pending: the GPU needs a reset");
  if (health.throttle_reasons) {
    std::vector<std::string> reasons;
    for (const std::string& reason : *health.throttle_reasons)
      if (reason.substr(0, 2) == "hw" || reason.find("thermal") != std::string::npos)
        reasons.push_back(reason);
    if (!reasons.empty()) add("throttled: " + join(reasons, ", "));
  }
  for (const NvLinkErrors& link : health.nvlink_errors) {
    std::vector<std::string> parts{counted(link.replay, "replay")};
    if (link.recovery.value_or(0) > 0)
      parts.push_back(fmt::format("{} {}", *link.recovery, *link.recovery == 1 ? "recovery" : "recoveries"));
    parts.push_back(counted(link.crc_flit, "flit CRC error"));
    parts.push_back(counted(link.crc_data, "data CRC error"));
    const std::string text = join(parts, ", ");
    if (!text.empty()) add(fmt::format("NVLink {}: {}", link.index, text));
  }
  return words;
}

std::string roce_words(const RdmaPort& port) {
  if (port.gids.empty() && port.state.empty()) return {};  // a file that tells neither
  // hwloc's files name no kind of GID.
  const auto is_untyped = [](const Gid& gid) { return gid.type.empty(); };
  if (!port.gids.empty() && std::all_of(port.gids.begin(), port.gids.end(), is_untyped)) return {};
  std::vector<int> usable;
  int link_local = 0;
  for (const Gid& gid : port.gids) {
    if (gid.type != "RoCE v2") continue;
    if (gid.address.substr(0, 4) == "fe80") {
      ++link_local;
    } else {
      usable.push_back(gid.index);
    }
  }
  if (usable.empty()) {
    return link_local == 0 ? "no usable RoCE v2 GID"
                           : fmt::format("no usable RoCE v2 GID ({} link-local only)", link_local);
  }
  return fmt::format("{} (index {})", plural(usable.size(), "usable RoCE v2 GID"), format_cpu_list(usable));
}

std::string fabric_state_words(const GpuFabric& fabric) {
  return fabric.state == "not-started"   ? "not started"
         : fabric.state == "in-progress" ? "in progress"
                                         : fabric.state;
}

std::vector<std::string> gpu_problems(const Host& host, const Gpu& gpu) {
  std::vector<std::string> problems;
  if (gpu.status != "answers" && gpu.status != "hidden" && gpu.status != "not asked")
    problems.push_back(status_words(host, gpu));
  const PcieLink link = link_of(host, gpu.pci_address, gpu.pcie);
  if (narrow(link)) problems.push_back(fmt::format("PCIe x{} of x{}", *link.width, *link.max_width));
  const std::size_t active = active_nvlinks(gpu);
  if (nvlinks_missing(host, gpu))
    problems.push_back(fmt::format("{} of {} active", active, plural(expected_nvlinks(host, gpu), "NVLink")));
  if (gpu.fabric && (gpu.fabric->state == "in-progress" || gpu.fabric->state == "not-started"))
    problems.push_back("NVLink fabric " + fabric_state_words(*gpu.fabric));
  if (gpu.fabric && gpu.fabric->state == "completed" && !gpu.fabric->status.empty() &&
      gpu.fabric->status != "Success")
    problems.push_back("NVLink fabric: " + gpu.fabric->status);
  if (gpu.health) {
    const auto health = health_words(*gpu.health);
    problems.insert(problems.end(), health.begin(), health.end());
  }
  return problems;
}

std::vector<std::string> nic_problems(const Host& host, const RdmaDevice& nic) {
  std::vector<std::string> problems;
  if (nic.status != "answers") problems.push_back(status_words(nic));
  const PcieLink link = link_of(host, nic.pci_address);
  if (narrow(link)) problems.push_back(fmt::format("PCIe x{} of x{}", *link.width, *link.max_width));
  if (slow(link))
    problems.push_back(fmt::format("PCIe {:g} of {:g} GT/s", *link.speed_GTps, *link.max_speed_GTps));
  for (const RdmaPort& port : nic.ports)
    if (!serves(port)) problems.push_back(fmt::format("port {} {}", port.number, port.state));
  return problems;
}

std::vector<std::string> folded(const std::vector<std::pair<std::string, std::string>>& nic_words) {
  std::vector<std::string> sentences;
  for (auto first = nic_words.begin(); first != nic_words.end(); ++first) {
    const auto same = [&](const auto& other) { return other.second == first->second; };
    if (first->second.empty() || std::find_if(nic_words.begin(), first, same) != first) continue;
    std::vector<std::string> names;
    for (const auto& [name, words] : nic_words)
      if (words == first->second) names.push_back(name);
    sentences.push_back(fmt::format("{}: {}", fold_names(std::move(names)), first->second));
  }
  return sentences;
}

std::vector<std::string> odd_words(const Host& host, const PathMatrix& paths) {
  std::vector<std::pair<std::string, std::string>> words;
  for (OddOne& odd : odd_ones(host, paths)) words.emplace_back(std::move(odd.part), std::move(odd.what));
  std::vector<std::string> sentences = folded(words);
  constexpr std::size_t kMostListed = 8;
  if (sentences.size() > kMostListed) {
    const std::size_t left_out = sentences.size() - kMostListed;
    sentences.resize(kMostListed);
    sentences.push_back(fmt::format("and {} more", left_out));
  }
  return sentences;
}

std::vector<std::string> host_problems(const Host& host) {
  std::vector<std::string> problems;
  std::vector<std::string> gpus;
  for (const Gpu& gpu : host.gpus) gpus.push_back(join(gpu_problems(host, gpu), ", "));
  for (std::size_t first = 0; first < gpus.size(); ++first) {
    const auto begin = gpus.begin();
    const auto end = begin + static_cast<std::ptrdiff_t>(first);
    if (gpus[first].empty() || std::find(begin, end, gpus[first]) != end) continue;
    std::vector<std::size_t> alike;
    for (std::size_t i = first; i < gpus.size(); ++i)
      if (gpus[i] == gpus[first]) alike.push_back(i);
    problems.push_back(fmt::format("{}: {}", gpu_names(host, alike), gpus[first]));
  }
  std::vector<std::pair<std::string, std::string>> nics;
  for (const RdmaDevice& nic : host.rdma_devices)
    nics.emplace_back(nic.name, join(nic_problems(host, nic), ", "));
  for (const auto& sentences : {folded(nics), odd_words(host, paths_of(host))})
    problems.insert(problems.end(), sentences.begin(), sentences.end());
  return problems;
}

std::string gpudirect_words(const Host& host) {
  if (host.gpus.empty() || host.rdma_devices.empty()) return {};
  const HostEnvironment& environment = host.environment;
  std::vector<std::string> parts;
  if (!environment.modules.empty()) {
    for (const std::string_view name : {"nvidia_peermem", "gdrdrv", "nvidia_fs"}) {
      const bool loaded = environment.modules.count(std::string(name)) > 0;
      if (loaded || name == "nvidia_peermem")
        parts.push_back(fmt::format("{} {}loaded", name, loaded ? "" : "not "));
    }
  }
  if (environment.dmabuf) parts.emplace_back(*environment.dmabuf ? "dmabuf possible" : "no dmabuf");
  std::vector<std::string> redirecting;
  bool acs_known = false;
  for (const PciNode& node : host.pci) {
    acs_known = acs_known || node.acs.has_value();
    if (node.acs.value_or(false)) redirecting.push_back(node.address);
  }
  constexpr std::size_t kNamed = 3;
  if (redirecting.size() > kNamed) {
    parts.push_back(fmt::format("ACS sends peer-to-peer traffic through the CPU at {} bridges ({}, …) (!)",
                                redirecting.size(), redirecting.front()));
  } else if (!redirecting.empty()) {
    parts.push_back(
        fmt::format("ACS sends peer-to-peer traffic through the CPU at {} (!)", join(redirecting, ", ")));
  } else if (acs_known) {
    parts.emplace_back("ACS leaves peer-to-peer traffic alone");
  }
  if (!environment.iommu.empty()) parts.push_back("IOMMU " + environment.iommu);
  return join(parts, "; ");
}

std::string gpu_names(const Host& host, const std::vector<std::size_t>& gpus) {
  std::vector<int> indices;
  indices.reserve(gpus.size());
  for (const std::size_t gpu : gpus) indices.push_back(host.gpus[gpu].index);
  return "GPU" + format_cpu_list(indices);
}

bool nvlinks_are_direct(const Host& host, const PathMatrix& paths) {
  for (const Gpu& gpu : host.gpus)
    for (const NvLink& link : gpu.nvlinks)
      if (link.remote == "gpu") return true;
  if (!host.given_paths) return false;
  for (const auto& island : nvlink_islands(paths))
    if (mesh_nvlinks(paths, island)) return false;
  int links = 0;
  for (std::size_t a = 0; a < host.gpus.size(); ++a) {
    for (std::size_t b = 0; b < a; ++b) {
      const Path path = paths.at(a, b);
      if (path.type == PathType::unknown) continue;
      if (path.type != PathType::nvlink || (links > 0 && path.nvlinks != links)) return true;
      links = path.nvlinks;
    }
  }
  return false;
}

std::optional<std::size_t> rail_number(const std::vector<Rail>& rails, std::size_t nic) {
  for (std::size_t number = 0; number < rails.size(); ++number)
    if (rails[number].nic == nic) return number;
  return std::nullopt;
}

}  // namespace fabricheck::topology
