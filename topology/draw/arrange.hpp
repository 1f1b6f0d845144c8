// The devices of a host by NUMA node and by the PCI switches that join them. Private to this folder.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Devices directly below a switch, and switches below it.
struct SwitchBox {
  const PciNode* node{};  ///< null: directly at the NUMA node; points into the host
  std::vector<std::size_t> gpus;
  std::vector<std::size_t> nics;
  std::vector<SwitchBox> inside;
  bool below_devices{};  ///< its link is slower than that of a GPU or NIC under it
};

struct NumaBox {
  const NumaNode* node{};  ///< null: the NUMA node of these devices is not known, or not described
  std::optional<int> index;
  SwitchBox top;
  bool empty() const { return top.gpus.empty() && top.nics.empty() && top.inside.empty(); }
};

/// All NUMA nodes of the host, also those without devices; devices without a known one come last. Of the
/// bridges those that join several GPUs and NICs are kept, and those whose link is below what is possible.
std::vector<NumaBox> arrange(const Host& host);

}  // namespace fabricheck::topology
