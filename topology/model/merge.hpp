// A cluster as few kinds of hosts and what is each host's own. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// Takes name, UUIDs, addresses, counters and memory sizes out of `host`; what stays is its kind.
HostParticulars take_particulars(Host& host);

/// The inverse of take_particulars() and of taking the name.
Host whole_host(const ClusterTopology& cluster, std::size_t index);

/// Adds a host at the end; its kind is added when no equal one is there. Looks at every kind: for many hosts
/// ClusterBuilder is made.
void add_host(ClusterTopology& cluster, Host host);

/// A cluster of these hosts, without ranks.
ClusterTopology merge_hosts(std::vector<Host> hosts);

/// Builds a cluster in time that does not grow with the number of kinds times that of hosts.
class ClusterBuilder {
 public:
  void add(Host host);

  /// The place of a kind that has neither name nor particulars; it is added when no equal one is there.
  int add_kind(Host kind);

  /// A host whose kind has arrived apart from it.
  void add(std::string name, int kind, HostParticulars own);

  /// What was added so far; the builder is then empty.
  ClusterTopology take();

 private:
  ClusterTopology cluster_;
  std::unordered_multimap<std::size_t, int> kinds_;  ///< digest -> place
};

}  // namespace fabricheck::topology
