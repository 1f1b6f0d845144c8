// What joins the devices of a host, and what is not known of it.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "topology/draw/words.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::topology {
namespace {

/// A file does not tell; a machine that was looked at did not show.
std::string_view untold(const Host& host) { return from_file(host) ? "not told" : "not known"; }

bool serves(const RdmaPort& port) { return port.state.empty() || port.state == "ACTIVE"; }

/// An active link to nothing that is named.
bool leads_nowhere(const NvLink& link) {
  return link.active.value_or(false) && link.remote_pci_address.empty() && link.remote != "switch" &&
         link.remote != "cpu";
}

/// Why this NIC is no rail.
std::string railless_reason(const Host& host, const PathMatrix& paths, std::size_t nic) {
  const RdmaDevice& device = host.rdma_devices[nic];
  if (device.status != "answers") return "does not answer";
  std::vector<std::size_t> dark;
  for (std::size_t gpu = 0; gpu < host.gpus.size(); ++gpu)
    if (paths.at(gpu, host.gpus.size() + nic).type == PathType::unknown) dark.push_back(gpu);
  if (!dark.empty()) return fmt::format("path to {} {}", gpu_names(host, dark), untold(host));
  if (!device.ports.empty() && std::none_of(device.ports.begin(), device.ports.end(), serves))
    return fmt::format("port is {}", device.ports.front().state);
  return "serves no GPU best: management or storage?";
}

bool is_near(const Path& path) { return path.type == PathType::pix || path.type == PathType::pxb; }

/// More than half of the GPUs have a NIC behind their own PCI switch.
bool most_have_a_near_nic(const Host& host, const PathMatrix& paths) {
  std::size_t near = 0;
  for (std::size_t gpu = 0; gpu < host.gpus.size(); ++gpu)
    for (std::size_t nic = 0; nic < host.rdma_devices.size(); ++nic)
      if (is_near(paths.at(gpu, host.gpus.size() + nic))) {
        ++near;
        break;
      }
  return 2 * near > host.gpus.size();
}

}  // namespace

std::string island_words(const Host& host, const PathMatrix& paths) {
  const auto islands = nvlink_islands(paths);
  std::vector<std::string> joined;
  std::vector<std::size_t> alone;
  for (const auto& island : islands) {
    if (island.size() == 1) {
      alone.push_back(island.front());
      continue;
    }
    int least = std::numeric_limits<int>::max();
    int most = 0;
    bool every_pair = true;
    bool all_told = true;
    for (const std::size_t a : island) {
      for (const std::size_t b : island) {
        if (a == b) continue;
        if (paths.at(a, b).type != PathType::nvlink) {
          (paths.at(a, b).type == PathType::unknown ? all_told : every_pair) = false;
          continue;
        }
        least = std::min(least, paths.at(a, b).nvlinks);
        most = std::max(most, paths.at(a, b).nvlinks);
      }
    }
    const std::string pairs = join({every_pair ? "" : ", not every pair directly",
                                    all_told ? std::string() : fmt::format(", some pairs {}", untold(host))},
                                   "");
    const std::string links =
        least == most ? fmt::format("NV{}", most) : fmt::format("NV{} to NV{}", least, most);
    joined.push_back(fmt::format("{} ({}{})",
                                 island.size() == host.gpus.size() ? fmt::format("all {} GPUs", island.size())
                                                                   : gpu_names(host, island),
                                 links, pairs));
  }
  if (joined.empty()) return {};
  if (!alone.empty()) joined.push_back("alone: " + gpu_names(host, alone));
  return join(joined, "; ");
}

std::string no_island_words(const Host& host, const PathMatrix& paths) {
  const auto any = [&](auto test) { return std::any_of(host.gpus.begin(), host.gpus.end(), test); };
  if (host.gpus.empty()) return {};
  if (any([](const Gpu& gpu) { return std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(), leads_nowhere); }))
    return fmt::format("NVLinks are there; what they lead to is {}", untold(host));
  const bool told = any([](const Gpu& gpu) { return !gpu.nvlinks.empty(); });
  if (!told && !host.given_paths) {
    if (from_file(host)) return "not told by the file";
    if (host.gpu_driver.empty()) return "not known";
  }
  for (std::size_t a = 0; host.given_paths && a < host.gpus.size(); ++a)
    for (std::size_t b = 0; b < a; ++b)
      if (paths.at(a, b).type == PathType::unknown)
        return fmt::format("none as far as it shows; the paths between some GPUs are {}", untold(host));
  if (host.given_paths && host.gpus.size() > 1)
    return "none shown, as in any matrix of nvidia-smi topo -mp, which leaves them out";
  return "none, no GPU reaches another by NVLink";
}

std::vector<std::string> missing_words(const Host& host) {
  const bool gpus = !host.gpus.empty();
  const bool nics = !host.rdma_devices.empty();
  const bool blind = host.pci.empty() &&
                     std::any_of(host.unknown.begin(), host.unknown.end(), [](const std::string& sentence) {
                       return sentence.substr(0, 5) == "PCI: ";
                     });
  std::vector<std::string> words;
  const auto add = [&](std::string_view what) {
    words.push_back(from_file(host) ? fmt::format("no {} told by the file", what)
                    : blind         ? fmt::format("{}s not known", what)
                                    : fmt::format("no {}", what));
  };
  if (!gpus) add("GPU");
  if (!nics) add("RDMA NIC");
  return words;
}

std::string missing_sentence(const Host& host) {
  const std::vector<std::string> words = missing_words(host);
  if (words.size() < 2) return join(words, "");
  if (from_file(host)) return "no GPU and no RDMA NIC told by the file";
  return join(words, " and ");
}

std::string railless_words(const Host& host, const PathMatrix& paths, const std::vector<Rail>& rails) {
  std::vector<std::pair<std::string, std::vector<std::string>>> others;
  for (std::size_t nic = 0; nic < host.rdma_devices.size(); ++nic) {
    if (rail_number(rails, nic)) continue;
    const std::string reason = railless_reason(host, paths, nic);
    auto known =
        std::find_if(others.begin(), others.end(), [&](const auto& one) { return one.first == reason; });
    if (known == others.end()) known = others.insert(others.end(), {reason, {}});
    known->second.push_back(host.rdma_devices[nic].name);
  }
  std::vector<std::string> parts;
  parts.reserve(others.size());
  for (const auto& [reason, names] : others)
    parts.push_back(fmt::format("{} ({})", fold_names(names), reason));
  return join(parts, ", ");
}

std::string rail_gpu_words(const Host& host, const PathMatrix& paths, const Rail& rail) {
  const std::size_t nic = host.gpus.size() + rail.nic;
  std::map<PathType, std::vector<std::size_t>> far;
  const bool others_are_near = most_have_a_near_nic(host, paths);
  for (const std::size_t gpu : rail.gpus) {
    const PathType type = paths.at(gpu, nic).type;
    if (type == PathType::sys || (others_are_near && (type == PathType::phb || type == PathType::node)))
      far[type].push_back(gpu);
  }
  std::string all = gpu_names(host, rail.gpus);
  for (const auto& [type, gpus] : far) {
    if (gpus.size() == rail.gpus.size()) return fmt::format("{} only over {}", all, path_name({type, 0}));
    all += fmt::format(", {} only over {}", gpu_names(host, gpus), path_name({type, 0}));
  }
  return all;
}

std::string rail_words(const Host& host, const PathMatrix& paths, const std::vector<Rail>& rails) {
  if (rails.empty()) return {};
  std::vector<std::string> parts;
  for (std::size_t number = 0; number < rails.size(); ++number) {
    const RdmaDevice& nic = host.rdma_devices[rails[number].nic];
    const bool active = nic.ports.empty() || std::any_of(nic.ports.begin(), nic.ports.end(), serves);
    const std::string state = nic.status != "answers" ? status_words(nic) : active ? "" : nic.ports[0].state;
    parts.push_back(fmt::format("rail {} = {} ({})", number, nic.name,
                                join({rail_gpu_words(host, paths, rails[number]), state}, ", ")));
  }
  const std::string others = railless_words(host, paths, rails);
  return join({join(parts, ", "), others.empty() ? "" : "no rail: " + others}, "; ");
}

}  // namespace fabricheck::topology
