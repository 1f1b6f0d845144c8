#include "diagnose/expected_speed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "topology/model/paths.hpp"
#include "topology/model/pcie_rate.hpp"

namespace fabricheck::diagnose {
namespace {

const PciNode* pci_node(const Host& host, const std::string& address) {
  const auto found = std::find_if(host.pci.begin(), host.pci.end(),
                                  [&](const PciNode& node) { return node.address == address; });
  return found == host.pci.end() ? nullptr : &*found;
}

/// What one NIC can send: its active ports, and its PCIe link where that is slower.
std::optional<double> nic_GBps(const Host& host, const RdmaDevice& nic) {
  double rate = 0;
  for (const RdmaPort& port : nic.ports)
    // A topology file of NCCL's tells no state.
    if ((port.state == "ACTIVE" || port.state.empty()) && port.rate_Gbps) rate += *port.rate_Gbps / 8.0;
  if (rate <= 0) return std::nullopt;
  if (const PciNode* node = pci_node(host, nic.pci_address))
    if (const auto link = topology::pcie_GBps(node->link)) rate = std::min(rate, *link);
  return rate;
}

/// What NCCL takes one NVLink for, one way (ncclTopoNVLinkBw, src/graph/topo.h): its topology files count
/// links and tell no rate.
std::optional<double> usual_link_GBps(const std::string& compute_capability) {
  constexpr std::array<std::pair<std::string_view, double>, 6> known = {
      {{"6.0", 18.0}, {"7.0", 20.0}, {"8.0", 20.0}, {"8.6", 12.0}, {"9.0", 20.6}, {"10.0", 40.1}}};
  for (const auto& [capability, rate] : known)
    if (capability == compute_capability) return rate;
  return std::nullopt;
}

/// Nothing where it has NVLinks of a rate that is not known: that of PCIe would be far too low.
std::optional<double> gpu_GBps(const Gpu& gpu) {
  double links = 0;
  for (const NvLink& link : gpu.nvlinks) {
    if (!link.active.value_or(true)) continue;
    const auto speed = link.speed_GBps ? link.speed_GBps : usual_link_GBps(gpu.compute_capability);
    if (!speed) return std::nullopt;
    links += *speed;
  }
  if (links > 0) return links;
  return topology::pcie_GBps(gpu.pcie);
}

}  // namespace

std::optional<SpeedBound> all_reduce_bound(const Host& host, int nodes) {
  if (host.gpus.empty() || nodes < 1) return std::nullopt;
  SpeedBound bound;
  for (const Gpu& gpu : host.gpus) {
    const auto speed = gpu_GBps(gpu);
    if (!speed) {
      bound.inside_GBps.reset();
      break;
    }
    bound.inside_GBps = std::min(bound.inside_GBps.value_or(*speed), *speed);
  }
  std::size_t nics = 0;
  if (nodes > 1) {
    const auto paths = topology::paths_of(host);
    for (const topology::Rail& rail : topology::rails_of(host, paths)) {
      const auto speed = nic_GBps(host, host.rdma_devices[rail.nic]);
      if (!speed) continue;
      bound.network_GBps = bound.network_GBps.value_or(0) + *speed;
      ++nics;
    }
    if (!bound.network_GBps) return std::nullopt;
  }
  const double gpus = static_cast<double>(host.gpus.size());
  const double ranks = gpus * nodes;
  const bool one_gpu_each = host.gpus.size() == 1;
  if (nodes == 1 && (!bound.inside_GBps || one_gpu_each)) return std::nullopt;
  const double factor = 2.0 * (ranks - 1.0) / ranks;
  if (nodes == 1) {
    bound.ring_GBps = *bound.inside_GBps;
    bound.best_GBps = *bound.inside_GBps * factor / (1.0 + 1.0 / ranks);
    bound.words = fmt::format("{:.0f} GB/s into each of {} GPUs", *bound.inside_GBps, host.gpus.size());
    return bound;
  }
  const bool inside_counts = bound.inside_GBps && !one_gpu_each;
  const auto within = [&](double speed) {
    return inside_counts ? std::min(speed, *bound.inside_GBps * 2) : speed;
  };
  bound.ring_GBps = inside_counts ? std::min(*bound.network_GBps, *bound.inside_GBps) : *bound.network_GBps;
  bound.best_GBps =
      std::max(bound.ring_GBps, nodes == 2 ? within(*bound.network_GBps * factor) : *bound.network_GBps);
  bound.words = fmt::format("{} NIC{} with {:.0f} GB/s together in each of {} nodes", nics,
                            nics == 1 ? "" : "s", *bound.network_GBps, nodes);
  if (inside_counts) bound.words += fmt::format(", {:.0f} GB/s into each GPU inside", *bound.inside_GBps);
  return bound;
}

}  // namespace fabricheck::diagnose
