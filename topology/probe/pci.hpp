// PCI devices of a host, from sysfs.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

struct PciDevice {
  std::string address;  ///< "0000:18:00.0"
  long vendor{};        ///< 0x10de
  long class_code{};    ///< 0x030200: class, subclass, programming interface

  /// Class and subclass, 0x0302.
  long subclass() const { return class_code >> 8; }
};

/// All PCI devices in order of address. A machine without a PCI bus has none; entries that cannot be read are
/// added to `unknown`.
std::vector<PciDevice> pci_devices(const std::string& sysroot, std::vector<std::string>& unknown);

/// Whether it is an NVIDIA GPU (display or 3D controller).
bool is_nvidia_gpu(const PciDevice& device);

/// The NUMA node of the device; none where the firmware does not say.
std::optional<int> pci_numa_node(const std::string& sysroot, const std::string& address);

/// The kernel driver bound to the device; empty when none is.
std::string pci_driver(const std::string& sysroot, const std::string& address);

/// "0000:18:00.0", the form sysfs uses, from this and from NVML's "00000000:18:00.0" in any case; else
/// nothing.
std::optional<std::string> pci_address(std::string_view text);

}  // namespace fabricheck::topology
