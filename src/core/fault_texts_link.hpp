// Faults of links: of InfiniBand and Ethernet ports, PCIe and NVLink, that are up and less than they should
// be.
#pragma once

#include "core/fault_text.hpp"

namespace fabricheck::fault {

inline constexpr FaultText no_subnet_manager{
    "ib-no-subnet-manager",
    Severity::bad,
    "nic",
    "the link is up and the port has no address, so nothing can be sent over it",
    "start a subnet manager in this subnet (opensm, or the one of a managed switch), and look at its log",
    "ibstat; sminfo; saquery"};
inline constexpr FaultText link_width_reduced{
    "ib-width-reduced",
    Severity::bad,
    "link",
    "the link runs on one lane of its cable: at a quarter of its rate",
    "reseat or replace the cable and its transceivers; reset the port",
    "ibstat; iblinkinfo; mlxlink -d DEVICE -m"};
inline constexpr FaultText link_rate_reduced{
    "nic-rate-reduced",
    Severity::info,
    "nic",
    "the port could do more: the cable, the transceiver or the switch port is slower, as may be meant",
    "look at the cable, the transceiver and the speed set at the switch port",
    "ethtool NETDEV; mlxlink -d DEVICE"};
inline constexpr FaultText pcie_width_reduced{
    "pcie-width-reduced",
    Severity::bad,
    "link",
    "the link was trained with fewer lanes than both its ends have: copies and GPUDirect over it are slower",
    "power-cycle the host; if it stays, reseat the card or its riser, then replace it",
    "lspci -vv -s ADDRESS | grep LnkSta; nvidia-smi -q | grep -A12 'PCI$'"};
inline constexpr FaultText pcie_speed_reduced{
    "pcie-speed-reduced",
    Severity::bad,
    "link",
    "the link was trained at a lower speed than both its ends can do",
    "power-cycle the host; if it stays, look for a speed limit in the BIOS, reseat the card or its riser",
    "lspci -vv -s ADDRESS | grep LnkSta"};
inline constexpr FaultText fabric_unhealthy{
    "fabric-unhealthy",
    Severity::bad,
    "gpu",
    "NVML says that this GPU's way through the NVSwitch fabric is impaired",
    "read the fabric manager's log for the link or switch; reset the GPUs; replace the part that it names",
    "nvidia-smi -q | grep -A8 Fabric; journalctl -u nvidia-fabricmanager"};

}  // namespace fabricheck::fault
