// What is wrong with what MPI ran on. Pure.
#pragma once

#include <vector>

#include "control/mpi_transport.hpp"
#include "core/finding.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::app {

/// "mpi-tcp-beside-rdma", "mpi-transport-differs", "ranks-share-cores"; `ranks` has one entry per rank. What
/// is not known accuses nobody, and neither does a tie.
std::vector<Finding> mpi_findings(const std::vector<control::MpiTransport>& ranks,
                                  const ClusterTopology& topology);

}  // namespace fabricheck::app
