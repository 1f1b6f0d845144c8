#include "app/verbs_world.hpp"

#include <algorithm>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "app/job_network.hpp"
#include "core/error.hpp"
#include "core/units.hpp"
#include "fabric/pairs/schedule.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/pci_tree.hpp"
#include "topology/model/pcie_rate.hpp"

namespace fabricheck::app {
namespace {

constexpr double bits_per_byte = 8.0;

fabric::PairChoice choice_of(Pairs pairs) {
  switch (pairs) {
    case Pairs::cross:
      return fabric::PairChoice::cross;
    case Pairs::all:
      return fabric::PairChoice::all;
    case Pairs::rail:
      break;
  }
  return fabric::PairChoice::rail;
}

/// What a port can carry while others measure.
struct Share {
  std::optional<double> rate_Gbps;
  bool behind_pcie{};
  int shared_by{1};
};

Share share_of(const RankPort& port, const std::vector<const RankPort*>& at_work) {
  Share share{port.rate_Gbps, port.behind_pcie};
  if (port.card.empty() || !port.rate_Gbps) return share;
  int on_card = 0;
  bool any_virtual = port.virtual_function;
  for (const RankPort* other : at_work) {
    if (other->card != port.card) continue;
    ++on_card;
    any_virtual = any_virtual || other->virtual_function;
  }
  const auto lower = [&](double rate_Gbps, bool behind_pcie) {
    if (on_card > 1 && rate_Gbps < *share.rate_Gbps) share = {rate_Gbps, behind_pcie, on_card};
  };
  if (port.link_Gbps) lower(*port.link_Gbps / on_card, true);
  // Which of the card's ports a virtual function is of is not told: as if all were of one.
  if (any_virtual) lower(*port.rate_Gbps / on_card, port.behind_pcie);
  return share;
}

/// The ports of one host that send in a round, or that receive: PCIe and the cable carry both directions at
/// once.
std::vector<const RankPort*> at_work(const fabric::Round& round, fabric::PortEnd fabric::EndPair::*end,
                                     int node, const std::vector<RankPort>& ports) {
  std::vector<const RankPort*> there;
  for (const fabric::EndPair& pair : round)
    if ((pair.*end).node == node) there.push_back(&ports[static_cast<std::size_t>((pair.*end).rank)]);
  return there;
}

plan::Pair planned(const fabric::EndPair& pair, const fabric::Round& round,
                   const std::vector<RankPort>& ports) {
  const RankPort& from = ports[static_cast<std::size_t>(pair.from.rank)];
  const RankPort& to = ports[static_cast<std::size_t>(pair.to.rank)];
  plan::Pair one;
  one.from = pair.from.rank;
  one.to = pair.to.rank;
  one.from_rail = pair.from.rail;
  one.to_rail = pair.to.rail;
  one.in_software = from.in_software || to.in_software;
  const Share gives = share_of(from, at_work(round, &fabric::EndPair::from, pair.from.node, ports));
  const Share takes = share_of(to, at_work(round, &fabric::EndPair::to, pair.to.node, ports));
  if (gives.rate_Gbps && takes.rate_Gbps && !one.in_software) {
    const Share& slower = *gives.rate_Gbps <= *takes.rate_Gbps ? gives : takes;
    one.port_rate_GBps = *slower.rate_Gbps / bits_per_byte;
    one.behind_pcie = slower.behind_pcie;
    one.shared_by = slower.shared_by;
  }
  return one;
}

// EFA's says "Unspecified": it has its own transport, and none of those that are measured here.
constexpr const char* other_layer = "its link layer is neither Ethernet nor InfiniBand";
bool is_measurable(const RdmaPort& port) {
  return port.link_layer == "Ethernet" || port.link_layer == "InfiniBand";
}

/// "no RDMA device on node[7-9]", each reason once with all its hosts.
std::vector<std::string> reasons_of(const std::vector<RankPort>& ports, const ClusterTopology& topology) {
  std::map<std::string, std::vector<std::string>> hosts;
  for (const RankPlace& place : topology.ranks) {
    const std::string& reason = ports[static_cast<std::size_t>(place.rank)].unavailable;
    if (reason.empty()) continue;
    std::vector<std::string>& names = hosts[reason];
    const std::string& name = topology.hosts[static_cast<std::size_t>(place.host)].name;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  std::vector<std::string> reasons;
  reasons.reserve(hosts.size());
  for (const auto& [reason, names] : hosts)
    reasons.push_back(fmt::format("{} on {}", reason, topology::fold_names(names)));
  return reasons;
}

std::string none_because(const std::vector<std::string>& reasons, const std::vector<fabric::PortEnd>& ends,
                         const VerbsOptions& options, std::size_t nodes) {
  if (!reasons.empty() && ends.size() < 2) return reasons.front();
  if (options.loopback) return "no host has two ranks that could be joined by a loopback";
  if (nodes == 1)
    return "all ranks are on one host: between two of them verbs would be a loopback, which tests no "
           "network; "
           "--loopback measures it";
  if (options.pairs == Pairs::cross) return "the hosts have one rail: there is none to cross to";
  if (!reasons.empty()) return reasons.front();
  return "no two hosts have a port on the same rail";
}

}  // namespace

namespace {

std::string without_function(const std::string& address) { return address.substr(0, address.rfind('.')); }

/// The device itself; of a virtual function a physical one of the same card: they have its bus, and the slots
/// after its own (PCI Express Base Specification, 9.2.1.2). In a guest, which has none of those, it stands
/// for itself.
const RdmaDevice& physical_of(const Host& host, const RdmaDevice& device) {
  if (!device.virtual_function.value_or(false)) return device;
  const auto bus = [](const RdmaDevice& one) {
    return one.pci_address.substr(0, one.pci_address.rfind(':'));
  };
  for (const RdmaDevice& other : host.rdma_devices)
    if (other.virtual_function == false && bus(other) == bus(device)) return other;
  return device;
}

}  // namespace

std::string no_port_because(const Host& host) {
  for (const RdmaDevice& device : host.rdma_devices)
    if (device.status == "answers" && !device.ports.empty() &&
        std::none_of(device.ports.begin(), device.ports.end(), is_measurable))
      return fmt::format("{}: {}", device.name, other_layer);
  return "no RDMA device";
}

void tell_rate(const Host& host, const RdmaDevice& device, const RdmaPort& port, RankPort& told) {
  told.rate_Gbps = port.rate_Gbps;
  told.virtual_function = device.virtual_function.value_or(false);
  const RdmaDevice& physical = physical_of(host, device);
  told.card = without_function(physical.pci_address);
  const PciNode* node = topology::pci_node(host, physical.pci_address);
  if (!port.rate_Gbps || !node || !topology::is_at_its_best(node->link)) return;
  const auto link_GBps = topology::pcie_GBps(node->link);
  if (!link_GBps) return;
  told.link_Gbps = bits_per_byte * topology::pcie_payload_share * *link_GBps;
  told.behind_pcie = *told.link_Gbps < *port.rate_Gbps;
  if (told.behind_pcie) told.rate_Gbps = told.link_Gbps;
}

std::string rank_port_to_text(const RankPort& port) {
  const auto number = [](const std::optional<double>& value) {
    return value ? fmt::format("{}", *value) : std::string();
  };
  return fmt::format("{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}\t{}", port.nic, port.port, port.rail,
                     number(port.rate_Gbps), port.behind_pcie ? 1 : 0, port.in_software ? 1 : 0, port.card,
                     number(port.link_Gbps), port.virtual_function ? 1 : 0, port.unavailable);
}

RankPort rank_port_from_text(const std::string& text) {
  std::vector<std::string> fields;
  std::istringstream words(text);
  for (std::string field; std::getline(words, field, '\t');) fields.push_back(field);
  fields.resize(10);
  RankPort port;
  port.nic = fields[0];
  port.port = fields[1].empty() ? 0 : std::stoi(fields[1]);
  port.rail = fields[2].empty() ? 0 : std::stoi(fields[2]);
  if (!fields[3].empty()) port.rate_Gbps = std::stod(fields[3]);
  port.behind_pcie = fields[4] == "1";
  port.in_software = fields[5] == "1";
  port.card = fields[6];
  if (!fields[7].empty()) port.link_Gbps = std::stod(fields[7]);
  port.virtual_function = fields[8] == "1";
  port.unavailable = fields[9];
  return port;
}

std::string chosen_nics(const Host& host, int local_ranks, const std::vector<std::size_t>& gpus,
                        const LinkOptions& links) {
  std::string lines;
  for (const auto& nic :
       topology::rank_nics(host, local_ranks, gpus, topology::parse_nic_wishes(links.device)))
    lines +=
        nic ? fmt::format("{} {} {}\n", host.rdma_devices[nic->device].name, nic->port, nic->rail) : "-\n";
  return lines;
}

verbs::Setup open_port(const std::string& line, const Host& host, const RunOptions& run,
                       const verbs::EnvironmentLookup& environment, RankPort& told) {
  const VerbsOptions& options = run.verbs;
  verbs::Setup setup;
  setup.queue_pairs = options.queue_pairs;
  setup.depth = options.depth;
  setup.gid_wish.gid_index = run.links.gid_index;
  const topology::JobNetwork job = job_network(run.links, environment);
  setup.gid_wish.nccl_gid_index = job.gid_index;
  setup.pkey_index = job.pkey_index.value_or(0);
  setup.traffic_class =
      verbs::choose_traffic_class(run.links.traffic_class, run.links.service_level, environment);
  const auto cannot = [&](std::string reason) {
    setup.unavailable = fmt::format("{} on {}", reason, host.name);
    told.unavailable = std::move(reason);
    return setup;
  };
  const auto provider = verbs::system_provider();
  if (!provider) return cannot(verbs::unavailable_reason());
  std::istringstream words(line);
  if (!(words >> told.nic >> told.port >> told.rail) || told.nic == "-") {
    told = {};
    return cannot(no_port_because(host));
  }
  const auto device = std::find_if(host.rdma_devices.begin(), host.rdma_devices.end(),
                                   [&](const RdmaDevice& one) { return one.name == told.nic; });
  const auto port = std::find_if(device->ports.begin(), device->ports.end(),
                                 [&](const RdmaPort& one) { return one.number == told.port; });
  if (!is_measurable(*port)) return cannot(fmt::format("{} port {}: {}", told.nic, told.port, other_layer));
  setup.port.place = {host.name, told.nic, *port};
  tell_rate(host, *device, *port, told);
  try {
    setup.port.device = provider->open(told.nic);
  } catch (const Error& error) {
    return cannot(error.what());
  }
  const verbs::DeviceLimits& limits = setup.port.device->limits();
  told.in_software = limits.software;
  if (options.queue_pairs > limits.max_queue_pairs)
    throw UsageError(fmt::format("--queue-pairs: {} are more than the {} that {} on {} has",
                                 options.queue_pairs, limits.max_queue_pairs, told.nic, host.name));
  if (2 * options.depth > limits.max_work_requests)
    throw UsageError(
        fmt::format("--depth: {} is more than half of the {} work requests that a queue of {} on {} takes",
                    options.depth, limits.max_work_requests, told.nic, host.name));
  return setup;
}

std::vector<NotTested> plan_pairs(const std::vector<RankPort>& ports, const ClusterTopology& topology,
                                  const VerbsOptions& options, Suite suite, plan::Request& request) {
  std::vector<fabric::PortEnd> ends;
  for (const RankPlace& place : topology.ranks) {
    const RankPort& port = ports[static_cast<std::size_t>(place.rank)];
    if (port.unavailable.empty()) ends.push_back({place.rank, place.host, port.rail});
  }
  const int neighbours = suite == Suite::quick ? 1 : 2;
  const auto rounds = options.loopback
                          ? fabric::pairs_inside_nodes(ends)
                          : fabric::pairs_between_nodes(ends, choice_of(options.pairs), neighbours);
  request.loopback = options.loopback;
  for (const fabric::Round& round : rounds) {
    plan::PairRound pairs;
    for (const fabric::EndPair& pair : round) pairs.push_back(planned(pair, round, ports));
    request.pairs.push_back(std::move(pairs));
  }
  const std::vector<std::string> reasons = reasons_of(ports, topology);
  if (request.pairs.empty()) {
    request.no_pairs = none_because(reasons, ends, options, topology.hosts.size());
    return {};
  }
  std::vector<NotTested> left_out;
  left_out.reserve(reasons.size());
  for (const std::string& reason : reasons)
    left_out.push_back({"verbs", reason + ": its pairs are left out"});
  return left_out;
}

}  // namespace fabricheck::app
