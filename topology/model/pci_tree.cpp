#include "topology/model/pci_tree.hpp"

#include <algorithm>

namespace fabricheck::topology {
namespace {

/// A PCI domain has 256 buses, so no tree is deeper.
constexpr std::size_t kDeepest = 256;

/// Without the ports of a switch that lead away from the root. A "bridge" of a file that does not name its
/// ports is one where the tree leaves nothing else: below a root port comes a switch's upstream port, below
/// that its downstream ports.
std::vector<const PciNode*> switches_once(const std::vector<const PciNode*>& bridges) {
  enum class Port { root, upstream, downstream, other };
  std::vector<const PciNode*> kept;
  Port above = Port::other;
  for (auto bridge = bridges.rbegin(); bridge != bridges.rend(); ++bridge) {
    const std::string& kind = (*bridge)->kind;
    Port port = Port::other;
    if (kind == "root-port") {
      port = Port::root;
    } else if (above == Port::upstream && (kind == "switch-downstream" || kind == "bridge")) {
      port = Port::downstream;
    } else if (kind == "switch-upstream" ||
               (kind == "bridge" && (above == Port::root || above == Port::downstream))) {
      port = Port::upstream;
    }
    if (port != Port::downstream) kept.push_back(*bridge);
    above = port;
  }
  std::reverse(kept.begin(), kept.end());
  return kept;
}

}  // namespace

const PciNode* pci_node(const Host& host, std::string_view address) {
  const auto found = std::find_if(host.pci.begin(), host.pci.end(),
                                  [&](const PciNode& node) { return node.address == address; });
  return address.empty() || found == host.pci.end() ? nullptr : &*found;
}

PciTree::PciTree(const Host& host) {
  for (const PciNode& node : host.pci) nodes_.emplace(node.address, &node);
  // A pasted matrix may have lost the rows of the other nodes.
  if (!host.given_paths && host.numa_nodes.size() == 1) only_numa_node_ = host.numa_nodes.front().index;
}

const PciNode* PciTree::find(std::string_view address) const {
  const auto found = nodes_.find(address);
  return found == nodes_.end() ? nullptr : found->second;
}

PciPlace PciTree::place(std::string_view address, std::optional<int> numa_node) const {
  PciPlace place;
  place.numa_node = numa_node ? numa_node : only_numa_node_;
  const PciNode* node = address.empty() ? nullptr : find(address);
  place.node = node;
  if (!node) return place;
  if (!numa_node && node->numa_node) place.numa_node = node->numa_node;
  place.root = node->root;
  place.tree = PciPlace::Tree::sound;
  std::vector<const PciNode*> bridges;
  while (!node->parent.empty()) {
    node = find(node->parent);
    if (!node || bridges.size() >= kDeepest) {
      place.tree = PciPlace::Tree::broken;
      return place;
    }
    bridges.push_back(node);
    if (place.root.empty()) place.root = node->root;
  }
  place.bridges = switches_once(bridges);
  return place;
}

std::size_t bridges_between(const PciPlace& a, const PciPlace& b) {
  for (std::size_t i = 0; i < a.bridges.size(); ++i) {
    const auto common = std::find(b.bridges.begin(), b.bridges.end(), a.bridges[i]);
    if (common != b.bridges.end()) return i + static_cast<std::size_t>(common - b.bridges.begin()) + 1;
  }
  return 0;
}

PathType pci_path(const PciPlace& a, const PciPlace& b) {
  using Tree = PciPlace::Tree;
  if (a.tree == Tree::broken || b.tree == Tree::broken) return PathType::unknown;
  if (a.tree == Tree::sound && b.tree == Tree::sound) {
    if (a.node == b.node) return PathType::pix;
    const std::size_t bridges = bridges_between(a, b);
    if (bridges > 0) return bridges == 1 ? PathType::pix : PathType::pxb;
    if (!a.root.empty() && a.root == b.root) return PathType::phb;
  }
  if (!a.numa_node || !b.numa_node) return PathType::unknown;
  return a.numa_node == b.numa_node ? PathType::node : PathType::sys;
}

}  // namespace fabricheck::topology
