// What only libibverbs tells of an RDMA port: the MTU of its packets. Fills what sysfs left open, too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::verbs {

struct GidFacts {
  int index{};
  std::string type;  ///< as sysfs names it, "RoCE v2"
  bool operator==(const GidFacts&) const = default;
};

/// One port, as verbs describe it.
struct PortFacts {
  std::string device;
  int port{};
  std::optional<int> active_mtu_bytes;
  std::optional<int> max_mtu_bytes;
  std::string link_layer;  ///< "Ethernet", "InfiniBand"; empty: not told
  std::vector<GidFacts> gids;
  bool operator==(const PortFacts&) const = default;
};

/// Puts them into the host's ports: the MTUs, and the link layer and GID types that are "unknown" there.
/// Devices and ports that the host does not have are left out.
void join_port_facts(const std::vector<PortFacts>& facts, Host& host);

/// Asks libibverbs for every device of a live host that answers. What fails is a sentence in Host::unknown;
/// a host without RDMA devices is not asked.
void add_port_facts(Host& host);

}  // namespace fabricheck::verbs
