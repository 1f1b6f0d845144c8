#include "topology/probe/pci_nodes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

#include "topology/probe/pci_config.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

constexpr long kNvmeController = 0x0108;
constexpr long kPciBridge = 0x0604;
constexpr long kSemiTransparentBridge = 0x0609;
constexpr long kNetwork = 0x02;

/// A sentence for many devices with the first as the example.
class Complaint {
 public:
  void add(const std::string& address, const std::string& why = {}) {
    if (count_++ == 0) first_ = why.empty() ? address : fmt::format("{}: {}", address, why);
  }
  int count() const { return count_; }
  std::string devices() const { return fmt::format("{} device{}", count_, count_ == 1 ? "" : "s"); }
  const std::string& first() const { return first_; }

 private:
  int count_{};
  std::string first_;
};

struct Complaints {
  Complaint place, loop, root, config, gone, absent;
};

/// The link that a function's own registers describe: of a root port or a downstream port the one below it.
PcieLink own_link(const fs::path& folder) {
  const auto speed = [&](const char* file) -> std::optional<double> {
    const auto text = read_text(folder / file);
    if (!text) return std::nullopt;
    double value = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, error] = std::from_chars(text->data(), end, value);
    const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
    if (error != std::errc{} || unit.substr(0, 5) != " GT/s" || !std::isfinite(value) || value <= 0)
      return std::nullopt;
    return value;
  };
  const auto width = [&](const char* file) -> std::optional<int> {
    const auto lanes = read_index(folder / file);
    if (!lanes || *lanes < 1 || *lanes > 32) return std::nullopt;  // 0 and 255: not known
    return lanes;
  };
  return {speed("current_link_speed"), width("current_link_width"), speed("max_link_speed"),
          width("max_link_width")};
}

template <typename T>
std::optional<T> smaller(const std::optional<T>& a, const std::optional<T>& b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

/// Of the six memory BARs; lines of `resource` are start, end and flags.
std::optional<std::uint64_t> largest_bar_bytes(const fs::path& folder) {
  const auto text = read_text(folder / "resource");
  if (!text) return std::nullopt;
  std::optional<std::uint64_t> largest;
  int line_number = 0;
  for (const std::string_view line : lines_of(*text)) {
    if (line_number++ == 6) break;
    const auto words = words_of(line);
    if (words.size() != 3) return std::nullopt;
    std::uint64_t values[3] = {};
    for (std::size_t i = 0; i < 3; ++i) {
      if (words[i].substr(0, 2) != "0x") return std::nullopt;
      const char* const end = words[i].data() + words[i].size();
      const auto [stop, error] = std::from_chars(words[i].data() + 2, end, values[i], 16);
      if (error != std::errc{} || stop != end) return std::nullopt;
    }
    constexpr std::uint64_t kMemory = 0x200;
    if ((values[2] & kMemory) == 0 || values[1] <= values[0]) continue;
    largest = std::max(largest.value_or(0), values[1] - values[0] + 1);
  }
  return largest;
}

std::string kind_of(const PciDevice& device) {
  if (is_nvidia_gpu(device)) return "gpu";
  if (is_nvswitch(device)) return "nvswitch";
  if (device.subclass() >> 8 == kNetwork) return "nic";
  if (device.subclass() == kNvmeController) return "nvme";
  if (device.subclass() == kPciBridge || device.subclass() == kSemiTransparentBridge) return "bridge";
  return "other";
}

bool is_kept(const std::string& kind) { return kind != "bridge" && kind != "other"; }

class Tree {
 public:
  Tree(const std::string& sysroot, const std::vector<PciDevice>& devices) : sysroot_(sysroot) {
    for (const PciDevice& device : devices) devices_.emplace(device.address, &device);
  }

  std::vector<PciNode> build(std::vector<std::string>& unknown) {
    for (const auto& [address, device] : devices_) {
      if (is_kept(kind_of(*device))) place(address);
    }
    cut_loops();
    for (auto& entry : nodes_) fill(entry.second);
    for (auto& entry : nodes_) name_port(entry.second);
    for (auto& entry : nodes_) set_link(entry.second);
    report(unknown);
    std::vector<PciNode> result;
    for (auto& entry : nodes_) result.push_back(std::move(entry.second.node));
    return result;
  }

 private:
  struct Entry {
    PciNode node;
    PcieLink own;
    std::optional<int> port_type;
    bool express{};
    bool named{};
  };

  /// Puts the device and all above it into the tree.
  void place(std::string address) {
    std::optional<PciChain> told;  // what the device below says of the way here
    while (nodes_.count(address) == 0) {
      std::string why;
      auto chain = parse_pci_chain(link_target(pci_folder(sysroot_) / address), address, why);
      if (!chain) chain = std::move(told);
      if (!chain) {
        complaints_.place.add(address, why);
        chain = PciChain{};
      }
      PciNode& node = nodes_[address].node;
      node.address = address;
      node.root = chain->root;
      if (chain->bridges.empty()) return;
      node.parent = address = chain->bridges.back();
      chain->bridges.pop_back();
      told = std::move(chain);
    }
  }

  /// Links that contradict each other can make two bridges each other's parent.
  void cut_loops() {
    constexpr int kDeepest = 256;  // buses of a domain
    for (auto& entry : nodes_) {
      const PciNode* node = &entry.second.node;
      for (int depth = 0; depth < kDeepest && !node->parent.empty(); ++depth) {
        node = &nodes_.at(node->parent).node;
      }
      if (node->parent.empty()) continue;
      complaints_.loop.add(entry.first);
      entry.second.node.parent.clear();
      entry.second.node.root.clear();
    }
  }

  void fill(Entry& entry) {
    PciNode& node = entry.node;
    const auto device = devices_.find(node.address);
    node.kind = "bridge";
    if (device == devices_.end()) {
      complaints_.absent.add(node.address);
      return;
    }
    const fs::path folder = pci_folder(sysroot_) / node.address;
    node.kind = kind_of(*device->second);
    if (node.kind == "other") node.kind = "bridge";  // something hangs below it
    node.ids = device->second->ids();
    node.driver = printable(pci_driver(sysroot_, node.address));
    node.numa_node = read_index(folder / "numa_node");
    if (node.kind != "bridge") {
      node.virtual_function = is_virtual_function(sysroot_, *device->second);
      node.largest_bar_bytes = largest_bar_bytes(folder);
    }
    entry.own = own_link(folder);
    std::error_code error;
    entry.express = fs::exists(folder / "max_link_width", error);
    fill_from_config(folder, entry);
  }

  void fill_from_config(const fs::path& folder, Entry& entry) {
    PciNode& node = entry.node;
    std::string why;
    const auto bytes = read_bytes(folder / "config", why, kConfigOfExpress);
    if (!bytes) {
      complaints_.config.add(node.address, fmt::format("its config cannot be read ({})", why));
      return;
    }
    if (bytes->size() <= kConfigWithoutRoot) complaints_.root.add(node.address);
    const PciConfig config = parse_config_space(*bytes);
    if (config.gone) complaints_.gone.add(node.address);
    if (!config.problem.empty()) complaints_.config.add(node.address, config.problem);
    entry.port_type = config.port_type;
    if (node.kind == "bridge") node.acs = config.acs_redirects;
    if (node.virtual_function == true)
      return;  // the physical function's settings hold, and these read as zero
    node.max_payload_bytes = config.max_payload_bytes;
    node.max_read_request_bytes = config.max_read_request_bytes;
    node.relaxed_ordering = config.relaxed_ordering;
  }

  /// Which port a PCI Express bridge is. Without root the place tells: root ports stand at the root, a
  /// switch's upstream port below one, its downstream ports below that.
  void name_port(Entry& entry) {
    if (entry.named) return;
    entry.named = true;
    PciNode& node = entry.node;
    if (node.kind != "bridge") return;
    if (entry.port_type) {
      if (*entry.port_type == 4) node.kind = "root-port";
      if (*entry.port_type == 5) node.kind = "switch-upstream";
      if (*entry.port_type == 6) node.kind = "switch-downstream";
      return;
    }
    if (!entry.express) return;
    if (node.parent.empty()) {
      if (!node.root.empty()) node.kind = "root-port";
      return;
    }
    Entry& parent = nodes_.at(node.parent);
    name_port(parent);
    if (parent.node.kind == "root-port" || parent.node.kind == "switch-downstream") {
      node.kind = "switch-upstream";
    } else if (parent.node.kind == "switch-upstream") {
      node.kind = "switch-downstream";
    }
  }

  void set_link(Entry& entry) {
    PciNode& node = entry.node;
    if (node.kind == "root-port" || node.kind == "switch-downstream") return;
    node.link = entry.own;
    if (node.parent.empty()) return;
    const Entry& parent = nodes_.at(node.parent);
    if (parent.node.kind != "root-port" && parent.node.kind != "switch-downstream") return;
    node.link.max_speed_GTps = smaller(node.link.max_speed_GTps, parent.own.max_speed_GTps);
    node.link.max_width = smaller(node.link.max_width, parent.own.max_width);
  }

  void report(std::vector<std::string>& unknown) const {
    const auto& c = complaints_;
    if (c.place.count() > 0) {
      unknown.push_back(fmt::format("PCI: what {} hang{} below is not known (first: {})", c.place.devices(),
                                    c.place.count() == 1 ? "s" : "", c.place.first()));
    }
    if (c.loop.count() > 0) {
      unknown.push_back(fmt::format("PCI: links put {} below itself or in a loop (first: {})",
                                    c.loop.devices(), c.loop.first()));
    }
    if (c.absent.count() > 0) {
      unknown.push_back(fmt::format("PCI: {} above others {} no readable entry in {} (first: {})",
                                    c.absent.devices(), c.absent.count() == 1 ? "has" : "have",
                                    pci_folder(sysroot_).string(), c.absent.first()));
    }
    if (c.gone.count() > 0) {
      unknown.push_back(fmt::format(
          "PCI: {} answer{} nothing but ones and fell off the bus (first: {}); look for AER lines "
          "in the kernel log, and power the node off and on",
          c.gone.devices(), c.gone.count() == 1 ? "s" : "", c.gone.first()));
    }
    if (c.config.count() > 0) {
      unknown.push_back(
          fmt::format("PCI: the configuration space of {} tells nothing or makes no sense (first: {})",
                      c.config.devices(), c.config.first()));
    }
    if (c.root.count() > 0) {
      unknown.push_back(
          fmt::format("PCI: ACS, MaxPayload, MaxReadReq and relaxed ordering of {} are not known, for "
                      "without root only 64 "
                      "bytes of configuration space can be read (first: {}); run as root to see them",
                      c.root.devices(), c.root.first()));
    }
  }

  std::string sysroot_;
  std::map<std::string, const PciDevice*> devices_;
  std::map<std::string, Entry> nodes_;
  Complaints complaints_;
};

/// "pci0000:17" is 0000:17.
std::optional<std::string> host_bridge(std::string_view name) {
  if (name.substr(0, 3) != "pci") return std::nullopt;
  const auto address = pci_address(fmt::format("{}:00.0", name.substr(3)));
  if (!address) return std::nullopt;
  return address->substr(0, address->size() - 5);
}

}  // namespace

std::optional<PciChain> parse_pci_chain(std::string_view target, std::string_view address, std::string& why) {
  constexpr std::size_t kDeepest = 64;
  if (target.empty()) {
    why = "its entry is no link; a recording must keep the links of sys/bus/pci/devices";
    return std::nullopt;
  }
  PciChain chain;
  bool below_root = false;
  for (std::size_t at = 0; at < target.size();) {
    const std::size_t end = std::min(target.find('/', at), target.size());
    const std::string_view part = target.substr(at, end - at);
    at = end + 1;
    if (auto root = host_bridge(part)) {
      chain = {std::move(*root), {}};  // a second one is a domain behind a device (Intel VMD)
      below_root = true;
    } else if (below_root) {
      const auto bridge = pci_address(part);
      if (!bridge || chain.bridges.size() == kDeepest ||
          std::find(chain.bridges.begin(), chain.bridges.end(), *bridge) != chain.bridges.end()) {
        chain.bridges.clear();
        break;
      }
      chain.bridges.push_back(*bridge);
    }
  }
  if (chain.bridges.empty() || chain.bridges.back() != address) {
    why = fmt::format("its entry links to {}, which is no way down from a host bridge to it",
                      in_quotes(target));
    return std::nullopt;
  }
  chain.bridges.pop_back();
  return chain;
}

std::vector<PciNode> pci_nodes(const std::string& sysroot, const std::vector<PciDevice>& devices,
                               std::vector<std::string>& unknown) {
  return Tree(sysroot, devices).build(unknown);
}

}  // namespace fabricheck::topology
