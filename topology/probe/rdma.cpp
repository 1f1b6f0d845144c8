// RDMA devices from sys/class/infiniband.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "topology/probe/pci.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/rdma_port.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

/// The PCI function behind the device; a sub-function or a bond sits some levels below it. Soft RoCE has
/// none.
std::string device_pci_address(const fs::path& device) {
  std::error_code error;
  const fs::path target = fs::read_symlink(device / "device", error);
  if (error) return {};
  if (const auto address = pci_address(target.filename().string())) return *address;
  const fs::path real = fs::canonical(device / "device", error);
  if (error) return {};
  std::string nearest;
  for (const auto& part : real) {
    if (const auto address = pci_address(part.string())) nearest = *address;
  }
  return nearest;
}

/// Four groups of four hexadecimal digits; all zero is none.
std::string node_guid(const fs::path& file, std::vector<std::string>& unknown) {
  std::error_code error;
  if (fs::symlink_status(file, error).type() == fs::file_type::not_found) return {};
  const std::string text = rdma_attribute(file, unknown);
  bool sound = text.size() == 19;
  for (std::size_t at = 0; sound && at < text.size(); ++at) {
    const bool hex = std::string_view("0123456789abcdefABCDEF").find(text[at]) != std::string_view::npos;
    sound = at % 5 == 4 ? text[at] == ':' : hex;
  }
  if (!sound && !text.empty()) {
    unknown.push_back(fmt::format("RDMA: {} reads {}, not a GUID", file.string(), in_quotes(text)));
  }
  return sound && text.find_first_not_of("0:") != std::string::npos ? text : std::string{};
}

void add_pci_facts(const std::string& sysroot, RdmaDevice& device) {
  if (device.pci_address.empty()) return;
  const auto function = read_pci_device(sysroot, device.pci_address);
  if (!function) return;
  device.ids = function->ids();
  device.virtual_function = is_virtual_function(sysroot, *function);
}

}  // namespace

std::vector<RdmaDevice> probe_rdma(const std::string& sysroot, std::vector<std::string>& unknown,
                                   const std::function<void(const std::string&)>& at) {
  std::vector<RdmaDevice> devices;
  const fs::path folder = fs::path(sysroot) / "sys/class/infiniband";
  std::error_code error;
  // Without an RDMA driver the folder is simply not there.
  if (fs::symlink_status(folder, error).type() == fs::file_type::not_found) return devices;
  std::string why;
  const auto names = folder_entries(folder, why);
  if (!names) {
    unknown.push_back(
        fmt::format("RDMA: {} cannot be read ({}), so RDMA devices are not seen", folder.string(), why));
    return devices;
  }
  NetFacts net;
  net.sysroot = sysroot;
  if (!names->empty()) net.subnets = read_routes(sysroot, unknown);
  for (const auto& name : *names) {
    if (at) at(name);
    const fs::path entry = folder / name;
    if (!fs::is_directory(entry, error)) {
      unknown.push_back(fmt::format("RDMA: {} is not a device folder{}", entry.string(),
                                    error ? " (" + error.message() + ")" : ""));
      continue;
    }
    RdmaDevice device;
    device.name = name;
    // Not every driver has these two (soft RoCE has no board): absent is empty, unreadable is a sentence.
    for (const auto& [file, value] : {std::pair{"board_id", &device.board}, {"fw_ver", &device.firmware}}) {
      if (fs::symlink_status(entry / file, error).type() != fs::file_type::not_found) {
        *value = rdma_attribute(entry / file, unknown);
      }
    }
    device.pci_address = device_pci_address(entry);
    device.numa_node = read_index(entry / "device/numa_node");
    device.node_guid = node_guid(entry / "node_guid", unknown);
    add_pci_facts(sysroot, device);
    device.ports = rdma_ports(entry, net, unknown);
    devices.push_back(std::move(device));
  }
  if (!net.hidden.empty()) {
    unknown.push_back(
        fmt::format("network: net device {} {} not in this network namespace (container), so MTU, subnets "
                    "and neighbour of {} "
                    "port{} are not known",
                    net.hidden.front(),
                    net.hidden.size() == 1 ? "is" : fmt::format("and {} more are", net.hidden.size() - 1),
                    net.hidden.size(), net.hidden.size() == 1 ? "" : "s"));
  }
  return devices;
}

}  // namespace fabricheck::topology
