#include "topology/probe/nics.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "topology/probe/net.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

/// Drivers that hand a whole function to somebody else.
bool gives_away(const std::string& driver) {
  constexpr std::array<std::string_view, 5> kNames{"pci-stub", "xen-pciback", "pciback", "uio_pci_generic",
                                                   "igb_uio"};
  return driver.find("vfio") != std::string::npos ||
         std::find(kNames.begin(), kNames.end(), driver) != kNames.end();
}

/// Both ports of a bond share one RDMA device, which hangs on the first.
bool is_bonded(const fs::path& function, const std::vector<std::string>& net_devices) {
  return std::any_of(net_devices.begin(), net_devices.end(), [&](const std::string& name) {
    return is_there(function / "net" / name / "bonding_slave");
  });
}

std::string reason(const std::string& sysroot, const PciDevice& device, const std::string& driver) {
  const fs::path modules = fs::path(sysroot) / "sys/module";
  const bool mellanox = device.vendor == pci_vendor::mellanox;
  if (driver.empty()) {
    if (mellanox && !is_there(modules / "mlx5_core")) {
      return "has no kernel driver; load it (modprobe mlx5_core mlx5_ib)";
    }
    return fmt::format("has no kernel driver{}; look for its address in the kernel log",
                       mellanox ? ", although mlx5_core is loaded: it did not start" : "");
  }
  if (driver == "mlx5_core" && !is_there(modules / "mlx5_ib")) {
    return "has its driver mlx5_core and no RDMA device; load mlx5_ib";
  }
  return fmt::format(
      "has its driver {} and neither RDMA nor net device; look for its address in the kernel log",
      printable(driver));
}

/// Functions that are no fault: one sentence for each kind.
struct Others {
  std::vector<std::string> given_away, without_rdma, out_of_sight, without_driver;
};

void report(const std::vector<std::string>& addresses, const char* what, std::vector<std::string>& unknown) {
  if (addresses.empty()) return;
  unknown.push_back(fmt::format("NICs: {} {} (first: {})", addresses.size(), what, addresses.front()));
}

}  // namespace

void add_unanswered_nics(const std::string& sysroot, const std::vector<PciDevice>& devices, Host& host) {
  const bool in_container = !host.environment.container.empty() && host.environment.container != "none";
  const bool in_virtual_machine =
      !host.environment.hypervisor.empty() && host.environment.hypervisor != "none";
  std::vector<RdmaDevice> silent;
  Others others;
  for (const PciDevice& device : devices) {
    if (!is_rdma_nic(device)) continue;
    if (std::any_of(host.rdma_devices.begin(), host.rdma_devices.end(),
                    [&](const RdmaDevice& rdma) { return rdma.pci_address == device.address; })) {
      continue;
    }
    const fs::path function = pci_folder(sysroot) / device.address;
    const std::string driver = pci_driver(sysroot, device.address);
    const bool is_virtual = is_virtual_function(sysroot, device);
    if (gives_away(driver)) {
      others.given_away.push_back(device.address);
      continue;
    }
    if (is_virtual && driver.empty()) {
      if (in_virtual_machine) others.without_driver.push_back(device.address);
      continue;
    }
    const auto net_devices = net_devices_of(function);
    if (!net_devices.empty()) {
      if (!is_virtual && !is_bonded(function, net_devices)) others.without_rdma.push_back(device.address);
      continue;
    }
    if (in_container && !driver.empty()) {
      others.out_of_sight.push_back(device.address);
      continue;
    }
    RdmaDevice nic;
    nic.name = nic.pci_address = device.address;
    nic.status = "not answering";
    nic.ids = device.ids();
    nic.numa_node = pci_numa_node(sysroot, device.address);
    nic.virtual_function = is_virtual;
    silent.push_back(std::move(nic));
    host.unknown.push_back(fmt::format("NICs: {} ({}) does not answer: it {}", device.address, device.ids(),
                                       reason(sysroot, device, driver)));
  }
  report(others.given_away,
         "given to a virtual machine or to a program of their own, so nothing of them is known",
         host.unknown);
  report(others.without_rdma,
         "with a net device and without RDMA device; load mlx5_ib if they are to carry RDMA", host.unknown);
  report(others.without_driver,
         "this virtual machine was given and has no kernel driver for, so nothing of them is known; load it "
         "if they are to carry RDMA",
         host.unknown);
  report(others.out_of_sight, "whose devices may be another container's, so whether they answer is not known",
         host.unknown);
  host.rdma_devices.insert(host.rdma_devices.end(), silent.begin(), silent.end());
}

}  // namespace fabricheck::topology
