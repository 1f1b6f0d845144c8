// roce.config and ib.config. Private to this folder.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "topology/judge/attributes.hpp"
#include "topology/judge/judge.hpp"

namespace fabricheck::topology {

/// The host with nothing but its devices that answer and have ports of one link layer, and of those only such
/// ports.
Host only_ports_of(const Host& host, const std::string& link_layer);

struct LinkFault {
  const FaultKind* kind{};
  std::string part;  ///< "mlx5_0", "mlx5_0 port 2"; empty: the host
  std::string what;
};

/// What is wrong with the active ports of a host that only_ports_of() left, by their own word.
std::vector<LinkFault> link_faults(const Host& host, const JobNetwork& job);

/// What the ports of all hosts are compared by, beside what topology.consistency compares.
std::vector<Observation> link_observations(const Host& host, std::size_t kind, const Union& all);

}  // namespace fabricheck::topology
