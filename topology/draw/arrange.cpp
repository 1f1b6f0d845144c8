#include "topology/draw/arrange.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "topology/draw/words.hpp"
#include "topology/model/pci_tree.hpp"

namespace fabricheck::topology {
namespace {

struct Device {
  bool gpu{};
  std::size_t index{};
  PciPlace place;
};

/// Functions of one card are one branch of the tree: "0000:18:00.1" is at "0000:18:00".
std::string slot(const std::string& address) { return address.substr(0, address.rfind('.')); }

/// The bridges of the host to be drawn.
std::set<const PciNode*> drawn_bridges(const std::vector<Device>& devices) {
  std::map<const PciNode*, std::set<std::string>> branches;
  for (const Device& device : devices) {
    if (device.place.tree != PciPlace::Tree::sound) continue;
    std::string below = slot(device.place.node->address);
    for (const PciNode* bridge : device.place.bridges) {
      branches[bridge].insert(below);
      below = bridge->address;
    }
  }
  std::set<const PciNode*> drawn;
  for (const auto& [bridge, below] : branches) {
    const bool reduced = bridge->kind != "root-port" && (narrow(bridge->link) || slow(bridge->link));
    if (below.size() > 1 || reduced) drawn.insert(bridge);
  }
  return drawn;
}

void put(SwitchBox& top, const Device& device, const std::set<const PciNode*>& drawn) {
  SwitchBox* box = &top;
  if (device.place.tree == PciPlace::Tree::sound) {
    for (auto bridge = device.place.bridges.rbegin(); bridge != device.place.bridges.rend(); ++bridge) {
      if (drawn.count(*bridge) == 0) continue;
      const auto known = std::find_if(box->inside.begin(), box->inside.end(),
                                      [&](const SwitchBox& inside) { return inside.node == *bridge; });
      if (known != box->inside.end()) {
        box = &*known;
        continue;
      }
      box->inside.emplace_back();
      box->inside.back().node = *bridge;
      box = &box->inside.back();
    }
  }
  (device.gpu ? box->gpus : box->nics).push_back(device.index);
}

/// The fastest link of a GPU or NIC in the box; 0: none is known.
double mark_slow_switches(const Host& host, SwitchBox& box) {
  double fastest_GTps = 0;
  for (const std::size_t gpu : box.gpus) {
    const PcieLink link = link_of(host, host.gpus[gpu].pci_address, host.gpus[gpu].pcie);
    fastest_GTps = std::max(fastest_GTps, link.speed_GTps.value_or(0));
  }
  for (const std::size_t nic : box.nics)
    fastest_GTps =
        std::max(fastest_GTps, link_of(host, host.rdma_devices[nic].pci_address).speed_GTps.value_or(0));
  for (SwitchBox& inside : box.inside)
    fastest_GTps = std::max(fastest_GTps, mark_slow_switches(host, inside));
  box.below_devices = box.node && box.node->link.speed_GTps && *box.node->link.speed_GTps < fastest_GTps;
  return fastest_GTps;
}

}  // namespace

std::vector<NumaBox> arrange(const Host& host) {
  const PciTree tree(host);
  std::vector<Device> devices;
  for (std::size_t i = 0; i < host.gpus.size(); ++i)
    devices.push_back({true, i, tree.place(host.gpus[i].pci_address, host.gpus[i].numa_node)});
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i) {
    const RdmaDevice& nic = host.rdma_devices[i];
    devices.push_back({false, i, tree.place(nic.pci_address, nic.numa_node)});
  }
  const auto drawn = drawn_bridges(devices);
  std::vector<NumaBox> boxes;
  for (const NumaNode& node : host.numa_nodes) {
    boxes.emplace_back();
    boxes.back().node = &node;
    boxes.back().index = node.index;
  }
  NumaBox nowhere;
  for (const Device& device : devices) {
    if (!device.place.numa_node) {
      put(nowhere.top, device, drawn);
      continue;
    }
    auto box = std::find_if(boxes.begin(), boxes.end(),
                            [&](const NumaBox& one) { return one.index == device.place.numa_node; });
    if (box == boxes.end()) {
      boxes.emplace_back();
      boxes.back().index = device.place.numa_node;
      box = boxes.end() - 1;
    }
    put(box->top, device, drawn);
  }
  if (!nowhere.empty()) boxes.push_back(std::move(nowhere));
  for (NumaBox& box : boxes) mark_slow_switches(host, box.top);
  return boxes;
}

}  // namespace fabricheck::topology
