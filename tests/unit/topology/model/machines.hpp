// Machines for tests, built as probes and readers would leave them.
#pragma once

#include <fmt/format.h>

#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology::machines {

inline constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;

inline PcieLink gen5_x16() { return {32, 16, 32, 16}; }

/// Adds a node of the PCI tree and gives its address back.
inline std::string add_pci(Host& host, std::string address, std::string parent, const std::string& kind,
                           std::string root, std::optional<int> numa) {
  PciNode node;
  node.address = std::move(address);
  node.parent = std::move(parent);
  node.kind = kind;
  node.root = std::move(root);
  node.numa_node = numa;
  if (kind != "root-port") node.link = gen5_x16();
  host.pci.push_back(node);
  return host.pci.back().address;
}

inline Gpu& add_gpu(Host& host, const std::string& address, std::optional<int> numa,
                    const std::string& name = "NVIDIA H100 80GB HBM3") {
  Gpu gpu;
  gpu.index = static_cast<int>(host.gpus.size());
  gpu.name = name;
  gpu.uuid = fmt::format("GPU-{}-{}", host.name, gpu.index);
  gpu.pci_address = address;
  gpu.numa_node = numa;
  gpu.memory_bytes = 80 * kGiB;
  host.gpus.push_back(gpu);
  return host.gpus.back();
}

inline RdmaDevice& add_nic(Host& host, const std::string& address, std::optional<int> numa,
                           double rate_Gbps = 400, const std::string& link_layer = "InfiniBand") {
  RdmaDevice nic;
  nic.name = fmt::format("mlx5_{}", host.rdma_devices.size());
  nic.board = "MT_0000000838";
  nic.firmware = "28.39.1002";
  nic.pci_address = address;
  nic.numa_node = numa;
  nic.node_guid = fmt::format("{}:{}", host.name, nic.name);
  RdmaPort port;
  port.number = 1;
  port.link_layer = link_layer;
  port.state = "ACTIVE";
  port.physical_state = "LinkUp";
  port.rate_Gbps = rate_Gbps;
  port.active_mtu_bytes = 4096;
  nic.ports = {port};
  host.rdma_devices.push_back(nic);
  return host.rdma_devices.back();
}

inline void add_nvlinks(Gpu& gpu, int count, const std::string& remote,
                        const std::string& remote_address = {}, double speed_GBps = 26.5625,
                        int version = 4) {
  for (int i = 0; i < count; ++i) {
    gpu.nvlinks.push_back(
        {static_cast<int>(gpu.nvlinks.size()), true, version, speed_GBps, remote, remote_address});
  }
}

inline Host bare_metal(const std::string& name, const std::string& product, int numa_nodes,
                       const std::vector<std::string>& cpus) {
  Host host;
  host.name = name;
  host.kernel = "5.15.0-1053-nvidia";
  host.cpu_model = "Intel(R) Xeon(R) Platinum 8480C";
  host.cores = 112;
  host.hardware_threads = 224;
  for (int i = 0; i < numa_nodes; ++i)
    host.numa_nodes.push_back({i, cpus[static_cast<std::size_t>(i)], 1008 * kGiB});
  host.environment.product = product;
  host.environment.hypervisor = "none";
  host.environment.container = "none";
  return host;
}

/// 8 GPUs, each below a PCI switch of its own with a NIC, 4 per NUMA node; 4 NVSwitches; 2 storage NICs.
inline Host dgx_h100(const std::string& name = "node1") {
  Host host = bare_metal(name, "NVIDIA DGXH100", 2, {"0-55,112-167", "56-111,168-223"});
  host.gpu_driver = "550.90.07";
  host.cuda_version = "12.4";
  for (int i = 0; i < 8; ++i) {
    const int numa = i / 4;
    const std::string root = fmt::format("0000:{:02x}", 0x10 + 0x10 * i);
    const auto at = [&](int bus, int device) {
      return fmt::format("0000:{:02x}:{:02x}.0", 0x10 + 0x10 * i + bus, device);
    };
    const auto port = add_pci(host, at(0, 1), "", "root-port", root, numa);
    const auto up = add_pci(host, at(1, 0), port, "switch-upstream", root, numa);
    const auto down_gpu = add_pci(host, at(2, 0), up, "switch-downstream", root, numa);
    const auto gpu = add_pci(host, at(3, 0), down_gpu, "gpu", root, numa);
    const auto down_nic = add_pci(host, at(2, 1), up, "switch-downstream", root, numa);
    const auto nic = add_pci(host, at(4, 0), down_nic, "nic", root, numa);
    add_nvlinks(add_gpu(host, gpu, numa), 18, "switch");
    host.gpus.back().pcie = gen5_x16();
    add_nic(host, nic, numa);
  }
  for (int i = 0; i < 2; ++i) {
    const std::string root = fmt::format("0000:{:02x}", 0xa0 + 0x10 * i);
    const auto port = add_pci(host, root + ":01.0", "", "root-port", root, i);
    const auto nic = add_pci(host, fmt::format("0000:{:02x}:00.0", 0xa1 + 0x10 * i), port, "nic", root, i);
    add_nic(host, nic, i, 200, "Ethernet");
  }
  for (int i = 0; i < 4; ++i) add_pci(host, fmt::format("0000:c{}:00.0", i), "", "nvswitch", "0000:c0", 0);
  return host;
}

/// GB200 tray: 4 GPUs whose NVLinks all lead to switches outside of the host.
inline Host gb200_tray(const std::string& name = "tray1") {
  Host host = bare_metal(name, "NVIDIA GB200 NVL", 2, {"0-71", "72-143"});
  host.cpu_model = "Neoverse-V2";
  host.cores = host.hardware_threads = 144;
  host.gpu_driver = "570.124.06";
  host.cuda_version = "12.8";
  for (int i = 0; i < 4; ++i) {
    const int numa = i / 2;
    const auto root = [&](int function) { return fmt::format("{:04x}:00", 8 * i + function); };
    const auto gpu_port = add_pci(host, root(0) + ":00.0", "", "root-port", root(0), numa);
    const auto gpu = add_pci(host, fmt::format("{:04x}:01:00.0", 8 * i), gpu_port, "gpu", root(0), numa);
    const auto nic_port = add_pci(host, root(1) + ":00.0", "", "root-port", root(1), numa);
    const auto nic = add_pci(host, fmt::format("{:04x}:03:00.0", 8 * i + 1), nic_port, "nic", root(1), numa);
    add_nvlinks(add_gpu(host, gpu, numa, "NVIDIA GB200"), 18, "switch", "", 53.125, 5);
    host.gpus.back().memory_bytes = 189 * kGiB;
    GpuFabric fabric;
    fabric.state = "completed";
    fabric.status = "Success";
    fabric.cluster_uuid = "9f3d2a1c-0000-4000-8000-000000000001";
    fabric.clique_id = 32766;
    host.gpus.back().fabric = fabric;
    add_nic(host, nic, numa);
  }
  return host;
}

/// DGX-1V: two quads of V100, NVLinks doubled on some edges of a hybrid cube mesh; each two GPUs share a
/// switch with a NIC, two such switches a root complex.
inline Host dgx1v(const std::string& name = "volta") {
  Host host = bare_metal(name, "NVIDIA DGX-1 with V100", 2, {"0-19,40-59", "20-39,60-79"});
  for (int pair = 0; pair < 4; ++pair) {
    const int numa = pair / 2;
    const std::string root = numa == 0 ? "0000:00" : "0000:80";
    const int bus = 0x10 + 0x40 * numa + 0x10 * (pair % 2);
    const auto at = [&](int offset, int device) {
      return fmt::format("0000:{:02x}:{:02x}.0", bus + offset, device);
    };
    const auto port = add_pci(host, fmt::format("{}:0{}.0", root, 2 + pair % 2), "", "root-port", root, numa);
    const auto up = add_pci(host, at(0, 0), port, "switch-upstream", root, numa);
    for (int i = 0; i < 2; ++i) {
      const auto down = add_pci(host, at(1, i), up, "switch-downstream", root, numa);
      add_gpu(host, add_pci(host, at(2 + i, 0), down, "gpu", root, numa), numa, "Tesla V100-SXM2-32GB");
    }
    const auto down = add_pci(host, at(1, 2), up, "switch-downstream", root, numa);
    add_nic(host, add_pci(host, at(4, 0), down, "nic", root, numa), numa, 100);
  }
  const int edges[][3] = {{0, 1, 1}, {0, 2, 1}, {0, 3, 2}, {0, 4, 2}, {1, 2, 2}, {1, 3, 1},
                          {1, 5, 2}, {2, 3, 2}, {2, 6, 1}, {3, 7, 1}, {4, 5, 1}, {4, 6, 1},
                          {4, 7, 2}, {5, 6, 2}, {5, 7, 1}, {6, 7, 2}};
  for (const auto& edge : edges) {
    Gpu& a = host.gpus[static_cast<std::size_t>(edge[0])];
    Gpu& b = host.gpus[static_cast<std::size_t>(edge[1])];
    add_nvlinks(a, edge[2], "gpu", b.pci_address, 25, 2);
    add_nvlinks(b, edge[2], "gpu", a.pci_address, 25, 2);
  }
  return host;
}

/// A virtual machine without GPU and NIC, as tests of this project run on.
inline Host small_vm(const std::string& name = "runner") {
  Host host;
  host.name = name;
  host.kernel = "6.1.0-18-cloud-amd64";
  host.cpu_model = "AMD EPYC 7763 64-Core Processor";
  host.cores = 2;
  host.hardware_threads = 4;
  host.numa_nodes = {{0, "0-3", 16 * kGiB}};
  host.environment.hypervisor = "KVM";
  host.environment.container = "docker";
  host.unknown = {"NVML: libnvidia-ml.so.1 is not on this host"};
  return host;
}

}  // namespace fabricheck::topology::machines
