#include "topology/probe/pci.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <system_error>

#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

constexpr long kDisplayController = 0x0300;
constexpr long k3dController = 0x0302;
constexpr long kNetwork = 0x02;
constexpr long kInfinibandController = 0x0207;
constexpr long kFabricController = 0x0208;

}  // namespace

std::filesystem::path pci_folder(const std::string& sysroot) {
  return std::filesystem::path(sysroot) / "sys/bus/pci/devices";
}

std::string PciDevice::ids() const {
  return device < 0 ? fmt::format("{:04x}:????", vendor) : fmt::format("{:04x}:{:04x}", vendor, device);
}

std::optional<PciDevice> read_pci_device(const std::string& sysroot, const std::string& address) {
  const auto number = [&](const char* file, long most) -> std::optional<long> {
    const auto text = read_text(pci_folder(sysroot) / address / file);
    const auto value = text ? parse_number(*text, 16) : std::nullopt;
    if (!value || *value < 0 || *value > most) return std::nullopt;
    return value;
  };
  const auto vendor = number("vendor", 0xffff);
  const auto class_code = number("class", 0xffffff);
  if (!vendor || !class_code) return std::nullopt;
  return PciDevice{address, *vendor, *class_code, number("device", 0xffff).value_or(-1)};
}

std::vector<PciDevice> pci_devices(const std::string& sysroot, std::vector<std::string>& unknown) {
  std::vector<PciDevice> devices;
  const auto folder = pci_folder(sysroot);
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
    auto device = pci_address(name) == name ? read_pci_device(sysroot, name) : std::nullopt;
    if (device) {
      devices.push_back(std::move(*device));
    } else if (bad++ == 0) {
      first_bad = printable((folder / name).string());
    }
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
  return device.vendor == pci_vendor::nvidia &&
         (device.subclass() == kDisplayController || device.subclass() == k3dController);
}

bool is_nvswitch(const PciDevice& device) {
  constexpr long kOtherBridge = 0x0680;
  return device.vendor == pci_vendor::nvidia && device.subclass() == kOtherBridge;
}

bool is_rdma_nic(const PciDevice& device) {
  if (device.subclass() == kInfinibandController || device.subclass() == kFabricController) return true;
  if (device.subclass() >> 8 != kNetwork) return false;
  if (device.vendor == pci_vendor::mellanox) return true;
  return device.vendor == pci_vendor::amazon && device.device >= 0xefa0 && device.device <= 0xefaf;
}

bool is_virtual_function(const std::string& sysroot, const PciDevice& device) {
  std::error_code error;
  const auto physical = pci_folder(sysroot) / device.address / "physfn";
  if (std::filesystem::symlink_status(physical, error).type() != std::filesystem::file_type::not_found) {
    return true;
  }
  // Connect-IB, ConnectX-4, 4 Lx, 5, 5 Ex, 6, and one number for all that came later.
  constexpr std::array<long, 7> kMellanox{0x1012, 0x1014, 0x1016, 0x1018, 0x101a, 0x101c, 0x101e};
  return device.vendor == pci_vendor::mellanox &&
         std::find(kMellanox.begin(), kMellanox.end(), device.device) != kMellanox.end();
}

std::optional<int> pci_numa_node(const std::string& sysroot, const std::string& address) {
  return read_index(pci_folder(sysroot) / address / "numa_node");
}

std::string pci_driver(const std::string& sysroot, const std::string& address) {
  std::error_code error;
  return std::filesystem::read_symlink(pci_folder(sysroot) / address / "driver", error).filename().string();
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
