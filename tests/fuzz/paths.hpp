// What is read goes through the path model, which must end on any tree.
#pragma once

#include "target.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::fuzz {

inline void walk_paths(const Host& host) {
  constexpr std::size_t kSlow = 64;  // the matrix grows with the square
  if (host.gpus.size() + host.rdma_devices.size() > kSlow) return;
  const auto paths = topology::paths_of(host);
  demand(paths.ends.size() == host.gpus.size() + host.rdma_devices.size());
  demand(paths.cells.size() == paths.ends.size() * paths.ends.size());
  demand(topology::nearest_nics(host, paths).size() == host.gpus.size());
  topology::rails_of(host, paths);
  topology::nvlink_islands(paths);
}

}  // namespace fabricheck::fuzz
