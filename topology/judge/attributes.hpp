// What hosts are compared by. Private to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/judge/faults.hpp"
#include "topology/judge/slots.hpp"

namespace fabricheck::topology {

/// One row of the table of attributes.
struct Attribute {
  FaultKind fault;        ///< phrase: what the attribute is called
  bool more_is_better{};  ///< who has more than the majority is named and not accused
  /// What a host with the value `odd` among others with `majority` is to be called; null: `fault`.
  const FaultKind* (*choose)(const std::string& odd, const std::string& majority){};
};

struct Observation {
  const Attribute* attribute{};
  std::string part;   ///< "GPU3"; empty: the host
  std::string value;  ///< as said to people; empty: not known
};

/// What the kinds of a cluster have between them.
struct Union {
  Slots gpus;
  Slots nics;
  std::set<std::string> modules;
  std::set<std::string> software;
  std::map<std::pair<int, int>, std::set<int>> gid_indices;  ///< by NIC slot and port number
};

Union union_of(const std::vector<Host>& kinds, const std::vector<std::size_t>& weights);

/// All that a kind can be compared by: the host, its GPUs, its NICs and its PCI tree.
std::vector<Observation> observations(const Host& host, std::size_t kind, const Union& all);

/// Of each GPU its nearest NIC by name, "GPU0 mlx5_0, GPU1 mlx5_1"; empty: not known.
Observation gpu_nic_order(const Host& host);

}  // namespace fabricheck::topology
