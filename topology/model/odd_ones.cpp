#include "topology/model/odd_ones.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "topology/model/pci_tree.hpp"

namespace fabricheck::topology {
namespace {

using Island = std::vector<std::size_t>;

std::string gpu_name(const Host& host, std::size_t gpu) { return fmt::format("GPU{}", host.gpus[gpu].index); }

/// The value that more than half of them have.
template <class Value>
std::optional<Value> usual(const std::map<Value, std::size_t>& counts) {
  std::size_t all = 0;
  for (const auto& [value, count] : counts) all += count;
  for (const auto& [value, count] : counts)
    if (2 * count > all) return value;
  return std::nullopt;
}

bool is_split(const Gpu& gpu) { return gpu.mig_enabled.value_or(false); }

/// Said elsewhere, with the link's number.
bool has_inactive_link(const Gpu& gpu) {
  return std::any_of(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                     [](const NvLink& link) { return link.active && !*link.active; });
}

class NvLinks {
 public:
  NvLinks(const Host& host, const PathMatrix& paths, std::vector<OddOne>& found)
      : host_(host), paths_(paths), found_(found) {}

  void look() {
    const auto islands = nvlink_islands(paths_);
    Island alone;
    const Island* joined = nullptr;
    for (const Island& island : islands) {
      if (const auto links = mesh_nvlinks(paths_, island)) look_into(island, *links);
      if (island.size() == 1)
        alone.push_back(island.front());
      else
        joined = joined == nullptr ? &island : nullptr;
    }
    if (joined != nullptr && alone.size() == 1 && islands.size() == 2) look_at_alone(*joined, alone.front());
  }

 private:
  bool is_comparable(std::size_t gpu) const {
    return !is_split(host_.gpus[gpu]) && !has_inactive_link(host_.gpus[gpu]);
  }

  void look_into(const Island& island, int links) {
    Island whole;
    for (const std::size_t gpu : island) {
      int most = 0;
      bool all_told = true;
      for (const std::size_t other : island) {
        if (other == gpu) continue;
        most = std::max(most, paths_.at(gpu, other).nvlinks);
        all_told = all_told && paths_.at(gpu, other).type != PathType::unknown;
      }
      if (most >= links) {
        whole.push_back(gpu);
      } else if (all_told && is_comparable(gpu)) {
        found_.push_back({OddOne::Kind::nvlink_fewer, gpu_name(host_, gpu),
                          fmt::format("NV{} to the others, which reach each other over NV{}", most, links)});
      }
    }
    for (std::size_t a = 0; a < whole.size(); ++a)
      for (std::size_t b = a + 1; b < whole.size(); ++b) look_at_pair(whole[a], whole[b], links);
  }

  void look_at_pair(std::size_t a, std::size_t b, int links) {
    const Path path = paths_.at(a, b);
    if (path.type == PathType::unknown || path.nvlinks >= links) return;
    if (!is_comparable(a) || !is_comparable(b)) return;
    found_.push_back({OddOne::Kind::nvlink_pair, fmt::format("{}-{}", gpu_name(host_, a), gpu_name(host_, b)),
                      fmt::format("{} between them, and NV{} between most others", path_name(path), links)});
  }

  void look_at_alone(const Island& joined, std::size_t gpu) {
    const auto links = mesh_nvlinks(paths_, joined);
    if (!links || !is_comparable(gpu)) return;
    const std::string& model = host_.gpus[gpu].name;
    const std::size_t all = joined.size() + 1;
    constexpr std::size_t kBoard = 4;
    if (model.empty() && all % kBoard != 0) return;
    for (const std::size_t other : joined)
      if (host_.gpus[other].name != model || paths_.at(gpu, other).type == PathType::unknown) return;
    found_.push_back(
        {OddOne::Kind::nvlink_none, gpu_name(host_, gpu),
         fmt::format("no NVLink to the {} others, which reach each other over NV{}", joined.size(), *links)});
  }

  const Host& host_;
  const PathMatrix& paths_;
  std::vector<OddOne>& found_;
};

/// One figure of devices that are built alike: at most a quarter of four or more can be odd.
template <class Value>
class Peers {
 public:
  void add(std::string part, std::optional<Value> value) {
    if (value) devices_.emplace_back(std::move(part), *value);
  }

  template <class Say>
  void for_each_less(Say say) const {
    constexpr std::size_t kFewest = 4;
    if (devices_.size() < kFewest) return;
    std::map<Value, std::size_t> counts;
    for (const auto& device : devices_) ++counts[device.second];
    const auto most = usual(counts);
    if (!most) return;
    const auto less = static_cast<std::size_t>(std::count_if(
        devices_.begin(), devices_.end(), [&](const auto& device) { return device.second < *most; }));
    if (less * kFewest > devices_.size()) return;
    for (const auto& [part, value] : devices_)
      if (value < *most) say(part, value, *most, counts.at(*most));
  }

 private:
  std::vector<std::pair<std::string, Value>> devices_;
};

std::optional<int> positive(const std::optional<int>& value) {
  return value && *value > 0 ? value : std::nullopt;
}

/// Lanes of a link that does not say itself that it could have more.
std::optional<int> lanes_of(const PcieLink& link) {
  return link.max_width ? std::nullopt : positive(link.width);
}

PcieLink link_of(const Host& host, const std::string& address, const PcieLink& told) {
  const PciNode* const node = pci_node(host, address);
  PcieLink link = told;
  if (node == nullptr) return link;
  if (!link.width) link.width = node->link.width;
  if (!link.max_width) link.max_width = node->link.max_width;
  if (!link.speed_GTps) link.speed_GTps = node->link.speed_GTps;
  if (!link.max_speed_GTps) link.max_speed_GTps = node->link.max_speed_GTps;
  return link;
}

void add_slow(const std::map<std::string, Peers<double>>& speeds, OddOne::Kind kind,
              std::vector<OddOne>& found) {
  for (const auto& [model, peers] : speeds)
    peers.for_each_less([&](const std::string& part, double speed, double most, std::size_t others) {
      found.push_back({kind, part, fmt::format("PCIe {:g} GT/s, {} others {:g} GT/s", speed, others, most)});
    });
}

void look_at_gpu_links(const Host& host, std::vector<OddOne>& found) {
  const PciTree tree(host);
  std::map<std::string, Peers<int>> own, above;  // by model
  std::map<std::string, Peers<double>> speeds;
  const bool tells_what_can_be = host.source == "NCCL XML";  // an idle GPU lowers its speed
  for (std::size_t i = 0; i < host.gpus.size(); ++i) {
    const Gpu& gpu = host.gpus[i];
    const PciNode* const node = tree.find(gpu.pci_address);
    const std::string model = gpu.name + (node == nullptr ? "" : node->ids);
    own[model].add(gpu_name(host, i), lanes_of(link_of(host, gpu.pci_address, gpu.pcie)));
    if (tells_what_can_be && node != nullptr) speeds[model].add(gpu_name(host, i), node->link.speed_GTps);
    std::optional<int> least;
    for (const PciNode* const bridge : tree.place(gpu.pci_address, gpu.numa_node).bridges) {
      const auto lanes = lanes_of(bridge->link);
      if (lanes && (!least || *lanes < *least)) least = lanes;
    }
    above[model].add(gpu_name(host, i), least);
  }
  for (const auto& [model, peers] : own)
    peers.for_each_less([&](const std::string& part, int lanes, int most, std::size_t others) {
      found.push_back(
          {OddOne::Kind::gpu_link, part, fmt::format("PCIe x{}, {} others x{}", lanes, others, most)});
    });
  add_slow(speeds, OddOne::Kind::gpu_link, found);
  for (const auto& [model, peers] : above)
    peers.for_each_less([&](const std::string& part, int lanes, int most, std::size_t others) {
      found.push_back(
          {OddOne::Kind::gpu_link, part,
           fmt::format("a PCI bridge above it has x{}, those above {} others x{}", lanes, others, most)});
    });
}

void look_at_nics(const Host& host, const PathMatrix& paths, std::vector<OddOne>& found) {
  std::map<std::string, Peers<int>> lanes;
  std::map<std::string, Peers<double>> speeds;
  for (const Rail& rail : rails_of(host, paths)) {
    const RdmaDevice& nic = host.rdma_devices[rail.nic];
    const PciNode* const node = pci_node(host, nic.pci_address);
    if (node == nullptr || nic.ids.empty()) continue;
    lanes[nic.ids].add(nic.name, lanes_of(node->link));
    speeds[nic.ids].add(nic.name, node->link.max_speed_GTps ? std::nullopt : node->link.speed_GTps);
  }
  for (const auto& [ids, peers] : lanes)
    peers.for_each_less([&](const std::string& part, int width, int most, std::size_t others) {
      found.push_back(
          {OddOne::Kind::nic_link, part, fmt::format("PCIe x{}, {} others x{}", width, others, most)});
    });
  add_slow(speeds, OddOne::Kind::nic_link, found);
}

}  // namespace

std::optional<int> mesh_nvlinks(const PathMatrix& paths, const std::vector<std::size_t>& island) {
  constexpr std::size_t kFewestGpus = 3;
  constexpr int kFewestLinks = 4;
  if (island.size() < kFewestGpus) return std::nullopt;
  std::map<int, std::size_t> counts;
  for (const std::size_t a : island)
    for (const std::size_t b : island)
      if (a < b && paths.at(a, b).type != PathType::unknown) ++counts[paths.at(a, b).nvlinks];
  const auto links = usual(counts);
  return links && *links >= kFewestLinks ? links : std::nullopt;
}

std::vector<OddOne> odd_ones(const Host& host, const PathMatrix& paths) {
  std::vector<OddOne> found;
  NvLinks(host, paths, found).look();
  const std::string& hypervisor = host.environment.hypervisor;
  if (hypervisor.empty() || hypervisor == "none") {
    look_at_gpu_links(host, found);
    look_at_nics(host, paths, found);
  }
  return found;
}

std::vector<std::optional<int>> given_nvlinks(const Host& host, const PathMatrix& paths) {
  const std::size_t size = host.gpus.size();
  std::vector<std::optional<int>> told(size);
  if (!host.given_paths) return told;
  bool any = false;
  bool meshed = false;
  for (const auto& island : nvlink_islands(paths)) {
    any = any || island.size() > 1;
    meshed = meshed || mesh_nvlinks(paths, island);
  }
  for (std::size_t gpu = 0; any && gpu < size; ++gpu) {
    int most = 0;
    int sum = 0;
    bool all_told = true;
    for (std::size_t other = 0; other < size; ++other) {
      if (other == gpu) continue;
      all_told = all_told && paths.at(gpu, other).type != PathType::unknown;
      most = std::max(most, paths.at(gpu, other).nvlinks);
      sum += paths.at(gpu, other).nvlinks;
    }
    if (all_told) told[gpu] = meshed ? most : sum;
  }
  return told;
}

}  // namespace fabricheck::topology
