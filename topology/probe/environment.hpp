// What a host is besides its devices: firmware, hypervisor, container, settings of the kernel, modules.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Firmware, hypervisor, container, settings, modules and libraries: all but add_facts_of_devices().
HostEnvironment probe_environment(const std::string& sysroot, std::vector<std::string>& unknown);

/// What the devices tell: passthrough, flat PCI tree, IOMMU, dmabuf. Host::pci, gpus, rdma_devices, kernel
/// and the rest of the environment are there already.
void add_facts_of_devices(const std::string& sysroot, Host& host);

/// "KVM", "Microsoft Hyper-V", …; "none": bare metal as far as it shows; empty: nothing tells.
std::string hypervisor(const std::string& sysroot);

/// What the twelve letters of a CPUID leaf stand for; the letters themselves where they are not known.
std::string hypervisor_of_signature(std::string_view signature);

/// "docker", "podman", "kubernetes", "lxc", …; "none".
std::string container(const std::string& sysroot);

/// "nccl" and "libibverbs" with the versions that the names of their files tell.
std::map<std::string, std::string> libraries(const std::string& sysroot);

/// A line `KEY VALUE` of the file that scripts/capture-node leaves for what no file of the machine tells;
/// empty on a live machine.
std::string captured_fact(const std::string& sysroot, std::string_view key);

/// Whether GPUs and NICs hang in the PCI tree without the switches and root ports that join them.
std::optional<bool> is_flat_pci_tree(const Host& host);

}  // namespace fabricheck::topology
