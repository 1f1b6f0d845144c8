// What a virtual machine makes of its devices. Private to this folder.
#pragma once

#include <algorithm>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Its PCI bridges are made up: what they say of links holds for nothing.
inline bool is_virtual_machine(const Host& host) {
  return !host.environment.hypervisor.empty() && host.environment.hypervisor != "none";
}

inline bool sees_nvswitches(const Host& host) {
  return std::any_of(host.pci.begin(), host.pci.end(),
                     [](const PciNode& node) { return node.kind == "nvswitch"; });
}

/// The Ethernet function beside the InfiniBand of a cloud's machine, which carries its ordinary traffic: the
/// cloud takes it away and gives it back while the machine runs.
inline bool comes_and_goes(const Host& host, const RdmaDevice& nic) {
  const auto speaks = [](const RdmaDevice& one, const char* link_layer) {
    return std::any_of(one.ports.begin(), one.ports.end(),
                       [&](const RdmaPort& port) { return port.link_layer == link_layer; });
  };
  return is_virtual_machine(host) && nic.virtual_function.value_or(false) && speaks(nic, "Ethernet") &&
         std::any_of(host.rdma_devices.begin(), host.rdma_devices.end(),
                     [&](const RdmaDevice& other) { return speaks(other, "InfiniBand"); });
}

}  // namespace fabricheck::topology
