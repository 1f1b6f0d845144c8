#include "topology/probe/pci.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

constexpr long kVendorNvidia = 0x10de;
constexpr long kDisplayController = 0x0300;
constexpr long k3dController = 0x0302;

std::filesystem::path devices_folder(const std::string& sysroot) {
  return std::filesystem::path(sysroot) / "sys/bus/pci/devices";
}

}  // namespace

std::vector<PciDevice> pci_devices(const std::string& sysroot, std::vector<std::string>& unknown) {
  std::vector<PciDevice> devices;
  const auto folder = devices_folder(sysroot);
  std::string why;
  const auto names = folder_entries(folder, why);
  if (!names) {
    // A kernel without PCI has sys/bus and no sys/bus/pci in it: then there is nothing to find out.
    std::error_code error;
    const auto bus = std::filesystem::path(sysroot) / "sys/bus";
    if (!std::filesystem::is_directory(bus, error) || std::filesystem::exists(bus / "pci", error)) {
      unknown.push_back(fmt::format(
          "PCI: {} cannot be read ({}), so GPUs and NICs that do not answer are not seen; is sysfs mounted?",
          folder.string(), why));
    }
    return devices;
  }
  std::string first_bad;
  int bad = 0;
  for (const auto& name : *names) {
    const auto vendor = read_text(folder / name / "vendor");
    const auto class_code = read_text(folder / name / "class");
    const auto vendor_number = vendor ? parse_number(*vendor, 16) : std::nullopt;
    const auto class_number = class_code ? parse_number(*class_code, 16) : std::nullopt;
    const auto address = pci_address(name);
    if (!vendor_number || !class_number || !address) {
      if (bad++ == 0) first_bad = (folder / name).string();
      continue;
    }
    devices.push_back({*address, *vendor_number, *class_number});
  }
  if (bad > 0) {
    unknown.push_back(fmt::format("PCI: vendor and class of {} device{} cannot be read (first: {})", bad,
                                  bad == 1 ? "" : "s", first_bad));
  }
  std::sort(devices.begin(), devices.end(),
            [](const PciDevice& a, const PciDevice& b) { return a.address < b.address; });
  return devices;
}

bool is_nvidia_gpu(const PciDevice& device) {
  return device.vendor == kVendorNvidia &&
         (device.subclass() == kDisplayController || device.subclass() == k3dController);
}

std::optional<int> pci_numa_node(const std::string& sysroot, const std::string& address) {
  return read_index(devices_folder(sysroot) / address / "numa_node");
}

std::string pci_driver(const std::string& sysroot, const std::string& address) {
  std::error_code error;
  return std::filesystem::read_symlink(devices_folder(sysroot) / address / "driver", error)
      .filename()
      .string();
}

std::optional<std::string> pci_address(std::string_view text) {
  const auto hex = [](std::string_view part) -> std::optional<long> {
    const auto is_hex = [](char c) {
      return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    };
    if (part.empty() || !std::all_of(part.begin(), part.end(), is_hex)) return std::nullopt;
    return parse_number(part, 16);
  };
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 4 || colon > 8) return std::nullopt;
  const std::string_view rest = text.substr(colon + 1);  // bb:dd.f
  if (rest.size() != 7 || rest[2] != ':' || rest[5] != '.') return std::nullopt;
  const auto domain = hex(text.substr(0, colon));
  const auto bus = hex(rest.substr(0, 2));
  const auto device = hex(rest.substr(3, 2));
  const auto function = hex(rest.substr(6, 1));
  if (!domain || !bus || !device || !function) return std::nullopt;
  return fmt::format("{:04x}:{:02x}:{:02x}.{:x}", *domain, *bus, *device, *function);
}

}  // namespace fabricheck::topology
