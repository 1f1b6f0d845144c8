// A cluster as few kinds of hosts and what is each host's own. Pure.
#pragma once

#include <cstddef>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Takes name, UUIDs, addresses, counters and memory sizes out of `host`; what stays is its kind.
HostParticulars take_particulars(Host& host);

/// The inverse of take_particulars() and of taking the name.
Host whole_host(const ClusterTopology& cluster, std::size_t index);

/// Adds a host at the end; its kind is added when no equal one is there.
void add_host(ClusterTopology& cluster, Host host);

/// A cluster of these hosts, without ranks.
ClusterTopology merge_hosts(std::vector<Host> hosts);

}  // namespace fabricheck::topology
