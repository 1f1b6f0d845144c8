// The table of what can be wrong with a device. Private to this folder.
#pragma once

#include "core/fault_texts.hpp"
#include "topology/judge/faults.hpp"

namespace fabricheck::topology::fault {

/// Of a fault that logs show, too.
constexpr FaultKind kind_of(const FaultText& text, const char* phrase) {
  return {text.slug,    text.severity, text.component, phrase,
          text.meaning, text.advice,   text.confirm,   "certain"};
}

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
inline constexpr FaultKind fabric_registration_failed =
    kind_of(fabricheck::fault::fabric_registration_failed, "NVLink fabric registration failed:");
inline constexpr FaultKind fabric_unhealthy =
    kind_of(fabricheck::fault::fabric_unhealthy, "NVLink fabric health:");
inline constexpr FaultKind pcie_width = kind_of(fabricheck::fault::pcie_width_reduced, "PCIe width");
inline constexpr FaultKind pcie_speed = kind_of(fabricheck::fault::pcie_speed_reduced, "PCIe speed");
inline constexpr FaultKind ecc_uncorrected =
    kind_of(fabricheck::fault::ecc_uncorrected, "uncorrected memory errors");
inline constexpr FaultKind remap_failed =
    kind_of(fabricheck::fault::remap_failed, "a memory row could not be remapped");
inline constexpr FaultKind remap_pending =
    kind_of(fabricheck::fault::remap_pending, "a memory row waits for being remapped");
inline constexpr FaultKind page_retirement_pending =
    kind_of(fabricheck::fault::page_retirement_pending, "a memory page waits for being retired");
inline constexpr FaultKind hardware_throttle =
    kind_of(fabricheck::fault::hardware_throttle, "slowed down by hardware:");
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
