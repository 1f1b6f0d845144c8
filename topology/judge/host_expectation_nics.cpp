#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "core/glob.hpp"
#include "topology/judge/expectation_kinds.hpp"
#include "topology/judge/file_limits.hpp"
#include "topology/judge/host_expectation.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr double kSame = 0.01;

bool about(double a, double b) { return a >= b * (1 - kSame) && a <= b * (1 + kSame); }

std::string description(const ExpectedNics& group) {
  std::string text;
  const auto add = [&](const std::string& words) { text += (text.empty() ? "" : ", ") + words; };
  if (!group.link_layer.empty()) add(group.link_layer);
  if (group.rate_Gbps) add(fmt::format("{:g} Gb/s", *group.rate_Gbps));
  if (group.pcie_width) add(fmt::format("x{}", *group.pcie_width));
  return text.empty() ? std::string{} : " (" + text + ")";
}

/// How many things a group asks for: the more, the earlier it chooses its NICs.
int demands(const ExpectedNics& group) {
  return (group.names.empty() ? 0 : 100) + (group.rate_Gbps ? 1 : 0) + (group.link_layer.empty() ? 0 : 1) +
         (group.firmware.empty() ? 0 : 1) + (group.pcie_width ? 1 : 0) + (group.pcie_speed_GTps ? 1 : 0);
}

void compare_port(const RdmaDevice& nic, const ExpectedNics& group, Lacks& lacks) {
  const std::string name = printable(nic.name);
  const RdmaPort* active = nullptr;
  bool known = nic.ports.empty();
  std::string states;
  for (const RdmaPort& port : nic.ports) {
    known = known || (!port.state.empty() && port.state != "unknown");
    if (port.state == "ACTIVE" &&
        (active == nullptr || port.rate_Gbps.value_or(0) > active->rate_Gbps.value_or(0)))
      active = &port;
    states += (states.empty() ? "" : ", ") + printable(port.state);
  }
  if (active == nullptr && known) {
    lacks.lacks(lack::port, nic.name, states.empty() ? "it has no port" : states);
    return;
  }
  if (active == nullptr) lacks.unknown.push_back(fmt::format("the port state of {}", name));
  const RdmaPort& port = active != nullptr ? *active : nic.ports.front();
  if (!group.link_layer.empty() && port.link_layer.empty()) {
    lacks.unknown.push_back(fmt::format("the link layer of {}", name));
  } else if (!group.link_layer.empty() && port.link_layer != group.link_layer) {
    lacks.lacks(lack::link_layer, nic.name,
                fmt::format("{} instead of {}", printable(port.link_layer), printable(group.link_layer)));
  }
  if (group.rate_Gbps && !port.rate_Gbps) {
    lacks.unknown.push_back(fmt::format("the rate of {}", name));
  } else if (group.rate_Gbps && !about(*port.rate_Gbps, *group.rate_Gbps)) {
    lacks.lacks(lack::rate, nic.name,
                fmt::format("{:g} instead of {:g} Gb/s", *port.rate_Gbps, *group.rate_Gbps));
  }
}

void compare_nic_pcie(const Host& host, const RdmaDevice& nic, const ExpectedNics& group, Lacks& lacks) {
  const auto node = std::find_if(host.pci.begin(), host.pci.end(),
                                 [&](const PciNode& one) { return one.address == nic.pci_address; });
  const PcieLink link = node == host.pci.end() ? PcieLink{} : node->link;
  if (group.pcie_width && link.width.value_or(0) <= 0) {
    lacks.unknown.push_back(fmt::format("the PCIe width of {}", printable(nic.name)));
  } else if (group.pcie_width && *link.width < *group.pcie_width) {
    lacks.lacks(lack::pcie_width, nic.name,
                fmt::format("x{} instead of x{}", *link.width, *group.pcie_width));
  }
  if (group.pcie_speed_GTps && link.speed_GTps.value_or(0) <= 0) {
    lacks.unknown.push_back(fmt::format("the PCIe speed of {}", printable(nic.name)));
  } else if (group.pcie_speed_GTps && *link.speed_GTps < *group.pcie_speed_GTps * (1 - kSame)) {
    lacks.lacks(lack::pcie_speed, nic.name,
                fmt::format("{:g} instead of {:g} GT/s", *link.speed_GTps, *group.pcie_speed_GTps));
  }
}

Lacks lacks_of(const Host& host, const RdmaDevice& nic, const ExpectedNics& group) {
  Lacks lacks;
  if (nic.status != "answers") {
    lacks.lacks(lack::nics, nic.name, "it does not answer");
    return lacks;
  }
  if (nic.ports.empty() && is_foreign_file(host))
    lacks.unknown.push_back(fmt::format("the ports of {}", printable(nic.name)));
  else
    compare_port(nic, group, lacks);
  if (!group.firmware.empty() && nic.firmware.empty()) {
    lacks.unknown.push_back(fmt::format("the firmware of {}", printable(nic.name)));
  } else if (!group.firmware.empty() && nic.firmware != group.firmware) {
    lacks.lacks(lack::firmware, nic.name,
                fmt::format("{} instead of {}", printable(nic.firmware), printable(group.firmware)));
  }
  compare_nic_pcie(host, nic, group, lacks);
  return lacks;
}

void append(const Lacks& from, Lacks& to) {
  to.missing.insert(to.missing.end(), from.missing.begin(), from.missing.end());
  to.unknown.insert(to.unknown.end(), from.unknown.begin(), from.unknown.end());
}

/// A NIC of this name is not there; `wanted` are asked for.
void miss(const Host& host, const std::string& name, int wanted, Lacks& lacks) {
  if (names_no_nics(host))
    lacks.unknown_once("which NIC is which, for the file numbers them and names none");
  else if (may_be_a_part(host, static_cast<int>(host.rdma_devices.size()), wanted))
    lacks.unknown_once(fmt::format("whether it has more than the {} of {} NICs that the file shows",
                                   host.rdma_devices.size(), wanted));
  else
    lacks.lacks(lack::nics, name, "it is not there");
}

/// Gives NICs to the groups: first to each group those that have all it asks for, then those that lack least.
class Allotment {
 public:
  Allotment(const Host& host, Lacks& lacks)
      : host_(host), lacks_(lacks), used_(host.rdma_devices.size(), false) {}

  void take_named(const ExpectedNics& group) {
    for (const std::string& name : group.names) {
      const auto at = std::find_if(host_.rdma_devices.begin(), host_.rdma_devices.end(),
                                   [&](const RdmaDevice& nic) { return nic.name == name; });
      if (at == host_.rdma_devices.end()) {
        miss(host_, name, static_cast<int>(group.names.size()), lacks_);
        continue;
      }
      used_[static_cast<std::size_t>(at - host_.rdma_devices.begin())] = true;
      append(lacks_of(host_, *at, group), lacks_);
    }
  }

  /// Returns how many are still missing.
  int take_good(const ExpectedNics& group, int wanted) {
    for (const bool unknown_too : {false, true}) {
      for (std::size_t i = 0; i < used_.size() && wanted > 0; ++i) {
        if (used_[i]) continue;
        const Lacks found = lacks_of(host_, host_.rdma_devices[i], group);
        if (!found.missing.empty() || (!unknown_too && !found.unknown.empty())) continue;
        used_[i] = true;
        append(found, lacks_);
        --wanted;
      }
    }
    return wanted;
  }

  void take_rest(const ExpectedNics& group, int wanted) {
    for (; wanted > 0; --wanted) {
      std::optional<std::size_t> best;
      Lacks least;
      for (std::size_t i = 0; i < used_.size(); ++i) {
        if (used_[i]) continue;
        Lacks found = lacks_of(host_, host_.rdma_devices[i], group);
        if (best && found.missing.size() >= least.missing.size()) continue;
        best = i;
        least = std::move(found);
      }
      if (!best) break;
      used_[*best] = true;
      append(least, lacks_);
    }
    const int found = group.count - wanted;
    if (wanted > 0 && may_be_a_part(host_, found, group.count))
      lacks_.unknown.push_back(fmt::format("whether it has more than the {} of {} NICs that the file shows{}",
                                           found, group.count, description(group)));
    else if (wanted > 0)
      lacks_.lacks(lack::nics, "",
                   fmt::format("{} of {}{}", group.count - wanted, group.count, description(group)));
  }

 private:
  const Host& host_;
  Lacks& lacks_;
  std::vector<bool> used_;
};

bool lost_a_part(const Lacks& lacks) {
  return std::any_of(lacks.missing.begin(), lacks.missing.end(), [](const Lack& one) {
    return one.kind == &lack::gpus || one.kind == &lack::nics || one.kind == &lack::port;
  });
}

/// What is known at the other end of a NIC's first cable that has one known.
const Neighbour* neighbour_of(const Host& host, const HostParticulars& own, std::size_t nic) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < nic; ++i) first += host.rdma_devices[i].ports.size();
  for (std::size_t i = 0; i < host.rdma_devices[nic].ports.size() && first + i < own.ports.size(); ++i)
    if (own.ports[first + i].neighbour) return &*own.ports[first + i].neighbour;
  return nullptr;
}

}  // namespace

void compare_nics(const Host& kind, const Expectation& expected, Lacks& lacks) {
  std::vector<const ExpectedNics*> groups;
  for (const ExpectedNics& group : expected.nics) groups.push_back(&group);
  std::stable_sort(groups.begin(), groups.end(),
                   [](const ExpectedNics* a, const ExpectedNics* b) { return demands(*a) > demands(*b); });
  Allotment allotment(kind, lacks);
  std::vector<int> wanted;
  for (const ExpectedNics* group : groups) {
    if (!group->names.empty()) allotment.take_named(*group);
    wanted.push_back(group->names.empty() ? allotment.take_good(*group, group->count) : 0);
  }
  for (std::size_t i = 0; i < groups.size(); ++i) allotment.take_rest(*groups[i], wanted[i]);
}

void compare_rails(const Host& kind, const HostParticulars& own, const std::vector<Rail>& rails,
                   const Expectation& expected, Lacks& lacks) {
  const bool order_counts = !lost_a_part(lacks);
  for (const ExpectedRail& rail : expected.rails) {
    const bool numbered = rail.rail >= 0 && static_cast<std::size_t>(rail.rail) < rails.size();
    std::optional<std::size_t> nic;
    if (numbered) nic = rails[static_cast<std::size_t>(rail.rail)].nic;
    if (!rail.nic.empty()) {
      const auto at = std::find_if(kind.rdma_devices.begin(), kind.rdma_devices.end(),
                                   [&](const RdmaDevice& one) { return one.name == rail.nic; });
      if (at == kind.rdma_devices.end()) {
        miss(kind, rail.nic, static_cast<int>(expected.rails.size()), lacks);
        continue;
      }
      const auto named = static_cast<std::size_t>(at - kind.rdma_devices.begin());
      if (order_counts && nic && *nic != named)
        lacks.lacks(
            lack::rail_nic, fmt::format("rail {}", rail.rail),
            fmt::format("{} instead of {}", printable(kind.rdma_devices[*nic].name), printable(rail.nic)));
      nic = named;
    }
    if (!numbered && order_counts) lacks.unknown.push_back(fmt::format("which NIC is rail {}", rail.rail));
    if (!nic || rail.leaf.empty()) continue;
    const std::string part = fmt::format("rail {} ({})", rail.rail, kind.rdma_devices[*nic].name);
    const Neighbour* const neighbour = neighbour_of(kind, own, *nic);
    if (neighbour == nullptr || neighbour->switch_name.empty()) {
      lacks.unknown.push_back(fmt::format("the leaf switch of {}", printable(part)));
    } else if (!glob_matches(rail.leaf, neighbour->switch_name)) {
      lacks.lacks(lack::rail_leaf, part,
                  fmt::format("{} instead of {}", printable(neighbour->switch_name), printable(rail.leaf)));
    }
  }
}

}  // namespace fabricheck::topology
