// Machines like those of real clusters, made up: 8 GPUs with 18 NVLinks to 4 NVSwitches, 8 NICs beside them
// and one for management; all that is a host's own differs from host to host.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::topology::sample {

inline PciNode pci_node(const std::string& address, const std::string& parent, const std::string& kind,
                        int numa) {
  PciNode node;
  node.address = address;
  node.parent = parent;
  node.root = fmt::format("0000:{}0", numa * 8);
  node.kind = kind;
  node.numa_node = numa;
  node.link = {32.0, 16, 32.0, 16};
  node.acs = false;
  return node;
}

/// Root port, switch, and below it GPU and NIC of this number: one PIX pair.
inline void add_pci_branch(Host& host, int number) {
  const int numa = number / 4;
  const int bus = 0x10 + 0x10 * number;
  const auto address = [&](int offset) { return fmt::format("0000:{:02x}:00.0", bus + offset); };
  host.pci.push_back(pci_node(address(0), "", "root-port", numa));
  host.pci.push_back(pci_node(address(1), address(0), "switch-upstream", numa));
  host.pci.push_back(pci_node(address(2), address(1), "switch-downstream", numa));
  host.pci.push_back(pci_node(address(3), address(2), "gpu", numa));
  host.pci.back().ids = "10de:2330";
  host.pci.back().driver = "nvidia";
  host.pci.push_back(pci_node(address(4), address(1), "switch-downstream", numa));
  host.pci.push_back(pci_node(address(5), address(4), "nic", numa));
  host.pci.back().ids = "15b3:1021";
  host.pci.back().driver = "mlx5_core";
  host.pci.back().max_payload_bytes = 256;
  host.pci.back().max_read_request_bytes = 4096;
  host.pci.back().relaxed_ordering = true;
}

inline Gpu gpu(int number, int host_number) {
  Gpu gpu;
  gpu.index = number;
  gpu.name = "NVIDIA H100 80GB HBM3";
  gpu.uuid = fmt::format("GPU-{:08x}-1c2d-4e5f-8a9b-{:012x}", host_number * 8 + number, host_number);
  gpu.pci_address = fmt::format("0000:{:02x}:00.0", 0x13 + 0x10 * number);
  gpu.numa_node = number / 4;
  gpu.memory_bytes = 85520809984;
  gpu.compute_capability = "9.0";
  gpu.vbios = "96.00.89.00.01";
  gpu.pcie = {32.0, 16, 32.0, 16};
  for (int link = 0; link < 18; ++link)
    gpu.nvlinks.push_back(
        {link, true, 4, 26.562, "switch", fmt::format("0000:{:02x}:00.0", 0xa0 + link % 4)});
  gpu.fabric = GpuFabric{"completed", "Success", "00000000-0000-0000-0000-000000000000", 0, std::nullopt};
  gpu.ecc_enabled = true;
  gpu.mig_enabled = false;
  gpu.persistence_mode = true;
  gpu.power_limit_W = gpu.default_power_limit_W = 700;
  gpu.max_sm_clock_MHz = 1980;
  gpu.max_memory_clock_MHz = 2619;
  gpu.bar1_bytes = 137438953472;
  GpuHealth health;
  health.ecc_corrected = static_cast<std::uint64_t>(host_number % 3);
  health.ecc_uncorrected = 0;
  health.ecc_corrected_lifetime = static_cast<std::uint64_t>(host_number);
  health.ecc_uncorrected_lifetime = 0;
  health.remapped_rows_corrected = health.remapped_rows_uncorrected = 0;
  health.remap_pending = health.remap_failed = health.page_retirement_pending = false;
  health.throttle_reasons = std::vector<std::string>{"gpu-idle"};
  health.sm_clock_MHz = 345 + number;
  health.memory_clock_MHz = 2619;
  health.temperature_C = 30 + (host_number + number) % 9;
  health.power_W = 70.25 + host_number % 7;
  health.pcie_replays = 0;
  gpu.health = health;
  return gpu;
}

inline RdmaDevice nic(int number, int host_number) {
  RdmaDevice nic;
  nic.name = fmt::format("mlx5_{}", number);
  nic.board = "MT_0000000838";
  nic.firmware = "28.39.1002";
  nic.pci_address = fmt::format("0000:{:02x}:00.0", 0x15 + 0x10 * number);
  nic.numa_node = number / 4;
  nic.ids = "15b3:1021";
  nic.node_guid = fmt::format("a088:c203:{:04x}:{:04x}", host_number, number + 1);
  nic.virtual_function = false;
  RdmaPort port;
  port.number = 1;
  port.link_layer = "Ethernet";
  port.state = "ACTIVE";
  port.physical_state = "LinkUp";
  port.rate_Gbps = 400;
  port.active_mtu_bytes = port.max_mtu_bytes = 4096;
  port.net_device = fmt::format("eth{}", number);
  port.net_mtu_bytes = 9000;
  port.subnets = {fmt::format("10.{}.0.0/16", number)};
  const std::string link_local =
      fmt::format("fe80:0000:0000:0000:a288:c2ff:{:04x}:{:04x}", host_number, number + 1);
  const std::string v4 =
      fmt::format("0000:0000:0000:0000:0000:ffff:0a{:02x}:{:04x}", number, (host_number + 1) % 65536);
  for (int index = 0; index < 4; ++index)
    port.gids.push_back(
        {index, index < 2 ? link_local : v4, index % 2 == 0 ? "IB/RoCE v1" : "RoCE v2", port.net_device});
  nic.ports = {port};
  return nic;
}

/// A healthy host. With `leaves` each rail is cabled to the leaf of its number.
inline Host host(int number, bool leaves = false) {
  Host host;
  host.name = fmt::format("node{}", number);
  host.kernel = "5.15.0-1048-nvidia";
  host.cpu_model = "Intel(R) Xeon(R) Platinum 8480C";
  host.cores = 112;
  host.hardware_threads = 224;
  constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
  constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
  for (int node = 0; node < 2; ++node)
    host.numa_nodes.push_back({node, node == 0 ? "0-55,112-167" : "56-111,168-223",
                               1024 * kGiB - static_cast<std::uint64_t>(number * 7 % 97) * kMiB});
  for (int i = 0; i < 8; ++i) {
    add_pci_branch(host, i);
    host.gpus.push_back(gpu(i, number));
    host.rdma_devices.push_back(nic(i, number));
    if (leaves)
      host.rdma_devices.back().ports.front().neighbour =
          Neighbour{fmt::format("leaf-{}", i), fmt::format("Ethernet{}/1", number + 1), "LLDP"};
  }
  for (int i = 0; i < 4; ++i) {
    host.pci.push_back(pci_node(fmt::format("0000:{:02x}:00.0", 0xa0 + i), "", "nvswitch", 0));
    host.pci.back().ids = "10de:22a3";
  }
  host.gpu_driver = "570.86.15";
  host.cuda_version = "12.8";
  host.environment.product = "NVIDIA DGXH100";
  host.environment.bios = "1.3.6";
  host.environment.hypervisor = "none";
  host.environment.container = "none";
  host.environment.passthrough = false;
  host.environment.flat_pci_tree = false;
  host.environment.iommu = "passthrough";
  host.environment.cpu_governor = "performance";
  host.environment.transparent_hugepages = "madvise";
  host.environment.memlock_bytes = ~std::uint64_t{0};
  host.environment.numa_balancing = false;
  host.environment.dmabuf = false;
  host.environment.modules = {{"nvidia", "570.86.15"}, {"nvidia_peermem", "570.86.15"}, {"gdrdrv", "2.4"}};
  host.environment.software = {{"nccl", "2.27.3"}, {"libibverbs", "50.0"}};
  return host;
}

inline std::vector<Host> hosts(int count, bool leaves = false) {
  std::vector<Host> result;
  for (int i = 0; i < count; ++i) result.push_back(host(i, leaves));
  return result;
}

}  // namespace fabricheck::topology::sample
