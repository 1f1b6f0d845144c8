// The table of what can be wrong with a device. Private to this folder.
#pragma once

#include "topology/judge/faults.hpp"

namespace fabricheck::topology::fault {

inline constexpr FaultKind gpu_not_answering{
    "gpu-not-answering",
    Severity::fatal,
    "gpu",
    "does not answer",
    "the GPU is there and its driver gets no answer from it: jobs on "
    "this host fail or run without it",
    "drain the host, read the kernel log for Xid 79 or 62, reset or "
    "power-cycle the host; replace the GPU if it "
    "does not come back",
    "nvidia-smi; dmesg | grep -i xid",
    "certain"};
inline constexpr FaultKind nic_not_answering{
    "nic-not-answering",
    Severity::fatal,
    "nic",
    "does not answer",
    "the NIC is on the PCI bus and no RDMA device speaks for it: its rail is lost",
    "load its driver (mlx5_ib, bnxt_re, irdma, efa) and read the kernel log; power-cycle the host; reseat or "
    "replace the NIC if it does not come back",
    "rdma link; lspci -nnk; dmesg | grep -i mlx5",
    "certain"};
inline constexpr FaultKind nvlink_inactive{
    "nvlink-inactive",
    Severity::bad,
    "link",
    "NVLink is inactive",
    "GPUs of this host reach each other over fewer NVLinks than they have, or only over PCIe",
    "reset the GPUs of the host (nvidia-smi -r); if the link stays down, reseat or replace the GPU board or "
    "bridge",
    "nvidia-smi nvlink -s; nvidia-smi nvlink -e",
    "certain"};
inline constexpr FaultKind fabric_manager_down{
    "fabric-manager-down",
    Severity::fatal,
    "gpu",
    "NVLink fabric is",
    "the GPUs are not registered with the NVSwitch fabric: CUDA fails to start on them or NVLink stays "
    "unused",
    "start it: systemctl start nvidia-fabricmanager (its version must be the driver's); read its journal",
    "systemctl status nvidia-fabricmanager; nvidia-smi -q | grep -A3 Fabric",
    "certain"};
inline constexpr FaultKind fabric_registration_failed{
    "fabric-registration-failed",
    Severity::fatal,
    "gpu",
    "NVLink fabric registration failed:",
    "the fabric manager ran and could not bring this GPU into the NVSwitch fabric",
    "read the fabric manager's log, reset the GPU, restart nvidia-fabricmanager; replace the GPU board if it "
    "stays",
    "journalctl -u nvidia-fabricmanager; nvidia-smi -q | grep -A3 Fabric",
    "certain"};
inline constexpr FaultKind fabric_unhealthy{
    "fabric-unhealthy",
    Severity::bad,
    "gpu",
    "NVLink fabric health:",
    "NVML says that this GPU's way through the NVSwitch fabric is impaired",
    "read the fabric manager's log for the link or switch; reset the GPUs; replace the part that it names",
    "nvidia-smi -q | grep -A8 Fabric; journalctl -u nvidia-fabricmanager",
    "certain"};
inline constexpr FaultKind pcie_width{
    "pcie-width-reduced",
    Severity::bad,
    "link",
    "PCIe width",
    "the link was trained with fewer lanes than both its ends have: copies and GPUDirect over it are slower",
    "power-cycle the host; if it stays, reseat the card or its riser, then replace it",
    "lspci -vv -s ADDRESS | grep LnkSta; nvidia-smi -q | grep -A12 'PCI$'",
    "certain"};
inline constexpr FaultKind pcie_speed{
    "pcie-speed-reduced",
    Severity::bad,
    "link",
    "PCIe speed",
    "the link was trained at a lower speed than both its ends can do",
    "power-cycle the host; if it stays, look for a speed limit in the BIOS, reseat the card or its riser",
    "lspci -vv -s ADDRESS | grep LnkSta",
    "certain"};
inline constexpr FaultKind ecc_uncorrected{
    "gpu-ecc-uncorrected",
    Severity::bad,
    "gpu",
    "uncorrected memory errors",
    "data in the memory of this GPU was lost since its driver was loaded: jobs on it were ended or are at "
    "risk",
    "drain the host and reset the GPU; if errors come back, run the vendor's field diagnosis and replace it",
    "nvidia-smi -q -d ECC",
    "certain"};
inline constexpr FaultKind remap_failed{"gpu-remap-failed",
                                        Severity::fatal,
                                        "gpu",
                                        "a memory row could not be remapped",
                                        "the GPU has no spare rows left for a faulty one",
                                        "replace the GPU",
                                        "nvidia-smi -q -d ROW_REMAPPER",
                                        "certain"};
inline constexpr FaultKind remap_pending{"gpu-remap-pending",
                                         Severity::bad,
                                         "gpu",
                                         "a memory row waits for being remapped",
                                         "a faulty row is still in use until the GPU is reset",
                                         "drain the host and reset the GPU (nvidia-smi -r)",
                                         "nvidia-smi -q -d ROW_REMAPPER",
                                         "certain"};
inline constexpr FaultKind page_retirement_pending{"gpu-page-retirement-pending",
                                                   Severity::bad,
                                                   "gpu",
                                                   "a memory page waits for being retired",
                                                   "a faulty page is still in use until the GPU is reset",
                                                   "drain the host and reset the GPU (nvidia-smi -r)",
                                                   "nvidia-smi -q -d PAGE_RETIREMENT",
                                                   "certain"};
inline constexpr FaultKind hardware_throttle{
    "gpu-hardware-throttle",
    Severity::bad,
    "gpu",
    "slowed down by hardware:",
    "the GPU protects itself from heat or from a weak power supply and is far slower than its siblings",
    "look at fans, coolant, inlet temperature and power supplies of the host",
    "nvidia-smi -q -d PERFORMANCE,TEMPERATURE,POWER",
    "certain"};
inline constexpr FaultKind port_not_active{
    "port-not-active",
    Severity::info,
    "nic",
    "port is",
    "this RDMA port carries no traffic; whether it should is for --expect or the other hosts to say",
    "if it should be up, look at the cable, the transceiver and the switch port; on InfiniBand at the subnet "
    "manager",
    "ibstat; rdma link; ethtool NETDEV",
    "certain"};

}  // namespace fabricheck::topology::fault
