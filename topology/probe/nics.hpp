// NICs that PCI shows and no RDMA device speaks for.
#pragma once

#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/probe/pci.hpp"

namespace fabricheck::topology {

/// Adds those that should have an RDMA device and do not answer, with a sentence each. Not accused: Ethernet
/// NICs without RDMA, functions given to a virtual machine or to a program, spare virtual functions, the
/// second port of a bond, a NIC whose net device works, and, inside a container (HostEnvironment::container),
/// what may belong to another one.
void add_unanswered_nics(const std::string& sysroot, const std::vector<PciDevice>& devices, Host& host);

}  // namespace fabricheck::topology
