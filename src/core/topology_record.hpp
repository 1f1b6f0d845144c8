// What was found on the machines, as plain data. Filled by topology/, written by report/.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

struct Gid {
  int index{};
  std::string address;  ///< as sysfs prints it, "fe80:0000:…"
  std::string type;     ///< "RoCE v2", "IB/RoCE v1", "unknown"
  std::string net_device;
  bool operator==(const Gid&) const = default;
};

struct RdmaPort {
  int number{};
  std::string link_layer;  ///< "Ethernet", "InfiniBand"
  std::string state;       ///< "ACTIVE", "DOWN", …
  std::optional<double> rate_Gbps;
  std::vector<Gid> gids;  ///< without the all-zero entries
  bool operator==(const RdmaPort&) const = default;
};

struct RdmaDevice {
  std::string name;  ///< "mlx5_0"
  std::string board;
  std::string firmware;
  std::string pci_address;
  std::optional<int> numa_node;
  std::vector<RdmaPort> ports;
  bool operator==(const RdmaDevice&) const = default;
};

struct Gpu {
  int index{};
  std::string name;
  std::string uuid;
  std::string pci_address;
  std::optional<int> numa_node;
  std::optional<std::uint64_t> memory_bytes;
  bool operator==(const Gpu&) const = default;
};

struct NumaNode {
  int index{};
  std::string cpus;  ///< Linux list form, "0-15,32-47"
  std::uint64_t memory_bytes{};
  bool operator==(const NumaNode&) const = default;
};

/// One host. A host is what MPI_Get_processor_name says.
struct Host {
  std::string name;
  std::string kernel;
  std::string cpu_model;
  int cores{};
  int hardware_threads{};
  std::vector<NumaNode> numa_nodes;
  std::vector<Gpu> gpus;
  std::string gpu_driver;  ///< empty when NVML does not answer
  std::vector<RdmaDevice> rdma_devices;
  /// What could not be found out and why, one sentence each ("NVML: libnvidia-ml.so.1 is not on this host").
  std::vector<std::string> unknown;
  bool operator==(const Host&) const = default;
};

/// Where one rank runs.
struct RankPlace {
  int rank{};
  int host{};        ///< index into ClusterTopology::hosts
  int local_rank{};  ///< among the ranks of its host
  std::string cpus;  ///< the CPUs it may run on, Linux list form
  std::optional<int> gpu;
  bool operator==(const RankPlace&) const = default;
};

struct ClusterTopology {
  std::vector<Host> hosts;       ///< in order of their lowest rank
  std::vector<RankPlace> ranks;  ///< ranks[i].rank == i
  bool operator==(const ClusterTopology&) const = default;
};

}  // namespace fabricheck
