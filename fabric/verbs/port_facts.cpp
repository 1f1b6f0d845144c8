#include "fabric/verbs/port_facts.hpp"

#include <algorithm>

namespace fabricheck::verbs {
namespace {

bool is_open(const std::string& text) { return text.empty() || text == "unknown"; }

void join(const PortFacts& facts, RdmaPort& port) {
  if (facts.active_mtu_bytes) port.active_mtu_bytes = facts.active_mtu_bytes;
  if (facts.max_mtu_bytes) port.max_mtu_bytes = facts.max_mtu_bytes;
  if (is_open(port.link_layer) && !facts.link_layer.empty()) port.link_layer = facts.link_layer;
  for (const GidFacts& told : facts.gids) {
    const auto gid = std::find_if(port.gids.begin(), port.gids.end(),
                                  [&](const Gid& candidate) { return candidate.index == told.index; });
    if (gid != port.gids.end() && is_open(gid->type)) gid->type = told.type;
  }
}

}  // namespace

void join_port_facts(const std::vector<PortFacts>& facts, Host& host) {
  for (const PortFacts& told : facts) {
    for (RdmaDevice& device : host.rdma_devices) {
      if (device.name != told.device) continue;
      for (RdmaPort& port : device.ports) {
        if (port.number == told.port) join(told, port);
      }
    }
  }
}

}  // namespace fabricheck::verbs
