// Clusters for the tests of drawings.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "topology/model/merge.hpp"
#include "unit/topology/model/machines.hpp"

namespace fabricheck::topology::machines {

/// DGX H100s with 32 hosts to a leaf switch of each rail; the changes are made before they are merged.
template <class Change>
ClusterTopology dgx_cluster(int count, Change change) {
  std::vector<Host> hosts;
  for (int number = 1; number <= count; ++number) {
    Host host = dgx_h100(fmt::format("gpu-{:04}", number));
    for (std::size_t rail = 0; rail < 8; ++rail) {
      host.rdma_devices[rail].ports[0].neighbour =
          Neighbour{fmt::format("leaf-r{}-{:02}", rail, 1 + (number - 1) / 32), "Ethernet1/1", "LLDP"};
    }
    change(number, host);
    hosts.push_back(std::move(host));
  }
  return merge_hosts(std::move(hosts));
}

/// 64 of them; the second is cabled crosswise, the 17th lost a GPU, the 40th has a slow NIC and narrow GPUs.
inline ClusterTopology cluster_with_odd_hosts() {
  return dgx_cluster(64, [](int number, Host& host) {
    if (number == 2)
      std::swap(host.rdma_devices[0].ports[0].neighbour, host.rdma_devices[1].ports[0].neighbour);
    if (number == 17) host.gpus.pop_back();
    if (number != 40) return;
    host.rdma_devices[2].ports[0].rate_Gbps = 200;
    for (Gpu& gpu : host.gpus) gpu.pcie.width = 8;
  });
}

/// Every text that a file can hold is markup, a command, or broken.
inline Host hostile_host() {
  const std::string evil =
      "</text><script>alert(\"1\")</script>&\\\"]; x [label=\"\n\x01\x80\xff\xe2\x80\xae";
  Host host = dgx_h100(evil);
  host.kernel = host.cpu_model = host.gpu_driver = host.cuda_version = evil;
  host.environment.product = host.environment.hypervisor = host.environment.container = evil;
  host.environment.iommu = evil;
  for (NumaNode& node : host.numa_nodes) node.cpus = evil;
  for (Gpu& gpu : host.gpus) {
    gpu.name = gpu.status = gpu.problem = evil;
    gpu.fabric = GpuFabric{evil, evil, evil, 1, std::nullopt};
    gpu.health = GpuHealth{};
    gpu.health->throttle_reasons = {"hw" + evil};
  }
  for (RdmaDevice& nic : host.rdma_devices) {
    nic.name = nic.board = nic.firmware = nic.status = evil;
    RdmaPort& port = nic.ports[0];
    port.link_layer = port.state = port.physical_state = port.net_device = evil;
    port.neighbour = Neighbour{evil, evil, evil};
  }
  host.gpus[7].pci_address = host.rdma_devices[7].pci_address = evil;
  for (PciNode& node : host.pci)
    if (node.kind == "switch-upstream") node.link.width = 4;
  host.unknown = {evil, std::string(5000, '<')};
  return host;
}

}  // namespace fabricheck::topology::machines
