// What the devices tell of the host: passthrough, flat PCI tree, IOMMU, dmabuf.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "topology/probe/environment.hpp"
#include "topology/probe/pci.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

/// PCI addresses of GPUs and RDMA NICs.
std::set<std::string> device_addresses(const Host& host) {
  std::set<std::string> addresses;
  for (const PciNode& node : host.pci) {
    if (node.kind == "gpu") addresses.insert(node.address);
  }
  for (const RdmaDevice& device : host.rdma_devices) {
    if (!device.pci_address.empty()) addresses.insert(device.pci_address);
  }
  return addresses;
}

std::optional<bool> is_passthrough(const Host& host) {
  if (host.environment.hypervisor.empty()) return std::nullopt;
  if (host.environment.hypervisor == "none") return false;
  return !device_addresses(host).empty();
}

/// What one group of devices goes through: "DMA", "DMA-FQ" translate, "identity" does not. Groups of VFIO
/// have other words.
std::string type_of_group(const fs::path& folder) { return read_text(folder / "type").value_or(""); }

std::string iommu(const std::string& sysroot, const Host& host, std::vector<std::string>& unknown) {
  const fs::path root(sysroot);
  std::error_code error;
  if (!fs::is_directory(root / "sys/class", error) || !fs::is_directory(root / "sys/kernel", error))
    return {};
  const fs::path groups = root / "sys/kernel/iommu_groups";
  std::string why;
  const auto units = folder_entries(root / "sys/class/iommu", why).value_or(std::vector<std::string>{});
  const auto names = folder_entries(groups, why).value_or(std::vector<std::string>{});
  if (units.empty() && names.empty()) return "off";
  std::vector<std::string> types;
  for (const std::string& address : device_addresses(host)) {
    const fs::path group = fs::path(link_target(pci_folder(sysroot) / address / "iommu_group")).filename();
    if (!group.empty()) types.push_back(type_of_group(groups / group));
  }
  if (types.empty()) {
    for (const std::string& name : names) types.push_back(type_of_group(groups / name));
  }
  const auto has = [&](std::string_view prefix) {
    return std::any_of(types.begin(), types.end(),
                       [&](const std::string& type) { return type.substr(0, prefix.size()) == prefix; });
  };
  if (has("DMA")) return "translated";
  if (has("identity")) return "passthrough";
  const std::string command_line = " " + read_text(root / "proc/cmdline").value_or("") + " ";
  if (command_line.find(" iommu=pt ") != std::string::npos ||
      command_line.find(" iommu.passthrough=1 ") != std::string::npos) {
    return "passthrough";
  }
  unknown.push_back(
      fmt::format("IOMMU: there is one, and no group in {} says whether it translates", groups.string()));
  return {};
}

/// "6.8.0-45-generic" as 6 and 8.
std::optional<std::pair<long, long>> kernel_version(std::string_view release) {
  const std::size_t first = release.find('.');
  if (first == std::string_view::npos) return std::nullopt;
  const std::size_t end = std::min(release.find_first_not_of("0123456789", first + 1), release.size());
  const auto major = parse_number(release.substr(0, first));
  const auto minor = parse_number(release.substr(first + 1, end - first - 1));
  if (!major || !minor) return std::nullopt;
  return std::pair{*major, *minor};
}

/// NVIDIA's open kernel modules export memory as dmabuf, the closed ones do not (README of the driver,
/// chapter "Open Linux Kernel Modules"); RDMA can take it since Linux 5.12.
std::optional<bool> has_dmabuf(const std::string& sysroot, const Host& host,
                               std::vector<std::string>& unknown) {
  if (host.gpus.empty()) return std::nullopt;
  const fs::path file = fs::path(sysroot) / "proc/driver/nvidia/version";
  std::string why;
  const auto text = read_text(file, why);
  if (!text) {
    unknown.push_back(
        fmt::format("dmabuf: {} cannot be read ({}), so it is not known whether the NVIDIA driver's "
                    "modules are the open ones, which have it",
                    file.string(), why));
    return std::nullopt;
  }
  if (text->find("Open Kernel Module") == std::string::npos) return false;
  const auto version = kernel_version(host.kernel);
  if (version && *version >= std::pair{5L, 12L}) return true;
  unknown.push_back(
      fmt::format("dmabuf: RDMA has it since Linux 5.12; whether kernel {} was given it is not known",
                  host.kernel.empty() ? "(not known)" : printable(host.kernel)));
  return std::nullopt;
}

}  // namespace

std::optional<bool> is_flat_pci_tree(const Host& host) {
  const auto addresses = device_addresses(host);
  std::map<std::string, const PciNode*> nodes;
  for (const PciNode& node : host.pci) nodes.emplace(node.address, &node);
  // Functions of one device hang together whatever the tree: one of them stands for all.
  std::map<std::string, const PciNode*> devices;
  for (const std::string& address : addresses) {
    const auto node = nodes.find(address);
    if (node == nodes.end() || node->second->root.empty()) return std::nullopt;
    devices.emplace(address.substr(0, address.rfind('.')), node->second);
  }
  if (devices.size() < 2) return false;
  std::set<std::string> bridges;
  bool joined = false;
  bool below_bridge = false;
  for (const auto& device : devices) {
    constexpr int kDeepest = 256;
    const PciNode* node = device.second;
    for (int depth = 0; depth < kDeepest && !node->parent.empty(); ++depth) {
      below_bridge = true;
      if (!bridges.insert(node->parent).second) joined = true;
      const auto parent = nodes.find(node->parent);
      if (parent == nodes.end()) break;
      node = parent->second;
    }
  }
  if (joined) return false;
  if (!below_bridge) return true;
  // Real machines have a root port for each device at least; so do virtual ones, where it means nothing.
  if (host.environment.hypervisor.empty()) return std::nullopt;
  return host.environment.hypervisor != "none";
}

void add_facts_of_devices(const std::string& sysroot, Host& host) {
  HostEnvironment& environment = host.environment;
  environment.passthrough = is_passthrough(host);
  environment.flat_pci_tree = is_flat_pci_tree(host);
  environment.iommu = iommu(sysroot, host, host.unknown);
  environment.dmabuf = has_dmabuf(sysroot, host, host.unknown);
}

}  // namespace fabricheck::topology
