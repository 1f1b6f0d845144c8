// Net devices: what a port of a NIC is to the kernel's network.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

/// Whether the kernel could give a net device this name; anything else must not become part of a path.
bool is_net_device_name(std::string_view name);

/// Net device -> the networks it is in, "10.3.0.0/16", from the text of /proc/net/route. Without default
/// routes, routes through a gateway, single hosts and link-local addresses. Lines that are no routes are
/// counted in `bad`.
std::map<std::string, std::vector<std::string>> parse_routes(std::string_view text, int& bad);

/// parse_routes() of the file below `sysroot`.
std::map<std::string, std::vector<std::string>> read_routes(const std::string& sysroot,
                                                            std::vector<std::string>& unknown);

/// /sys/class/net/NAME below `sysroot`.
std::filesystem::path net_folder(const std::string& sysroot, const std::string& name);

/// Names in a PCI function's folder `net`, in natural order; those of another network namespace are not
/// shown.
std::vector<std::string> net_devices_of(const std::filesystem::path& function);

}  // namespace fabricheck::topology
