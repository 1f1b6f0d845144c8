// Which device of one kind of host is which of another. Private to this folder.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace fabricheck::topology {

/// A device as it can be told from others of its host.
struct Placed {
  std::string address;   ///< PCI, or the name where there is none
  std::string label;     ///< for sentences
  std::string likeness;  ///< equal for devices of one kind and use
};

/// Devices of all kinds laid side by side. Slots are those of the layout that most hosts have.
struct Slots {
  std::vector<std::vector<int>> slot;  ///< [kind][device]; -1: it is in no slot
  std::vector<std::string> labels;     ///< of the slots
  std::vector<bool> usual;             ///< [kind]: it has that layout, address by address
};

/// Joins by address; devices that are left over are joined by likeness and then by order, where the kind has
/// as many of them as slots are left over. `weights[kind]`: its number of hosts.
Slots lay_side_by_side(const std::vector<std::vector<Placed>>& kinds,
                       const std::vector<std::size_t>& weights);

}  // namespace fabricheck::topology
