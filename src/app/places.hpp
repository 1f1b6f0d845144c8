// Where the ranks of this world are, and which GPU and CPUs each is next to.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/communicator.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::app {

/// One rank's view of where everybody is.
struct Places {
  std::vector<std::string> rank_hosts;
  std::vector<std::string> rank_cpus;
  std::vector<std::string> hosts;  ///< distinct, by lowest rank
  ClusterTopology topology;        ///< hosts by name alone but on rank 0
  int local_rank{};
  bool leader{};  ///< lowest rank of its host
  bool oversubscribed{};
  std::string wrong;  ///< why these hosts cannot be told apart, one sentence; empty: they can
};

/// Collective over `world`.
Places find_places(Communicator& world, const std::string& host);

/// One rank per GPU: local rank i drives the i-th of `host.gpus`, and stays on the CPUs next to it when
/// `launch` asks for that.
std::optional<int> bind_near_gpu(const Host& host, int local_rank, int local_ranks);

}  // namespace fabricheck::app
