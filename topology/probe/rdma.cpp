// RDMA devices, ports and GIDs from sys/class/infiniband.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "topology/probe/pci.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

/// Reads one attribute; a missing one is a sentence, and an empty text.
std::string attribute(const fs::path& file, std::vector<std::string>& unknown) {
  std::string why;
  auto text = read_text(file, why);
  if (!text) {
    unknown.push_back(fmt::format("RDMA: {} cannot be read ({})", file.string(), why));
    return {};
  }
  if (!std::all_of(text->begin(), text->end(), [](char c) { return c >= ' ' && c <= '~'; })) {
    unknown.push_back(fmt::format("RDMA: {} reads {}, which is no text", file.string(), in_quotes(*text)));
    return {};
  }
  return *text;
}

/// "4: ACTIVE" is ACTIVE.
std::string port_state(const fs::path& file, std::vector<std::string>& unknown) {
  const std::string text = attribute(file, unknown);
  const std::size_t colon = text.find(": ");
  if (colon != std::string::npos && parse_number(text.substr(0, colon))) return text.substr(colon + 2);
  if (!text.empty()) {
    unknown.push_back(
        fmt::format("RDMA: {} reads {}, not a state such as '4: ACTIVE'", file.string(), in_quotes(text)));
  }
  return "unknown";
}

/// "100 Gb/sec (4X EDR)" is 100.
std::optional<double> port_rate(const fs::path& file, std::vector<std::string>& unknown) {
  const std::string text = attribute(file, unknown);
  if (text.empty()) return std::nullopt;
  double rate_Gbps = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, rate_Gbps);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  if (error != std::errc{} || !std::isfinite(rate_Gbps) || rate_Gbps < 0 || unit.substr(0, 7) != " Gb/sec") {
    unknown.push_back(fmt::format("RDMA: {} reads {}, not a rate such as '100 Gb/sec (4X EDR)'",
                                  file.string(), in_quotes(text)));
    return std::nullopt;
  }
  return rate_Gbps;
}

/// Eight groups of four hexadecimal digits.
bool is_gid(std::string_view text) {
  if (text.size() != 39) return false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (at % 5 == 4 ? c != ':' : !hex) return false;
  }
  return true;
}

bool is_all_zero(std::string_view gid) { return gid.find_first_not_of("0:") == std::string_view::npos; }

std::vector<Gid> port_gids(const fs::path& port, std::vector<std::string>& unknown) {
  std::vector<Gid> gids;
  std::string why;
  const auto names = folder_entries(port / "gids", why);
  if (!names) {
    unknown.push_back(fmt::format("RDMA: {} cannot be read ({}), so its GIDs are not known",
                                  (port / "gids").string(), why));
    return gids;
  }
  // Tables hold up to 256 entries: one sentence for all that went wrong, with the first as the example.
  std::string first_bad;
  std::string first_untyped;
  int bad = 0;
  int untyped = 0;
  for (const auto& name : *names) {
    const auto index = parse_number(name);
    const auto address = read_text(port / "gids" / name, why);
    if (!index || *index < 0 || *index > 65535 || !address || !is_gid(*address)) {
      if (bad++ == 0)
        first_bad = address ? fmt::format("{} reads {}", name, in_quotes(*address))
                            : fmt::format("{}: {}", name, why);
      continue;
    }
    if (is_all_zero(*address)) continue;
    Gid gid{static_cast<int>(*index), *address, "unknown", {}};
    if (const auto type = read_text(port / "gid_attrs/types" / name, why); type && !type->empty()) {
      gid.type = printable(*type);
    } else if (untyped++ == 0) {
      first_untyped = fmt::format("{}: {}", name, type ? "empty" : why);
    }
    // InfiniBand ports have no net device here, so a missing one is nothing to report.
    gid.net_device = printable(read_text(port / "gid_attrs/ndevs" / name).value_or(""));
    gids.push_back(gid);
  }
  if (bad > 0) {
    unknown.push_back(fmt::format("RDMA: {} of {} GIDs in {} cannot be read (first: {})", bad, names->size(),
                                  (port / "gids").string(), first_bad));
  }
  if (untyped > 0) {
    unknown.push_back(
        fmt::format("RDMA: the type of {} GID{} in {} cannot be read (first: {}), so it is not known "
                    "whether they are RoCE v2",
                    untyped, untyped == 1 ? "" : "s", (port / "gid_attrs/types").string(), first_untyped));
  }
  return gids;
}

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

std::vector<RdmaPort> device_ports(const fs::path& device, std::vector<std::string>& unknown) {
  std::vector<RdmaPort> ports;
  std::string why;
  const auto names = folder_entries(device / "ports", why);
  if (!names) {
    unknown.push_back(fmt::format("RDMA: {} cannot be read ({}), so the ports of {} are not known",
                                  (device / "ports").string(), why, device.filename().string()));
    return ports;
  }
  for (const auto& name : *names) {
    const fs::path folder = device / "ports" / name;
    const auto number = parse_number(name);
    if (!number || *number < 1 || *number > 255) {
      unknown.push_back(fmt::format("RDMA: {} is no port number", folder.string()));
      continue;
    }
    RdmaPort port;
    port.number = static_cast<int>(*number);
    port.link_layer = attribute(folder / "link_layer", unknown);
    if (port.link_layer.empty()) port.link_layer = "unknown";
    port.state = port_state(folder / "state", unknown);
    port.rate_Gbps = port_rate(folder / "rate", unknown);
    port.gids = port_gids(folder, unknown);
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace

std::vector<RdmaDevice> probe_rdma(const std::string& sysroot, std::vector<std::string>& unknown) {
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
  for (const auto& name : *names) {
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
        *value = attribute(entry / file, unknown);
      }
    }
    device.pci_address = device_pci_address(entry);
    device.numa_node = read_index(entry / "device/numa_node");
    device.ports = device_ports(entry, unknown);
    devices.push_back(std::move(device));
  }
  return devices;
}

}  // namespace fabricheck::topology
