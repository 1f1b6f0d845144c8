#include "fabric/verbs/gdr_obstacles.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/units.hpp"
#include "topology/model/pci_tree.hpp"

namespace fabricheck::verbs {
namespace {

/// Bridges with ACS on the way from a device to the root.
void collect_acs(const Host& host, const std::string& address, std::set<std::string>& bridges) {
  const PciNode* node = topology::pci_node(host, address);
  for (std::size_t steps = 0; node && steps < host.pci.size(); ++steps) {
    if (node->acs.value_or(false)) bridges.insert(node->address);
    node = node->parent.empty() ? nullptr : topology::pci_node(host, node->parent);
  }
}

}  // namespace

std::vector<std::string> gdr_obstacles(const Host& host) {
  std::vector<std::string> found;
  const bool peermem =
      host.environment.modules.contains("nvidia_peermem") || host.environment.modules.contains("nv_peer_mem");
  if (!peermem && host.environment.dmabuf == false)
    found.push_back(
        "the module nvidia_peermem is not loaded and the kernel or driver has no DMA-BUF (modprobe "
        "nvidia_peermem, or "
        "the open kernel modules with Linux 5.12 and later)");
  else if (!peermem && !host.environment.dmabuf)
    found.push_back("the module nvidia_peermem is not loaded, and whether DMA-BUF works is not known");
  std::set<std::string> bridges;
  for (const Gpu& gpu : host.gpus) collect_acs(host, gpu.pci_address, bridges);
  for (const RdmaDevice& nic : host.rdma_devices) collect_acs(host, nic.pci_address, bridges);
  if (!bridges.empty()) {
    constexpr std::size_t most = 4;
    std::vector<std::string> shown(
        bridges.begin(),
        std::next(bridges.begin(), static_cast<std::ptrdiff_t>(std::min(most, bridges.size()))));
    found.push_back(
        fmt::format("ACS is on at {} bridge{} above GPUs and NICs ({}{}): peer traffic goes up to the root "
                    "(setpci ECAP_ACS+6.w=0, or off in the BIOS)",
                    bridges.size(), bridges.size() == 1 ? "" : "s", fmt::join(shown, ", "),
                    bridges.size() > most ? ", …" : ""));
  }
  if (host.environment.iommu == "translated")
    found.push_back("the IOMMU translates addresses (boot with iommu=pt)");
  for (const Gpu& gpu : host.gpus) {
    const PciNode* node = topology::pci_node(host, gpu.pci_address);
    if (!node || !node->largest_bar_bytes || !gpu.memory_bytes ||
        *node->largest_bar_bytes >= *gpu.memory_bytes)
      continue;
    found.push_back(
        fmt::format("the BAR of GPU {} holds {} of its {}: a NIC reaches only that much (large BAR in the "
                    "BIOS, Above 4G Decoding)",
                    gpu.index, format_bytes(*node->largest_bar_bytes), format_bytes(*gpu.memory_bytes)));
    break;
  }
  return found;
}

}  // namespace fabricheck::verbs
