// Rules about ports of RDMA devices, each held against its like on the same host.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// 1 InfiniBand, 2 Ethernet; 0: not told.
int layer_of(const Context& context, const std::string& device) {
  for (const EventGroup* group : context.seen().of(Event::port_layer))
    if (group->detail == device) return group->code;
  return 0;
}

bool is_of_one_host(const PortFacts& one, const PortFacts& other) {
  return one.quote.file == other.quote.file && one.host == other.host;
}

bool is_of_one_kind(const PortFacts& one, const PortFacts& other) {
  return is_of_one_host(one, other) && one.type == other.type && one.ports == other.ports &&
         (one.layer == other.layer || one.layer == 0 || other.layer == 0);
}

/// Another port of the same card, as both of a dual-port one have a device each.
bool is_of_one_card(const PortFacts& one, const PortFacts& other) {
  return is_of_one_host(one, other) &&
         (one.device == other.device || (!one.image_guid.empty() && one.image_guid == other.image_guid));
}

/// Of a kind that is known, with one port on a card, and most of that kind on this host are up: it should be,
/// too.
bool is_odd_one(const Observations& seen, const PortFacts& port) {
  if (port.type.empty() || port.ports != 1) return false;
  int up = 0, down = 0;
  for (const PortFacts& other : seen.ports) {
    if (!is_of_one_kind(port, other)) continue;
    if (&other != &port && is_of_one_card(port, other)) return false;
    ++(other.state == PortState::active ? up : down);
  }
  return up > 1 && up > down;
}

/// A second port without a cable, beside ports that are up.
bool may_be_unused(const Observations& seen, const PortFacts& port) {
  return port.is_disabled && std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortFacts& other) {
           return is_of_one_host(other, port) && other.state == PortState::active &&
                  other.layer == port.layer;
         });
}

/// Whether ranks list their devices, and this one is in no list.
bool is_used_by_no_rank(const Context& context, const std::string& device) {
  const auto& lists = context.hca_lists();
  return !lists.empty() && std::none_of(lists.begin(), lists.end(), [&](const std::string& list) {
    return contains(list, "]" + device + ":");
  });
}

struct DownPorts {
  std::vector<Quote> quotes;
  std::string names;
  bool is_certain{true};

  void take(const Quote& quote, const std::string& name, bool certain) {
    quotes.push_back(quote);
    if (!contains(names, name)) names += (names.empty() ? "" : ", ") + name;
    is_certain = is_certain && certain;
  }
};

Found& add_ports(const Context& context, const CatalogRow& row, const DownPorts& ports, Findings& found) {
  Found& finding = add(found, row, ports.is_certain ? "certain" : "likely");
  for (const Quote& quote : ports.quotes) cite(context, finding, &quote);
  constexpr std::size_t longest = 120;
  finding.component.name = ports.names.substr(0, longest);
  return finding;
}

bool is_without_manager(const PortFacts& port) { return port.state == PortState::waits && port.layer != 2; }

/// The rate that more than half of the ports have; 0: none.
double usual_rate(const std::vector<const PortFacts*>& ports) {
  for (const PortFacts* one : ports) {
    const auto same = std::count_if(ports.begin(), ports.end(), [&](const PortFacts* other) {
      return other->rate_Gbps == one->rate_Gbps;
    });
    if (2 * static_cast<std::size_t>(same) > ports.size()) return one->rate_Gbps;
  }
  return 0;
}

}  // namespace

bool is_beside_the_fabric(const Context& context, const std::string& device) {
  const int layer = layer_of(context, device);
  if (layer == 0) return false;
  std::map<int, int> up;
  for (const EventGroup* group : context.seen().of(Event::port_active))
    ++up[layer_of(context, group->detail)];
  // Where there are as many of either, InfiniBand is the fabric.
  constexpr int ethernet = 2;
  return layer == ethernet ? up[1] > 0 && up[2] <= up[1] : up[1] < up[2];
}

void port_down(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  DownPorts down, unused, unlisted;
  for (const PortFacts& port : seen.ports) {
    if (port.state == PortState::active || is_without_manager(port)) continue;
    const bool beside = is_beside_the_fabric(context, port.device);
    if (!beside && is_odd_one(seen, port))
      down.take(port.quote, port.device, false);
    else if (beside || may_be_unused(seen, port))
      unused.take(port.quote, port.device, false);
    else if (is_used_by_no_rank(context, port.device))
      unlisted.take(port.quote, port.device, false);
    else
      down.take(port.quote, port.device, true);
  }
  for (const EventGroup* group : seen.of(Event::port_down))
    for (const Quote& quote : group->quotes)
      (is_beside_the_fabric(context, group->detail) ? unused : down).take(quote, group->detail, true);
  if (!down.quotes.empty()) {
    add_ports(context, row, down, found);
    return;
  }
  for (const auto& [ports, words] :
       {std::pair{&unlisted, "; no rank that stands here uses it, and whose host it is, is not told"},
        {&unused, "; others are up, and whether this one should be does not stand here"}}) {
    if (ports->quotes.empty()) continue;
    Found& finding = add_ports(context, row, *ports, found);
    finding.severity = Severity::info;
    finding.confidence = "possible";
    finding.meaning += words;
    return;
  }
}

void no_subnet_manager(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  DownPorts waiting, beside;
  for (const PortFacts& port : seen.ports) {
    if (!is_without_manager(port)) continue;
    const bool others_are_served =
        std::any_of(seen.ports.begin(), seen.ports.end(), [&](const PortFacts& other) {
          return is_of_one_host(other, port) && other.state == PortState::active;
        });
    (is_beside_the_fabric(context, port.device) ? beside : waiting)
        .take(port.quote, port.device, !others_are_served);
  }
  if (!waiting.quotes.empty()) {
    add_ports(context, row, waiting, found);
  } else if (!beside.quotes.empty()) {
    Found& finding = add_ports(context, row, beside, found);
    finding.severity = Severity::info;
    finding.confidence = "possible";
  }
}

void cable_fault(const Context& context, const CatalogRow& row, Findings& found) {
  on_event(context, row, found);
  if (found.empty() || found.back().slug != row.text->slug || !says(found.back(), "Effective Physical BER"))
    return;
  found.back().confidence = "likely";
  found.back().meaning =
      "after error correction bits of this link are still wrong, so packets are lost: the cable, a "
      "transceiver "
      "or the peer's port";
}

void link_width(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const PortFacts& port : context.seen().ports) {
    // Ethernet has links of one lane.
    if (port.state != PortState::active || port.layer != 1 || port.lanes != 1) continue;
    if (finding == nullptr) finding = &add(found, row, "likely");
    cite(context, *finding, &port.lanes_quote);
    if (finding->component.name.empty()) finding->component.name = port.device;
  }
}

void link_rate(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  std::vector<const PortFacts*> done;
  for (const PortFacts& first : seen.ports) {
    const auto is_active = [&](const PortFacts& port) {
      return port.state == PortState::active && port.rate_Gbps > 0 && !port.type.empty() &&
             is_of_one_kind(first, port);
    };
    if (!is_active(first) || std::any_of(done.begin(), done.end(),
                                         [&](const PortFacts* one) { return is_of_one_kind(*one, first); }))
      continue;
    done.push_back(&first);
    std::vector<const PortFacts*> ports, slow;
    for (const PortFacts& port : seen.ports)
      if (is_active(port)) ports.push_back(&port);
    const double usual = usual_rate(ports);
    for (const PortFacts* port : ports)
      if (port->rate_Gbps < usual) slow.push_back(port);
    constexpr std::size_t fewest = 3;
    if (slow.empty() || ports.size() < fewest) continue;
    // Several may be of another network, one that is alone in it hardly.
    Found& finding = add(found, row, slow.size() == 1 ? "likely" : "possible");
    finding.severity = slow.size() == 1 ? Severity::bad : Severity::info;
    finding.component.name = slow.front()->device;
    finding.meaning =
        fmt::format("{} of {} equal ports of this host {} at {:g} Gb/s, the others at {:g}", slow.size(),
                    ports.size(), slow.size() == 1 ? "is" : "are", slow.front()->rate_Gbps, usual);
    for (const PortFacts* port : slow) cite(context, finding, &port->rate_quote);
    for (const PortFacts* port : ports)
      if (port->rate_Gbps == usual) {
        cite(context, finding, &port->rate_quote);
        break;
      }
  }
}

}  // namespace fabricheck::diagnose::rules
