#include "topology/probe/nvswitch_managers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>

#include "topology/model/host_names.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kFewestFunctions = 3;

std::string without_function(const std::string& address) { return address.substr(0, address.rfind('.')); }

bool could_manage(const RdmaDevice& device) {
  return device.ids.starts_with("15b3:") && device.virtual_function == false && !device.ports.empty() &&
         std::all_of(device.ports.begin(), device.ports.end(),
                     [](const RdmaPort& port) { return port.link_layer == "InfiniBand"; });
}

/// What the vital product data say; nothing where they cannot be read.
std::optional<bool> is_named_manager(const std::string& sysroot, const std::string& address) {
  std::string why;
  const auto data = read_bytes(pci_folder(sysroot) / address / "vpd", why);
  if (!data || data->empty()) return std::nullopt;
  return data->find("SMDL=SW_MNG") != std::string::npos;
}

}  // namespace

std::vector<std::string> leave_out_nvswitch_managers(const std::string& sysroot,
                                                     const std::vector<PciDevice>& pci,
                                                     const std::function<void(const std::string&)>& at,
                                                     Host& host) {
  // Boards that show their NVSwitches on PCI have no such functions, and reading the data takes time.
  if (std::any_of(pci.begin(), pci.end(), is_nvswitch) || std::none_of(pci.begin(), pci.end(), is_nvidia_gpu))
    return {};
  std::map<std::string, std::size_t> functions;
  for (const RdmaDevice& device : host.rdma_devices)
    if (could_manage(device)) ++functions[without_function(device.pci_address)];
  std::vector<std::string> names, addresses;
  bool by_place = false;
  for (const RdmaDevice& device : host.rdma_devices) {
    if (!could_manage(device)) continue;
    if (at) at(device.name);
    const auto named = is_named_manager(sysroot, device.pci_address);
    const bool in_place = functions[without_function(device.pci_address)] >= kFewestFunctions;
    if (!named.value_or(in_place)) continue;
    by_place = by_place || !named;
    names.push_back(device.name);
    addresses.push_back(device.pci_address);
  }
  if (names.empty()) return {};
  const bool one = names.size() == 1;
  host.unknown.push_back(fmt::format(
      "NICs: {} {} the NVSwitches of this node and {} no traffic of jobs, so {} left out ({})",
      fold_names(names), one ? "manages" : "manage", one ? "carries" : "carry", one ? "it is" : "they are",
      by_place ? "known by their place, as functions of one InfiniBand device; to root their vital product "
                 "data say SMDL=SW_MNG"
               : "SMDL=SW_MNG in the vital product data"));
  std::erase_if(host.rdma_devices, [&](const RdmaDevice& device) {
    return std::find(addresses.begin(), addresses.end(), device.pci_address) != addresses.end();
  });
  return addresses;
}

}  // namespace fabricheck::topology
