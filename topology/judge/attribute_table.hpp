// The one table of what hosts are compared by, and how bad a difference is. Private to this folder.
//
// bad: it loses devices or bandwidth, breaks jobs that span the hosts, or makes one host the slowest.
// info: it is worth knowing, and jobs run all the same.
#pragma once

#include "topology/judge/attributes.hpp"

namespace fabricheck::topology::attribute {

inline constexpr const char* kLookAtHost = "fabricheck topology on this host and on another";
inline constexpr const char* kLost =
    "the host has fewer of them than the others: jobs that ask for all fail on it";
inline constexpr const char* kSlower =
    "the slowest host sets the pace of a job, and this one has less than the others";
inline constexpr const char* kSoftware =
    "ranks of one job run different software, which fails at start or at scale";
inline constexpr const char* kSetting = "the host is set up differently from the others";
inline constexpr const char* kMore =
    "the host has more than the majority: either it is another machine, or the majority lacks something";

inline constexpr FaultKind more_than_majority{
    "more-than-majority",
    Severity::info,
    "host",
    "has more than the majority:",
    kMore,
    "look whether the majority lacks something; say what should be there by --expect",
    kLookAtHost,
    "possible"};

// Devices that are there.
inline constexpr Attribute gpus{
    {"gpu-missing", Severity::bad, "gpu", "GPUs:", kLost,
     "look for it in lspci and in the kernel log (Xid 79); power-cycle the host; reseat or "
     "replace the GPU",
     "nvidia-smi -L; lspci -d 10de:", "certain"},
    true};
inline constexpr Attribute nics{
    {"nic-missing", Severity::bad, "nic", "RDMA NICs:", kLost,
     "look for it in lspci and in the kernel log; power-cycle the host; reseat or replace "
     "the NIC",
     "rdma link; lspci -d 15b3:", "certain"},
    true};
inline constexpr Attribute nics_beside{
    {"nic-beside-missing", Severity::info, "nic", "Ethernet functions beside InfiniBand:",
     "the cloud takes this function away and gives it back; jobs that use InfiniBand run all the same",
     "keep it out of the list of NICs that jobs use (NCCL_IB_HCA, UCX_NET_DEVICES)", "rdma link", "certain"},
    true};
inline constexpr Attribute nvswitches{{"nvswitch-missing", Severity::bad, "host", "NVSwitches:", kLost,
                                       "power-cycle the host; replace the GPU board if it stays away",
                                       "lspci -d 10de: | grep -i bridge", "certain"},
                                      true};

// Software.
inline constexpr Attribute driver{{"driver-mismatch", Severity::bad, "software", "GPU driver", kSoftware,
                                   "install the same driver on all hosts", "nvidia-smi", "certain"}};
inline constexpr Attribute cuda{{"cuda-version-mismatch", Severity::info, "software",
                                 "newest CUDA of the driver", "it follows the driver",
                                 "install the same driver on all hosts", "nvidia-smi", "certain"}};
inline constexpr Attribute nccl{{"nccl-version-mismatch", Severity::bad, "software", "NCCL", kSoftware,
                                 "use one image or one NCCL package on all hosts",
                                 "ldconfig -p | grep libnccl", "certain"}};
inline constexpr Attribute software{{"software-mismatch", Severity::info, "software", "version", kSetting,
                                     "install the same version on all hosts", kLookAtHost, "certain"}};
inline constexpr Attribute kernel{{"kernel-mismatch", Severity::info, "software", "kernel", kSetting,
                                   "boot the same kernel on all hosts", "uname -r", "certain"}};
inline constexpr Attribute module{{"module-mismatch", Severity::info, "software", "kernel module", kSetting,
                                   "load the same modules of the same version on all hosts",
                                   "lsmod; modinfo MODULE", "certain"}};
inline constexpr const char* kByPeermem = "nvidia_peermem";
inline constexpr const char* kByDmabuf = "dmabuf";
inline constexpr FaultKind gpudirect_other{"peermem-not-loaded",
                                           Severity::info,
                                           "software",
                                           "GPUDirect RDMA by",
                                           "GPUDirect works on this host in another way than on the others",
                                           "load nvidia_peermem on all hosts or on none",
                                           "lsmod | grep nvidia_peermem",
                                           "certain"};
inline constexpr Attribute gpudirect{{"peermem-missing", Severity::bad, "software", "GPUDirect RDMA by",
                                      "NICs of this host cannot read GPU memory: its traffic goes through "
                                      "host memory at a fraction of the speed",
                                      "modprobe nvidia_peermem on this host, and have it loaded at boot",
                                      "lsmod | grep nvidia_peermem", "certain"},
                                     false,
                                     [](const std::string& odd, const std::string&) {
                                       return odd == kByDmabuf || odd == kByPeermem ? &gpudirect_other
                                                                                    : nullptr;
                                     }};

// The host.
inline constexpr FaultKind hypervisor_other{
    "hypervisor-mismatch", Severity::bad, "host", "runs as", kSetting, "use hosts of one kind for a job",
    "systemd-detect-virt", "certain"};
inline constexpr Attribute hypervisor{
    {"vm-among-bare-metal", Severity::bad, "host", "runs as",
     "a virtual machine among bare metal has other latencies, a PCI tree that may be flat, and often no "
     "GPUDirect",
     "take bare metal for all, or all virtual", "systemd-detect-virt", "certain"},
    false,
    [](const std::string&, const std::string& majority) {
      return majority == "bare metal" ? nullptr : &hypervisor_other;
    }};
inline constexpr Attribute container{{"container-mismatch", Severity::info, "host", "container", kSetting,
                                      "start all ranks in the same container", "cat /proc/1/cgroup",
                                      "certain"}};
inline constexpr Attribute product{
    {"product-mismatch", Severity::info, "host", "product", "the host is another machine than the others",
     "use hosts of one kind for a job", "dmidecode -s system-product-name", "certain"}};
inline constexpr Attribute bios{{"bios-mismatch", Severity::info, "host", "BIOS", kSetting,
                                 "bring all hosts to one BIOS version", "dmidecode -s bios-version",
                                 "certain"}};
inline constexpr Attribute cpu{
    {"cpu-mismatch", Severity::info, "host",
     "CPUs:", "the host is another machine than the others, or has cores or threads turned off",
     "compare the BIOS settings", "lscpu", "certain"}};
inline constexpr Attribute numa{{"numa-mismatch", Severity::info, "host", "NUMA nodes:", kSetting,
                                 "set the same NUMA mode (NPS, SNC) in the BIOS of all hosts", "numactl -H",
                                 "certain"}};
inline constexpr Attribute memory{{"memory-mismatch", Severity::bad, "host", "memory",
                                   "the host has less memory than the others: a module failed or is missing",
                                   "look for failed DIMMs in the BMC's log; reseat or replace them",
                                   "free -g; dmidecode -t memory", "certain"},
                                  true};
inline constexpr const char* kTranslated = "translated";
inline constexpr FaultKind iommu_other{"iommu-mode-mismatch",
                                       Severity::info,
                                       "host",
                                       "IOMMU",
                                       "the IOMMU of this host is not in the way of peer-to-peer copies",
                                       "set the same IOMMU mode on all, one that does not translate",
                                       "cat /proc/cmdline; dmesg | grep -i iommu",
                                       "certain"};
inline constexpr Attribute iommu{
    {"iommu-mismatch", Severity::bad, "host", "IOMMU",
     "an IOMMU that translates slows or stops peer-to-peer copies on this host alone",
     "set the same IOMMU mode on all (iommu=pt on the kernel command line)",
     "cat /proc/cmdline; dmesg | grep -i iommu", "likely"},
    false,
    [](const std::string& odd, const std::string&) { return odd == kTranslated ? nullptr : &iommu_other; }};
inline constexpr FaultKind acs_other{"acs-off",
                                     Severity::info,
                                     "host",
                                     "ACS redirect at PCI bridges:",
                                     "peer-to-peer traffic takes the short way on this host, and on the "
                                     "others it goes up to the root",
                                     "turn ACS off on the others, too",
                                     "lspci -vvv | grep ACSCtl",
                                     "likely"};
inline constexpr Attribute acs{
    {"acs-mismatch", Severity::bad, "host", "ACS redirect at PCI bridges:",
     "with it peer-to-peer traffic goes up to the root and back, which costs bandwidth",
     "turn ACS off in the BIOS or by setpci on bare metal", "lspci -vvv | grep ACSCtl", "likely"},
    false,
    [](const std::string& odd, const std::string&) { return odd == "on" ? nullptr : &acs_other; }};
inline constexpr Attribute governor{{"governor-mismatch", Severity::info, "host", "CPU governor", kSetting,
                                     "cpupower frequency-set -g performance", "cpupower frequency-info",
                                     "certain"}};
inline constexpr Attribute hugepages{
    {"hugepages-mismatch", Severity::info, "host", "transparent huge pages:", kSetting,
     "use the same setting on all hosts", "cat /sys/kernel/mm/transparent_hugepage/enabled", "certain"}};
inline constexpr Attribute memlock{{"memlock-mismatch", Severity::info, "host", "lockable memory", kSetting,
                                    "set memlock to unlimited in limits.conf and for the launcher's daemon",
                                    "ulimit -l", "certain"}};
inline constexpr Attribute numa_balancing{{"numa-balancing-mismatch", Severity::info, "host",
                                           "NUMA balancing", kSetting, "sysctl kernel.numa_balancing=0",
                                           "sysctl kernel.numa_balancing", "certain"}};
inline constexpr Attribute gpu_nic_order{
    {"gpu-nic-order-mismatch", Severity::bad, "host", "nearest NICs:",
     "the same rank uses another rail on this host, so traffic of a rail-optimised network crosses the spine",
     "give NICs the same names and slots on all hosts (udev rules, cabling inside the chassis)",
     "nvidia-smi topo -m", "certain"}};

// GPUs.
inline constexpr Attribute gpu_model{{"gpu-model-mismatch", Severity::bad, "gpu", "model", kSlower,
                                      "use hosts with the same GPUs for a job", "nvidia-smi -L", "certain"}};
inline constexpr Attribute vbios{{"vbios-mismatch", Severity::info, "gpu", "VBIOS", kSetting,
                                  "bring all GPUs to one VBIOS version", "nvidia-smi -q | grep VBIOS",
                                  "certain"}};
inline constexpr Attribute pcie_width{
    {"pcie-width-mismatch", Severity::bad, "link", "PCIe width", kSlower,
     "power-cycle the host; if it stays, reseat the card or its riser", "lspci -vv | grep LnkSta", "certain"},
    true};
inline constexpr Attribute pcie_speed{
    {"pcie-speed-mismatch", Severity::bad, "link", "PCIe speed", kSlower,
     "compare the BIOS settings; power-cycle the host; reseat the card or its riser",
     "lspci -vv | grep LnkSta", "certain"},
    true};
inline constexpr Attribute nvlinks{
    {"nvlink-mismatch", Severity::bad, "gpu", "active NVLinks:", kSlower,
     "reset the GPUs; if links stay down, reseat or replace the GPU board or bridge", "nvidia-smi nvlink -s",
     "certain"},
    true};
inline constexpr Attribute nvlink_speed{
    {"nvlink-speed-mismatch", Severity::bad, "gpu", "NVLink speed", kSlower,
     "reset the GPUs; compare driver and fabric manager", "nvidia-smi nvlink -s", "certain"},
    true};
inline constexpr Attribute mig{{"mig-mismatch", Severity::bad, "gpu", "MIG",
                                "a GPU that is split takes no part in NVLink or in a job over whole GPUs",
                                "nvidia-smi -mig 0 on this host, or on for all",
                                "nvidia-smi -q | grep -A2 MIG", "certain"}};
inline constexpr Attribute ecc{{"ecc-mode-mismatch", Severity::info, "gpu", "ECC", kSetting,
                                "nvidia-smi -e 1 and a reboot", "nvidia-smi -q -d ECC", "certain"}};
inline constexpr Attribute persistence{{"persistence-mismatch", Severity::info, "gpu", "persistence mode",
                                        kSetting, "systemctl enable --now nvidia-persistenced",
                                        "nvidia-smi -q | grep Persistence", "certain"}};
inline constexpr Attribute power_limit{
    {"power-limit-mismatch", Severity::bad, "gpu", "power limit", kSlower,
     "nvidia-smi -pl WATTS to what the others have", "nvidia-smi -q -d POWER", "certain"},
    true};
inline constexpr Attribute gpu_clock{{"gpu-clock-mismatch", Severity::info, "gpu", "highest SM clock",
                                      kSetting, "nvidia-smi -rgc; compare VBIOS versions",
                                      "nvidia-smi -q -d CLOCK", "certain"}};
inline constexpr Attribute bar1{{"bar-size-mismatch", Severity::info, "gpu", "BAR1 size", kSetting,
                                 "turn on resizable BAR and above-4G decoding in the BIOS",
                                 "nvidia-smi -q -d MEMORY", "certain"}};
inline constexpr Attribute device_numa{{"device-numa-mismatch", Severity::info, "host", "NUMA node", kSetting,
                                        "compare the BIOS settings and the slots", "nvidia-smi topo -m",
                                        "certain"}};

// NICs and their ports.
inline constexpr Attribute nic_model{{"nic-model-mismatch", Severity::bad, "nic", "model", kSlower,
                                      "use hosts with the same NICs for a job", "lspci -nn", "certain"}};
inline constexpr Attribute board{{"nic-board-mismatch", Severity::info, "nic", "board", kSetting,
                                  "note it: boards of other makers take other firmware",
                                  "ibstat; devlink dev info", "certain"}};
inline constexpr Attribute firmware{
    {"firmware-mismatch", Severity::bad, "nic", "firmware",
     "NICs of one fabric behave differently: congestion control and defaults change "
     "between firmware versions",
     "bring all NICs to one firmware version", "ibstat; ethtool -i NETDEV", "certain"}};
inline constexpr Attribute link_layer{{"link-layer-mismatch", Severity::bad, "nic", "link layer",
                                       "the port speaks another protocol than the same port of the others",
                                       "set LINK_TYPE by mlxconfig and power-cycle", "ibstat", "certain"}};
inline constexpr FaultKind port_state_other{
    "port-state-mismatch", Severity::info, "nic",
    "port state",          kSetting,       "cable it like the others, or take it out of use",
    "ibstat; rdma link",   "certain"};
inline constexpr Attribute port_state{
    {"port-down", Severity::bad, "nic", "port state",
     "the port is up on the other hosts: this host has lost a rail",
     "look at the cable, the transceiver and the switch port; on InfiniBand at the "
     "subnet manager",
     "ibstat; rdma link; ethtool NETDEV", "certain"},
    false,
    [](const std::string&, const std::string& majority) {
      return majority == "ACTIVE" ? nullptr : &port_state_other;
    }};
inline constexpr Attribute rate{{"nic-rate-mismatch", Severity::bad, "nic", "rate", kSlower,
                                 "look at the cable, the transceiver and the speed set at the switch port",
                                 "ibstat; ethtool NETDEV", "certain"},
                                true};
inline constexpr Attribute active_mtu{
    {"mtu-mismatch", Severity::bad, "nic", "RDMA MTU",
     "packets of one size do not pass everywhere: connections fail or are slower",
     "set the same MTU on all hosts and switch ports", "ibv_devinfo | grep mtu", "certain"}};
inline constexpr Attribute net_mtu{
    {"mtu-mismatch", Severity::bad, "nic", "net device MTU",
     "packets of one size do not pass everywhere: connections hang or are slower",
     "set the same MTU on all hosts and switch ports", "ip link show NETDEV", "certain"}};
inline constexpr Attribute ipoib_mtu{{"ipoib-mtu-mismatch", Severity::info, "nic", "IPoIB MTU", kSetting,
                                      "set the same mode and MTU where TCP goes over it",
                                      "ip link show NETDEV", "certain"}};
inline constexpr const char* kNoGid = "none";
inline constexpr FaultKind gid_extra{
    "gid-extra",
    Severity::info,
    "nic",
    "type",
    kSetting,
    "note it: the net device has more addresses or VLANs than those of the others",
    "show_gids; rdma link",
    "certain"};
inline constexpr Attribute gid{
    {"gid-type-mismatch", Severity::bad, "nic", "type",
     "NCCL and MPI use one GID index on all hosts, and here it means another protocol or "
     "nothing",
     "give the net device the same addresses in the same order; set the RoCE version", "show_gids",
     "certain"},
    false,
    [](const std::string&, const std::string& majority) {
      return majority == kNoGid ? &gid_extra : nullptr;
    }};
inline constexpr Attribute virtual_function{{"virtual-function-mismatch", Severity::info, "nic", "is",
                                             kSetting, "give all hosts the same kind of NIC", "lspci -nn",
                                             "certain"}};
inline constexpr Attribute pcie_settings{{"pcie-settings-mismatch", Severity::info, "nic", "PCIe settings",
                                          kSetting, "compare the BIOS settings; set MaxReadReq by setpci",
                                          "lspci -vv", "certain"}};

}  // namespace fabricheck::topology::attribute
