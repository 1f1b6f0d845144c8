// PCI devices of a host, from sysfs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

struct PciDevice {
  std::string address;  ///< "0000:18:00.0"
  long vendor{};        ///< 0x10de
  long class_code{};    ///< 0x030200: class, subclass, programming interface
  long device{-1};      ///< 0x2330; -1: cannot be read

  /// Class and subclass, 0x0302.
  long subclass() const { return class_code >> 8; }

  /// "10de:2330"; the device is "????" where it cannot be read.
  std::string ids() const;
};

/// One PCI device; nothing where vendor or class cannot be read.
std::optional<PciDevice> read_pci_device(const std::string& sysroot, const std::string& address);

/// All PCI devices in order of address. A machine without a PCI bus has none; entries that cannot be read are
/// added to `unknown`.
std::vector<PciDevice> pci_devices(const std::string& sysroot, std::vector<std::string>& unknown);

namespace pci_vendor {
inline constexpr long amazon = 0x1d0f;
inline constexpr long mellanox = 0x15b3;
inline constexpr long nvidia = 0x10de;
}  // namespace pci_vendor

/// sys/bus/pci/devices below `sysroot`.
std::filesystem::path pci_folder(const std::string& sysroot);

/// Whether it is an NVIDIA GPU (display or 3D controller).
bool is_nvidia_gpu(const PciDevice& device);

/// Whether it is an NVSwitch. From HGX B200 on NVSwitches are not on the PCI bus.
bool is_nvswitch(const PciDevice& device);

/// Whether it is a NIC that speaks RDMA when its driver works: of NVIDIA (Mellanox), an Elastic Fabric
/// Adapter, or of the class of InfiniBand or of fabric controllers. Ethernet NICs of others may or may not.
bool is_rdma_nic(const PciDevice& device);

/// Whether it is a virtual function: the kernel says so where the physical one is on the same host; in a
/// virtual machine the device's number does.
bool is_virtual_function(const std::string& sysroot, const PciDevice& device);

/// The NUMA node of the device; none where the firmware does not say.
std::optional<int> pci_numa_node(const std::string& sysroot, const std::string& address);

/// The kernel driver bound to the device; empty when none is.
std::string pci_driver(const std::string& sysroot, const std::string& address);

/// "0000:18:00.0", the form sysfs uses, from this and from NVML's "00000000:18:00.0" in any case; else
/// nothing.
std::optional<std::string> pci_address(std::string_view text);

}  // namespace fabricheck::topology
