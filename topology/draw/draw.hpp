// Topology to look at: text for terminals, dot and SVG for tickets. Pure; every text from outside is escaped.
#pragma once

#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// The tree people read: hosts (equal ones folded), NUMA nodes, PCI switches, GPUs, NVLink, NICs, rails, and
/// what could not be found out.
std::string draw_tree(const ClusterTopology& cluster);

/// A matrix per kind of host as `nvidia-smi topo -m` prints it, with NICs by name, CPU and NUMA affinity, and
/// below it NVLink islands, each GPU's rail, and a legend of the words used.
std::string draw_matrix(const ClusterTopology& cluster);

/// Graphviz: of one kind its NUMA nodes, PCI tree, NVLink and NICs; of several a cluster per kind, and leaf
/// switches where they are known.
std::string draw_dot(const ClusterTopology& cluster);

/// A self-contained SVG: one host's inside when there is one kind; with more hosts a grid of hosts by kind,
/// the odd ones marked, rails and leaf switches where they are known, and the inside of each kind below.
std::string draw_svg(const ClusterTopology& cluster);

}  // namespace fabricheck::topology
