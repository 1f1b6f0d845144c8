// Machines for the tests of platforms.
#pragma once

#include <span>
#include <string>

#include "config/platform_file.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::topology::machines {

inline std::span<const Platform> built_in() { return config::built_in_platforms(); }

inline Gpu gpu(int index, const std::string& name, int nvlinks) {
  Gpu result;
  result.index = index;
  result.name = name;
  result.pci_address = "0000:" + std::string(1, static_cast<char>('a' + index)) + "0:00.0";
  result.pcie.width = 16;
  for (int i = 0; i < nvlinks; ++i) {
    NvLink link;
    link.index = i;
    link.active = true;
    result.nvlinks.push_back(link);
  }
  return result;
}

inline PciNode pci(const std::string& address, const std::string& kind, const std::string& ids) {
  PciNode node;
  node.address = address;
  node.kind = kind;
  node.ids = ids;
  return node;
}

inline Host machine(const std::string& name, const std::string& model, int gpus, int nvlinks,
                    const std::string& ids) {
  Host host;
  host.name = name;
  host.environment.hypervisor = "none";
  for (int i = 0; i < gpus; ++i) {
    host.gpus.push_back(gpu(i, model, nvlinks));
    host.pci.push_back(pci(host.gpus.back().pci_address, "gpu", ids));
  }
  return host;
}

inline Host h100(const std::string& name, int gpus = 8) {
  Host host = machine(name, "NVIDIA H100 80GB HBM3", gpus, 18, "10de:2330");
  for (int i = 0; i < 4; ++i)
    host.pci.push_back(pci("0000:0" + std::to_string(i) + ":00.0", "nvswitch", "10de:22a3"));
  return host;
}

inline Host l40s(const std::string& name, int gpus) {
  return machine(name, "NVIDIA L40S", gpus, 0, "10de:26b9");
}

inline void add_nics(Host& host, int count, double rate_Gbps) {
  for (int i = 0; i < count; ++i) {
    RdmaDevice device;
    device.name = "mlx5_" + std::to_string(host.rdma_devices.size());
    RdmaPort port;
    port.number = 1;
    port.link_layer = "InfiniBand";
    port.rate_Gbps = rate_Gbps;
    device.ports.push_back(port);
    host.rdma_devices.push_back(device);
  }
}

}  // namespace fabricheck::topology::machines
