// The table of what a host can lack of what should be there. Private to this folder.
#pragma once

#include "topology/judge/faults.hpp"

namespace fabricheck::topology::lack {

inline constexpr const char* kLess =
    "the host has less than it should: jobs that ask for all of it fail or are slow";

inline constexpr FaultKind gpus{"gpu-missing",
                                Severity::fatal,
                                "gpu",
                                "GPUs:",
                                kLess,
                                "look for the missing ones in lspci and in the kernel log (Xid 79); "
                                "power-cycle the host; reseat or replace",
                                "nvidia-smi -L; lspci -d 10de:",
                                "certain"};
inline constexpr FaultKind gpu_model{"gpu-model-mismatch",
                                     Severity::bad,
                                     "gpu",
                                     "model is",
                                     "the host has other GPUs than it should",
                                     "replace them, or mend the expectation",
                                     "nvidia-smi -L",
                                     "certain"};
inline constexpr FaultKind nvlinks{
    "nvlink-inactive",
    Severity::bad,
    "gpu",
    "active NVLinks:",
    kLess,
    "reset the GPUs (nvidia-smi -r); if links stay down, reseat or replace the GPU board or bridge",
    "nvidia-smi nvlink -s",
    "certain"};
inline constexpr FaultKind islands{"nvlink-islands",
                                   Severity::bad,
                                   "host",
                                   "groups of GPUs that NVLink joins:",
                                   "some GPUs of the host reach each other only over PCIe",
                                   "start the fabric manager (systemctl start nvidia-fabricmanager); look at "
                                   "bridges and NVLinks that are down",
                                   "nvidia-smi topo -m",
                                   "certain"};
inline constexpr FaultKind nvswitches{"nvswitch-missing",
                                      Severity::bad,
                                      "host",
                                      "NVSwitches:",
                                      kLess,
                                      "power-cycle the host; replace the GPU board if one stays away",
                                      "lspci -d 10de: | grep -i bridge",
                                      "certain"};
inline constexpr FaultKind pcie_width{"pcie-width-mismatch",
                                      Severity::bad,
                                      "link",
                                      "PCIe width",
                                      kLess,
                                      "power-cycle the host; if it stays, reseat the card or its riser",
                                      "lspci -vv | grep LnkSta",
                                      "certain"};
inline constexpr FaultKind pcie_speed{
    "pcie-speed-mismatch",
    Severity::bad,
    "link",
    "PCIe speed",
    kLess,
    "compare the BIOS settings; power-cycle the host; reseat the card or its riser",
    "lspci -vv | grep LnkSta",
    "certain"};
inline constexpr FaultKind driver{"driver-mismatch",
                                  Severity::bad,
                                  "software",
                                  "GPU driver",
                                  "the host runs another driver than it should",
                                  "install the right driver",
                                  "nvidia-smi",
                                  "certain"};
inline constexpr FaultKind nics{"nic-missing",
                                Severity::fatal,
                                "nic",
                                "RDMA NICs:",
                                kLess,
                                "look for the missing ones in lspci and in the kernel log; power-cycle the "
                                "host; reseat or replace the NIC",
                                "rdma link; lspci -d 15b3:",
                                "certain"};
inline constexpr FaultKind link_layer{"link-layer-mismatch",
                                      Severity::bad,
                                      "nic",
                                      "link layer",
                                      "the port speaks another protocol than it should",
                                      "set LINK_TYPE by mlxconfig and power-cycle",
                                      "ibstat",
                                      "certain"};
inline constexpr FaultKind port{"port-down",
                                Severity::bad,
                                "nic",
                                "has no active port:",
                                "the NIC carries no traffic: its rail is lost",
                                "look at the cable, the transceiver and the switch port",
                                "ibstat; rdma link",
                                "certain"};
inline constexpr FaultKind rate{"nic-rate-mismatch",
                                Severity::bad,
                                "nic",
                                "rate",
                                kLess,
                                "look at the cable, the transceiver and the speed set at the switch port",
                                "ibstat; ethtool NETDEV",
                                "certain"};
inline constexpr FaultKind firmware{"firmware-mismatch",
                                    Severity::bad,
                                    "nic",
                                    "firmware",
                                    "the NIC runs another firmware than it should",
                                    "bring it to the right version (mlxfwmanager, devlink)",
                                    "ibstat",
                                    "certain"};
inline constexpr FaultKind rail_nic{"rail-nic-mismatch",
                                    Severity::bad,
                                    "nic",
                                    "is served by",
                                    "GPUs of this rail use another NIC than they should",
                                    "compare the slots and names of the NICs with the plan",
                                    "nvidia-smi topo -m",
                                    "certain"};
inline constexpr FaultKind rail_leaf{"rail-wrong-leaf",
                                     Severity::bad,
                                     "nic",
                                     "is cabled to",
                                     "traffic of this rail leaves over another leaf switch than it should",
                                     "swap the cables at the host or at the leaf",
                                     "lldpctl; ibnetdiscover",
                                     "certain"};
inline constexpr FaultKind virtual_machine{"hypervisor-mismatch",
                                           Severity::bad,
                                           "host",
                                           "is",
                                           "the host is not the kind of machine that it should be",
                                           "use the right kind of host, or mend the expectation",
                                           "systemd-detect-virt",
                                           "certain"};

}  // namespace fabricheck::topology::lack
