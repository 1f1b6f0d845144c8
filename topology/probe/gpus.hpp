// GPUs: what PCI shows joined with what NVML says.
#pragma once

#include <vector>

#include "topology/probe/pci.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::topology {

/// probe_gpus() with the PCI devices already read.
void add_gpus(const ProbeOptions& options, const std::vector<PciDevice>& pci, Host& host);

}  // namespace fabricheck::topology
