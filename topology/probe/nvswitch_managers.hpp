// Functions of an HGX board that look like InfiniBand NICs and manage its NVSwitches.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {

/// Takes the functions that manage NVSwitches out of `host.rdma_devices`, with a sentence in `host.unknown`,
/// and gives their PCI addresses. From HGX B200 on NVSwitches do not show on PCI; a ConnectX-7 on the board
/// speaks for them by InfiniBand functions whose vital product data hold SMDL=SW_MNG (NVIDIA Fabric Manager
/// User Guide, NVLink 5 systems). A job's traffic cannot leave by them. Only root reads vital product data:
/// without it they are known by their place, three or more physical InfiniBand functions of one PCI device
/// beside GPUs, which no card for a network has (one function per port, at most two ports; Socket Direct adds
/// PCI devices). `at` is told each device before its data are read, which may hang.
std::vector<std::string> leave_out_nvswitch_managers(const std::string& sysroot,
                                                     const std::vector<PciDevice>& pci,
                                                     const std::function<void(const std::string&)>& at,
                                                     Host& host);

}  // namespace fabricheck::topology
