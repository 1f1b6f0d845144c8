// What MPI ran on, in words for the result. What is wrong with it: mpi_findings.hpp.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "control/mpi_transport.hpp"
#include "core/communicator.hpp"
#include "core/finding.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::app {

enum class PathKind { unknown, tcp, rdma };

/// How a rank's messages to other nodes travel.
struct MpiPath {
  PathKind kind{PathKind::unknown};
  std::string words;  ///< "tcp", "RDMA", "openib, or tcp where it does not reach", "unknown"
  bool operator==(const MpiPath&) const = default;
};

MpiPath path_between_nodes(const control::MpiTransport& transport);

/// Whether UCX_TLS leaves UCX no transport over RDMA.
bool excludes_rdma(const std::string& ucx_tls);

/// How the ranks of one host are placed on its CPUs.
struct HostBinding {
  std::string words;    ///< "not bound", "each rank on its own cores", …
  int ranks{}, cpus{};  ///< of the most crowded set of CPUs, where ranks outnumber them; else 0
};

/// In order of topology.hosts.
std::vector<HostBinding> bindings(const ClusterTopology& topology);

/// "node[1-3]", "node2 and ranks 6, 7 of node3".
std::string where(const std::vector<int>& ranks, const ClusterTopology& topology);

/// For world.mpi: "pml", "btl" or "mtl", "ucx", "transport_between_nodes", "transport_inside_node",
/// "rdma_devices", "binding". One entry per rank; where ranks disagree, the odd ones are named.
std::map<std::string, std::string> mpi_words(const std::vector<control::MpiTransport>& ranks,
                                             const ClusterTopology& topology);

struct MpiFacts {
  std::map<std::string, std::string> words;
  std::vector<Finding> findings;
};

/// Asks every rank; rank 0 gets the facts, the others get none. `topology` is whole on rank 0. Collective.
MpiFacts collect_mpi_facts(Communicator& world, const ClusterTopology& topology);

}  // namespace fabricheck::app
