// The PCI tree of a host, walked from a device up to its host bridge. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {

/// Where a device is.
struct PciPlace {
  enum class Tree {
    absent,
    sound,
    broken
  } tree{Tree::absent};                 ///< broken: a loop, or a parent that is not there
  const PciNode* node{};                ///< null: absent
  std::vector<const PciNode*> bridges;  ///< from the device up; a switch once, by the port nearer to the root
  std::string_view root;
  std::optional<int> numa_node;
};

/// The node at `address`; null where there is none. PciTree finds many faster.
const PciNode* pci_node(const Host& host, std::string_view address);

/// Keeps pointers into the host.
class PciTree {
 public:
  explicit PciTree(const Host& host);

  /// The node of this address, or null.
  const PciNode* find(std::string_view address) const;

  /// `numa_node`: what the device's own driver says; where it says nothing, PCI's word is taken.
  PciPlace place(std::string_view address, std::optional<int> numa_node) const;

 private:
  std::unordered_map<std::string_view, const PciNode*> nodes_;
  std::optional<int> only_numa_node_;
};

/// nvidia-smi's word for the path over PCI. The ports of one switch count as one bridge: two devices below
/// one switch, or below one root port, are PIX; with more bridges between them PXB.
PathType pci_path(const PciPlace& a, const PciPlace& b);

/// How many bridges are between two devices of the same tree: tells apart what has the same word. 0 where
/// they share none.
std::size_t bridges_between(const PciPlace& a, const PciPlace& b);

}  // namespace fabricheck::topology
