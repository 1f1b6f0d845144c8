// What was found on the machines, as plain data. Filled by topology/, written by report/. An unset optional
// or an empty text is "not known", never "none" and never "healthy".
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck {

/// A PCI Express link: what it is trained at, and what both ends could do.
struct PcieLink {
  std::optional<double> speed_GTps;  ///< 32 for PCIe 5.0; an idle GPU may lower it to save power
  std::optional<int> width;          ///< lanes
  std::optional<double> max_speed_GTps;
  std::optional<int> max_width;
  bool operator==(const PcieLink&) const = default;
};

/// A bridge or a device of the PCI tree. Only GPUs, NICs, NVSwitches, NVMe and the bridges above them are
/// kept.
struct PciNode {
  std::string address;  ///< "0000:18:00.0"; virtual switches of NCCL files have "ffff:ff:01.0"
  std::string parent;   ///< address of the bridge above; empty: directly below the host bridge
  std::string root;     ///< host bridge, "0000:17" (domain and bus), or what stands for it in a file
  std::string kind;     ///< "root-port", "switch-upstream", "switch-downstream", "bridge", "gpu", "nic",
                        ///< "nvswitch", "nvme", "other"
  std::string ids;      ///< vendor:device, "10de:2330"
  std::string driver;   ///< kernel driver; empty: none or not known
  std::optional<int> numa_node;
  PcieLink link;  ///< towards the root
  std::optional<bool> virtual_function;
  std::optional<bool> acs;  ///< whether ACS sends peer-to-peer traffic up to the root (request redirect)
  std::optional<int> max_payload_bytes;
  std::optional<int> max_read_request_bytes;
  std::optional<bool> relaxed_ordering;
  std::optional<std::uint64_t> largest_bar_bytes;  ///< a GPU's tells whether its BAR was resized
  bool operator==(const PciNode&) const = default;
};

struct Gid {
  int index{};
  std::string address;  ///< as sysfs prints it, "fe80:0000:…"
  std::string type;     ///< "RoCE v2", "IB/RoCE v1", "unknown"
  std::string net_device;
  bool operator==(const Gid&) const = default;
};

/// What is at the other end of a cable.
struct Neighbour {
  std::string switch_name;  ///< "leaf-r3-01"
  std::string switch_port;  ///< "Ethernet12/1"
  std::string source;       ///< "LLDP", "ibnetdiscover", "switch topology file"
  bool operator==(const Neighbour&) const = default;
};

/// How an Ethernet port sorts packets into classes, and what it does for them. Priorities are 0 to 7.
struct PortClasses {
  std::optional<std::string> trust;               ///< by what a packet's priority is found: "dscp", "pcp"
  std::optional<std::vector<int>> pfc;            ///< priorities that are lossless
  std::optional<std::vector<int>> dscp_priority;  ///< of each of the 64 DSCPs; -1: not told
  std::optional<std::vector<int>> ecn_answers;    ///< priorities in which ECN marks are answered by CNPs
  std::optional<std::vector<int>> ecn_slows;      ///< priorities in which CNPs slow the sender down
  std::optional<bool> pause_receive, pause_send;  ///< of the whole link, without classes
  std::optional<int> forced_traffic_class;  ///< that the NIC gives to all RDMA packets, whatever a job says
  bool operator==(const PortClasses&) const = default;
};

struct RdmaPort {
  int number{};
  std::string link_layer;  ///< "Ethernet", "InfiniBand"
  std::string state;       ///< "ACTIVE", "DOWN", …
  std::optional<double> rate_Gbps;
  std::vector<Gid> gids;                ///< without the all-zero entries
  std::string physical_state;           ///< "LinkUp", "Polling", "Disabled", …
  std::optional<int> active_mtu_bytes;  ///< of RDMA packets
  std::optional<int> max_mtu_bytes;
  std::string net_device;
  std::optional<int> net_mtu_bytes;
  std::optional<int> lid;            ///< InfiniBand
  std::vector<std::string> subnets;  ///< of the net device's addresses, "10.3.0.0/16"
  std::optional<Neighbour> neighbour;
  std::optional<std::string> link_width;  ///< "4X"
  std::optional<double> max_rate_Gbps;    ///< that the port could do
  std::optional<int> sm_lid;              ///< InfiniBand: the subnet manager's
  std::optional<std::vector<std::string>>
      pkeys;                           ///< InfiniBand: partitions by index, "0xffff"; bit 15: full member
  std::optional<PortClasses> classes;  ///< Ethernet
  bool operator==(const RdmaPort&) const = default;
};

struct RdmaDevice {
  std::string name;  ///< "mlx5_0"; of a NIC without RDMA device its PCI address
  std::string board;
  std::string firmware;
  std::string pci_address;
  std::optional<int> numa_node;
  std::vector<RdmaPort> ports;
  std::string status{"answers"};  ///< "answers"; "not answering": PCI shows it and no driver speaks for it
  std::string ids;                ///< vendor:device, "15b3:1021"
  std::string node_guid;
  std::optional<bool> virtual_function;
  bool operator==(const RdmaDevice&) const = default;
};

struct NvLink {
  int index{};
  std::optional<bool> active;
  std::optional<int> version;
  std::optional<double> speed_GBps;  ///< one direction
  std::string remote;                ///< "gpu", "switch", "cpu"; empty: not known
  std::string remote_pci_address;
  bool operator==(const NvLink&) const = default;
};

/// Error counters of one NVLink since the driver was loaded.
struct NvLinkErrors {
  int index{};
  std::optional<std::uint64_t> replay, recovery, crc_flit, crc_data;
  bool operator==(const NvLinkErrors&) const = default;
};

/// What changes while a GPU works, or says that it is failing. Differs between equal machines.
struct GpuHealth {
  std::optional<std::uint64_t> ecc_corrected, ecc_uncorrected;  ///< since the driver was loaded
  std::optional<std::uint64_t> ecc_corrected_lifetime, ecc_uncorrected_lifetime;
  std::optional<int> remapped_rows_corrected, remapped_rows_uncorrected;
  std::optional<bool> remap_pending, remap_failed;  ///< pending: needs a reset; failed: needs a new GPU
  std::optional<bool> page_retirement_pending;
  std::optional<std::vector<std::string>> throttle_reasons;  ///< "sw-power-cap", "hw-thermal-slowdown", … now
  std::optional<int> sm_clock_MHz, memory_clock_MHz, temperature_C;
  std::optional<double> power_W;
  std::optional<std::uint64_t> pcie_replays;
  std::vector<NvLinkErrors> nvlink_errors;  ///< links with a counter that is not zero
  bool operator==(const GpuHealth&) const = default;
};

/// The NVLink fabric behind an NVSwitch, as NVML tells it.
struct GpuFabric {
  std::string state;   ///< "completed", "in-progress", "not-started", "not-supported"
  std::string status;  ///< NVML's return code when completed, "Success"
  std::string cluster_uuid;
  std::optional<int> clique_id;  ///< GPUs of one MNNVL domain and clique reach each other by NVLink
  std::optional<std::uint64_t> health_mask;
  bool operator==(const GpuFabric&) const = default;
};

struct Gpu {
  int index{};
  std::string name;
  std::string uuid;
  std::string pci_address;
  std::optional<int> numa_node;
  std::optional<std::uint64_t> memory_bytes;
  /// "answers"; "not answering": PCI or NVML's count shows it and the driver does not answer for it;
  /// "hidden": PCI shows it and this process was not given it (container, Slurm); "state not known": NVML
  /// itself could not tell; "not asked": NVML was not asked.
  std::string status{"answers"};
  std::string problem;             ///< why it is not answering, a part of a sentence
  std::string compute_capability;  ///< "9.0"
  std::string vbios;
  PcieLink pcie;
  std::vector<NvLink> nvlinks;  ///< all that the GPU has, active or not
  std::optional<GpuFabric> fabric;
  std::optional<bool> ecc_enabled, mig_enabled, persistence_mode;
  std::optional<double> power_limit_W, default_power_limit_W;
  std::optional<int> max_sm_clock_MHz, max_memory_clock_MHz;
  std::optional<std::uint64_t> bar1_bytes;
  std::optional<GpuHealth> health;
  bool operator==(const Gpu&) const = default;
};

struct NumaNode {
  int index{};
  std::string cpus;  ///< Linux list form, "0-15,32-47"
  std::uint64_t memory_bytes{};
  bool operator==(const NumaNode&) const = default;
};

/// What a host is besides its devices.
struct HostEnvironment {
  std::string product;     ///< DMI, "NVIDIA DGXH100"; EC2 puts the instance type here
  std::string bios;        ///< version
  std::string hypervisor;  ///< "KVM", "Microsoft Hyper-V", …; "none": bare metal as far as it shows
  std::string container;   ///< "docker", "podman", "kubernetes", "lxc", "enroot", …; "none"
  std::optional<bool> passthrough;  ///< a VM that was given real GPUs or NICs
  std::optional<bool>
      flat_pci_tree;         ///< GPUs and NICs without the switches that join them: paths cannot be told
  std::string iommu;         ///< "off", "passthrough", "translated"
  std::string cpu_governor;  ///< "performance", "powersave", "mixed: …"; "none": the CPU sets its own
  std::string transparent_hugepages;  ///< "always", "madvise", "never"
  std::optional<std::uint64_t> hugepages_bytes;
  std::optional<std::uint64_t> memlock_bytes;  ///< what this process may lock; 2^63-1: without limit
  std::optional<bool> numa_balancing;
  std::optional<bool> dmabuf;  ///< whether GPU memory can be exported to a NIC without nvidia_peermem
  std::map<std::string, std::string> modules;   ///< kernel module -> version, "" where it tells none
  std::map<std::string, std::string> software;  ///< "nccl": "2.27.3", "libibverbs": …
  bool operator==(const HostEnvironment&) const = default;
};

/// Distances that a file states without the PCI tree they come from (`nvidia-smi topo -m`).
struct GivenPaths {
  std::vector<std::string> names;               ///< "GPU0", "NIC1" or "mlx5_1"; rows and columns
  std::vector<std::vector<std::string>> cells;  ///< "X", "NV18", "PIX"; empty: the file does not tell
  bool operator==(const GivenPaths&) const = default;
};

/// One host. A host is what MPI_Get_processor_name says.
struct Host {
  std::string name;
  std::string source{"live"};  ///< "live", "recorded", "NCCL XML", "hwloc XML", "nvidia-smi topo -m"
  std::string kernel;
  std::string cpu_model;
  int cores{};
  int hardware_threads{};
  std::vector<NumaNode> numa_nodes;
  std::vector<Gpu> gpus;
  std::string gpu_driver;    ///< empty when NVML does not answer
  std::string cuda_version;  ///< the newest that the driver can do, "12.8"
  std::vector<RdmaDevice> rdma_devices;
  std::vector<PciNode> pci;  ///< in order of address
  HostEnvironment environment;
  std::optional<GivenPaths> given_paths;
  /// What could not be found out and why, one sentence each ("NVML: libnvidia-ml.so.1 is not on this host").
  std::vector<std::string> unknown;
  bool operator==(const Host&) const = default;
};

struct GpuParticulars {
  std::string uuid;
  std::string cluster_uuid;
  std::optional<int> clique_id;
  std::optional<GpuHealth> health;
  bool operator==(const GpuParticulars&) const = default;
};

struct PortParticulars {
  std::vector<std::string> gid_addresses;
  std::vector<std::string> subnets;
  std::optional<int> lid;
  std::optional<Neighbour> neighbour;
  bool operator==(const PortParticulars&) const = default;
};

/// What differs between equal machines. In the order of Host's lists; ports of all devices in one row.
struct HostParticulars {
  std::vector<GpuParticulars> gpus;
  std::vector<PortParticulars> ports;
  std::vector<std::string> node_guids;
  std::vector<std::uint64_t> numa_memory_bytes;
  bool operator==(const HostParticulars&) const = default;
};

/// One host of a cluster: its kind and what is its own. topology/model/merge.hpp puts them together again.
struct HostEntry {
  std::string name;
  int kind{};  ///< index into ClusterTopology::kinds
  HostParticulars own;
  bool operator==(const HostEntry&) const = default;
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
  std::vector<Host> kinds;       ///< each distinct machine once, nameless and without particulars
  std::vector<HostEntry> hosts;  ///< in order of their lowest rank
  std::vector<RankPlace> ranks;  ///< ranks[i].rank == i
  bool operator==(const ClusterTopology&) const = default;
};

}  // namespace fabricheck
