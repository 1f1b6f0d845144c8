// The PCI tree of a host: GPUs, NICs, NVSwitches, NVMe and the bridges above them, from sysfs alone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {

/// Where a device hangs, as the link in sys/bus/pci/devices tells.
struct PciChain {
  std::string root;                  ///< "0000:17"
  std::vector<std::string> bridges;  ///< from the root down
};

/// "../../../devices/pci0000:17/0000:17:01.0/0000:18:00.0" is root 0000:17 with one bridge. Nothing, with the
/// reason in `why`, for any text that is no such chain down to `address`.
std::optional<PciChain> parse_pci_chain(std::string_view target, std::string_view address, std::string& why);

/// In order of address. PciNode::link is the link towards the root, so root ports and downstream ports of
/// switches have none of their own: the device below tells it, and its most is what both ends can do. What is
/// missing or broken is a sentence in `unknown`, one for each kind of thing.
std::vector<PciNode> pci_nodes(const std::string& sysroot, const std::vector<PciDevice>& devices,
                               std::vector<std::string>& unknown);

}  // namespace fabricheck::topology
