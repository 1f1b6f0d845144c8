// Rails that are cabled to another rail's leaf switch.
//
// A leaf belongs to the rail that most of its cables are of. Whether leaves belong to rails at all is decided
// over the whole cluster, so that a network in which each leaf serves all rails of its hosts accuses nobody.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "topology/judge/differences.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr FaultKind by_leaf{
    "rail-wrong-leaf",
    Severity::bad,
    "nic",
    "is cabled to",
    "traffic of this rail leaves over another rail's leaf switch and crosses the spine, and may miss its "
    "subnet",
    "swap the cables at the host or at the leaf so that each rail goes to its own leaf switch",
    "lldpctl on the host; ibnetdiscover",
    "certain"};
constexpr FaultKind by_subnet{
    "rail-wrong-leaf",
    Severity::bad,
    "nic",
    "has an address in",
    "either the cables of two rails are swapped or their addresses are: NICs of one rail do not reach each "
    "other",
    "compare the cables with the plan; then compare the addresses of the net devices",
    "ip -br addr; lldpctl on the host",
    "likely"};

/// One cable end: a rail of a host, and the leaf or subnet it leads to.
struct End {
  std::size_t host{};
  int rail{};
  std::size_t nic{};
  std::string to;
};

/// Rail numbers of the NICs of each kind; -1: no rail. Hosts that lost a GPU or NIC keep the numbers that the
/// others have.
std::vector<std::vector<int>> rail_numbers(const ClusterTopology& cluster, const Union& all,
                                           const std::vector<std::vector<std::size_t>>& hosts) {
  constexpr std::size_t kMostLookedAt = 16;
  std::vector<std::size_t> order(cluster.kinds.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return hosts[a].size() > hosts[b].size(); });
  std::vector<int> of_slot(all.nics.labels.size(), -1);
  std::size_t most_rails = 0;
  std::size_t looked_at = 0;
  for (const std::size_t kind : order) {
    if (!all.gpus.usual[kind] || !all.nics.usual[kind]) continue;
    if (++looked_at > kMostLookedAt) break;
    const auto rails = rails_of(cluster.kinds[kind], paths_of(cluster.kinds[kind]));
    if (rails.size() <= most_rails) continue;
    most_rails = rails.size();
    std::fill(of_slot.begin(), of_slot.end(), -1);
    for (std::size_t rail = 0; rail < rails.size(); ++rail)
      of_slot[static_cast<std::size_t>(all.nics.slot[kind][rails[rail].nic])] = static_cast<int>(rail);
  }
  std::vector<std::vector<int>> numbers(cluster.kinds.size());
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind) {
    const auto& slots = all.nics.slot[kind];
    numbers[kind].assign(slots.size(), -1);
    const bool stranger = std::all_of(slots.begin(), slots.end(), [](int slot) { return slot < 0; });
    for (std::size_t i = 0; i < slots.size(); ++i)
      if (slots[i] >= 0) numbers[kind][i] = of_slot[static_cast<std::size_t>(slots[i])];
    if (!stranger || slots.empty()) continue;
    const auto rails = rails_of(cluster.kinds[kind], paths_of(cluster.kinds[kind]));
    for (std::size_t rail = 0; rail < rails.size(); ++rail)
      numbers[kind][rails[rail].nic] = static_cast<int>(rail);
  }
  return numbers;
}

struct Ends {
  std::vector<End> by_neighbour;
  std::vector<End> by_subnet;
  std::size_t ports{};
};

Ends ends_of(const ClusterTopology& cluster, const std::vector<std::vector<std::size_t>>& hosts,
             const std::vector<std::vector<int>>& rails) {
  Ends ends;
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind) {
    for (const std::size_t host : hosts[kind]) {
      std::size_t port_at = 0;
      const auto& devices = cluster.kinds[kind].rdma_devices;
      for (std::size_t nic = 0; nic < devices.size(); ++nic) {
        for (std::size_t port = 0; port < devices[nic].ports.size(); ++port, ++port_at) {
          const int rail = rails[kind][nic];
          if (rail < 0 || port_at >= cluster.hosts[host].own.ports.size()) continue;
          const PortParticulars& own = cluster.hosts[host].own.ports[port_at];
          ++ends.ports;
          if (own.neighbour && !own.neighbour->switch_name.empty())
            ends.by_neighbour.push_back({host, rail, nic, own.neighbour->switch_name});
          for (const std::string& subnet : own.subnets) ends.by_subnet.push_back({host, rail, nic, subnet});
        }
      }
    }
  }
  return ends;
}

/// What is at one leaf.
struct Leaf {
  std::map<int, std::size_t> cables;  ///< rail -> ends
  std::size_t all{};
  int rail{-1};  ///< that most cables are of
  bool tie{};

  void decide() {
    std::size_t most = 0;
    for (const auto& [number, count] : cables) most = std::max(most, count);
    std::size_t with_most = 0;
    for (const auto& [number, count] : cables) {
      if (count < most) continue;
      ++with_most;
      rail = number;
    }
    tie = with_most > 1;
    if (2 * most <= all) rail = -1;
  }
};

class Cabling {
 public:
  Cabling(const ClusterTopology& cluster, const std::vector<End>& ends) : cluster_(cluster), ends_(ends) {
    for (const End& end : ends) {
      Leaf& leaf = leaves_[end.to];
      ++leaf.cables[end.rail];
      ++leaf.all;
    }
    for (auto& [name, leaf] : leaves_) leaf.decide();
  }

  /// Whether leaves belong to rails: three of four ends are at a leaf of their own rail, and there is more
  /// than one rail.
  bool by_rail() const {
    std::size_t shared = 0;
    std::size_t at_home = 0;
    std::map<int, std::size_t> rails;
    for (const End& end : ends_) {
      const Leaf& leaf = leaves_.at(end.to);
      ++rails[end.rail];
      if (leaf.all < 2) continue;
      ++shared;
      if (leaf.rail == end.rail) ++at_home;
    }
    return rails.size() > 1 && shared > 0 && 4 * at_home >= 3 * shared;
  }

  void tell(const FaultKind& kind, Differences& differences) const {
    std::map<std::string, std::vector<const End*>> tied;
    for (const End& end : ends_) {
      const Leaf& leaf = leaves_.at(end.to);
      if (leaf.tie) tied[end.to].push_back(&end);
      if (leaf.rail < 0 || leaf.rail == end.rail) continue;
      differences.book.add(end.host, kind, part(end),
                           fmt::format("{}, where rail {} of the others is", printable(end.to), leaf.rail));
    }
    for (const auto& [name, ends] : tied) {
      std::vector<std::string> sides;
      for (const End* end : ends)
        sides.push_back(fmt::format("{} of {}", part(*end), printable(cluster_.hosts[end->host].name)));
      constexpr std::size_t kMostListed = 4;
      differences.ties.push_back(fmt::format("at {} are {}: which of them is wrong cannot be told",
                                             printable(name), joined(sides, ", ", kMostListed)));
      differences.undecided = true;
    }
  }

 private:
  std::string part(const End& end) const {
    const auto kind = static_cast<std::size_t>(cluster_.hosts[end.host].kind);
    return fmt::format("rail {} ({})", end.rail, cluster_.kinds[kind].rdma_devices[end.nic].name);
  }

  const ClusterTopology& cluster_;
  const std::vector<End>& ends_;
  std::unordered_map<std::string, Leaf> leaves_;
};

}  // namespace

void compare_rails(const ClusterTopology& cluster, const std::vector<std::vector<std::size_t>>& hosts,
                   const Union& all, Differences& differences) {
  const Ends ends = ends_of(cluster, hosts, rail_numbers(cluster, all, hosts));
  const bool neighbours_known = 2 * ends.by_neighbour.size() > ends.ports;
  const std::vector<End>& known = neighbours_known ? ends.by_neighbour : ends.by_subnet;
  const Cabling cabling(cluster, known);
  if (cabling.by_rail()) cabling.tell(neighbours_known ? by_leaf : by_subnet, differences);
}

}  // namespace fabricheck::topology
