// The IP networks of this host, as far as they matter for how MPI finds its way.
#pragma once

#include <string>
#include <vector>

#include "app/world_check.hpp"

namespace fabricheck::app {

/// An interface with an IPv4 address, other than loopback.
struct HostNetwork {
  std::string interface;
  std::string network;  ///< "10.77.0.0/24"
  bool is_bridge{};     ///< joins what runs on this host, as docker0 does, and need not lead to another
};

/// Of all interfaces that are up.
std::vector<HostNetwork> host_networks();

/// Why MPI_Init may wait on this host, and what to set; `environment` tells what is set already. Open MPI's
/// TCP transport takes every network of a host for a way to the others (ompi_info --param btl tcp), also a
/// bridge's that has the same addresses on each of them.
std::string why_init_waits(const std::vector<HostNetwork>& networks, const EnvironmentLookup& environment);

}  // namespace fabricheck::app
