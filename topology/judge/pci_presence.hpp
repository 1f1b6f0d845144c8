// Whether a host's PCI devices are known, as every judgement of "none there" asks it.
#pragma once

#include <algorithm>
#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Nothing was found, and the probe says that it could not look: no device there is no finding.
inline bool is_pci_hidden(const Host& host) {
  return host.pci.empty() && host.gpus.empty() && host.rdma_devices.empty() &&
         std::any_of(host.unknown.begin(), host.unknown.end(),
                     [](const std::string& sentence) { return sentence.starts_with("PCI:"); });
}

}  // namespace fabricheck::topology
