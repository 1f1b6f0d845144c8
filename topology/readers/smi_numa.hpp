// Which NUMA node a GPU or NIC of `nvidia-smi topo -m` is at, as far as the matrix proves it.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/readers/smi_words.hpp"

namespace fabricheck::topology::smi {

/// Where the devices of Host::gpus and Host::rdma_devices stand in Host::given_paths.
struct Columns {
  std::vector<std::size_t> gpus;
  std::vector<std::size_t> nics;
};

/// Fills Host::numa_nodes and the devices' NUMA nodes; `affinity` is by column. Where the file tells CPUs and
/// no node numbers, each list of CPUs is one node when nothing speaks against it. A NIC is at a GPU's node
/// when a path that stays within a node joins them. Returns what is not known, one sentence each.
std::vector<std::string> place_on_numa_nodes(Host& host, const Columns& columns,
                                             const std::vector<Affinity>& affinity);

}  // namespace fabricheck::topology::smi
