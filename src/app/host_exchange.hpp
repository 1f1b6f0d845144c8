// Every host's description to rank 0: one copy of each distinct machine travels, and of each host what is its
// own.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::app {

/// A host on its way; empty on ranks that do not speak for their host.
struct PackedHost {
  std::string name;
  std::string kind_json;
  std::string kind_fingerprint;  ///< equal for equal kinds
  std::string own_json;
};
PackedHost pack_host(Host host);

/// What arrived at rank 0; empty elsewhere.
struct GatheredHosts {
  struct Entry {
    std::string name;
    std::string own_json;
    std::size_t kind{};
  };
  std::vector<std::string> kinds_json;
  std::vector<Entry> hosts;  ///< in rank order
};

/// Collective; nothing is parsed in it, so no rank can fail alone.
GatheredHosts gather_hosts(Communicator& world, const PackedHost& mine);

/// Throws Error for a description that cannot be read.
ClusterTopology unpack_hosts(const GatheredHosts& gathered);

}  // namespace fabricheck::app
