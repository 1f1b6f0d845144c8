// What a switch knows of its cables, given to the hosts' ports.
#pragma once

#include <cstddef>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/cable.hpp"

namespace fabricheck::topology {

/// Sets the neighbour of every port that a cable leads to: by host and RDMA device, net device, port GUID or
/// LID; by port GUID, node GUID or LID alone where no host is told or it is not one of these. A cable without
/// device (hosts by switch) is that of all ports of the host that no other cable leads to. What is ambiguous,
/// such as a LID of two subnets, is left out. Returns how many ports got a neighbour.
std::size_t apply_cables(ClusterTopology& cluster, const std::vector<Cable>& cables);

}  // namespace fabricheck::topology
