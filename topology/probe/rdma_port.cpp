#include "topology/probe/rdma_port.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <system_error>

#include "topology/probe/lldp.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

bool is_there(const fs::path& file) {
  std::error_code error;
  return fs::symlink_status(file, error).type() != fs::file_type::not_found;
}

/// "4: ACTIVE" is ACTIVE.
std::string port_state(const fs::path& file, const char* example, std::vector<std::string>& unknown) {
  const std::string text = rdma_attribute(file, unknown);
  const std::size_t colon = text.find(": ");
  if (colon != std::string::npos && parse_number(text.substr(0, colon))) return text.substr(colon + 2);
  if (!text.empty()) {
    unknown.push_back(
        fmt::format("RDMA: {} reads {}, not a state such as {}", file.string(), in_quotes(text), example));
  }
  return "unknown";
}

/// "100 Gb/sec (4X EDR)" is 100.
std::optional<double> port_rate(const fs::path& file, std::vector<std::string>& unknown) {
  const std::string text = rdma_attribute(file, unknown);
  if (text.empty()) return std::nullopt;
  double rate_Gbps = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, rate_Gbps);
  const std::string_view unit(stop, static_cast<std::size_t>(end - stop));
  constexpr double kLargest_Gbps = 10'000;  // above it a driver tells nonsense
  if (error != std::errc{} || !std::isfinite(rate_Gbps) || rate_Gbps < 0 || rate_Gbps > kLargest_Gbps ||
      unit.substr(0, 7) != " Gb/sec") {
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
    if (const auto device = read_text(port / "gid_attrs/ndevs" / name);
        device && is_net_device_name(*device)) {
      gid.net_device = *device;
    }
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

/// Of InfiniBand; 0 is a port that the subnet manager has not come to.
std::optional<int> port_lid(const fs::path& file, const std::string& link_layer,
                            std::vector<std::string>& unknown) {
  if (link_layer != "InfiniBand" || !is_there(file)) return std::nullopt;
  const std::string text = rdma_attribute(file, unknown);
  const auto lid = parse_number(text, 16);
  if (!lid || *lid < 0 || *lid > 0xffff) {
    if (!text.empty()) {
      unknown.push_back(
          fmt::format("RDMA: {} reads {}, not a LID such as '0x12'", file.string(), in_quotes(text)));
    }
    return std::nullopt;
  }
  if (*lid == 0) return std::nullopt;
  return static_cast<int>(*lid);
}

/// The net devices of the function that belong to this port; dev_port counts from 0.
std::vector<std::string> own_net_devices(const fs::path& device, int port, std::size_t ports) {
  std::vector<std::string> names = net_devices_of(device / "device");
  if (ports < 2) return names;
  names.erase(std::remove_if(names.begin(), names.end(),
                             [&](const std::string& name) {
                               return read_index(device / "device/net" / name / "dev_port") != port - 1;
                             }),
              names.end());
  return names;
}

void add_net_facts(const fs::path& device, std::size_t ports, NetFacts& net, RdmaPort& port,
                   std::vector<std::string>& unknown) {
  const auto own = own_net_devices(device, port.number, ports);
  std::vector<std::string> names;  // of all net devices that carry its packets: a bond, VLANs
  for (const Gid& gid : port.gids) {
    if (!gid.net_device.empty()) names.push_back(gid.net_device);
  }
  names.insert(names.end(), own.begin(), own.end());
  if (names.empty()) return;
  port.net_device = names.front();
  if (!is_there(net_folder(net.sysroot, port.net_device))) {
    net.hidden.push_back(fmt::format("{} of {}", port.net_device, device.filename().string()));
    return;
  }
  port.net_mtu_bytes = read_index(net_folder(net.sysroot, port.net_device) / "mtu");
  for (const std::string& name : names) {
    const auto found = net.subnets.find(name);
    if (found == net.subnets.end()) continue;
    for (const std::string& subnet : found->second) {
      if (std::find(port.subnets.begin(), port.subnets.end(), subnet) == port.subnets.end()) {
        port.subnets.push_back(subnet);
      }
    }
  }
  std::string why;
  // A bond hears nothing itself, so the function's own devices come first.
  for (const std::string& name : own) {
    if (!port.neighbour) port.neighbour = read_neighbour(net.sysroot, name, why);
  }
  if (!port.neighbour) port.neighbour = read_neighbour(net.sysroot, port.net_device, why);
  if (!port.neighbour && !why.empty()) {
    unknown.push_back(fmt::format("LLDP: the neighbour of {} port {} is not known, {}",
                                  device.filename().string(), port.number, why));
  }
}

}  // namespace

std::string rdma_attribute(const fs::path& file, std::vector<std::string>& unknown) {
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

std::vector<RdmaPort> rdma_ports(const fs::path& device, NetFacts& net, std::vector<std::string>& unknown) {
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
    port.link_layer = rdma_attribute(folder / "link_layer", unknown);
    if (port.link_layer.empty()) port.link_layer = "unknown";
    port.state = port_state(folder / "state", "'4: ACTIVE'", unknown);
    port.rate_Gbps = port_rate(folder / "rate", unknown);
    if (is_there(folder / "phys_state")) {
      port.physical_state = port_state(folder / "phys_state", "'5: LinkUp'", unknown);
    }
    port.lid = port_lid(folder / "lid", port.link_layer, unknown);
    port.gids = port_gids(folder, unknown);
    add_net_facts(device, names->size(), net, port, unknown);
    ports.push_back(std::move(port));
  }
  return ports;
}

}  // namespace fabricheck::topology
