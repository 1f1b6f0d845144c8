#include <fmt/format.h>
#include <infiniband/verbs.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <system_error>

#include "core/descriptor.hpp"
#include "fabric/verbs/port_facts.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::verbs {
namespace {

struct ListDeleter {
  void operator()(ibv_device** list) const { ibv_free_device_list(list); }
};
struct ContextDeleter {
  void operator()(ibv_context* context) const { ibv_close_device(context); }
};

/// IBV_MTU_256 is 1, each next one the double.
std::optional<int> mtu_bytes(ibv_mtu mtu) {
  if (mtu < IBV_MTU_256 || mtu > IBV_MTU_4096) return std::nullopt;
  return 128 << static_cast<int>(mtu);
}

std::string link_layer(std::uint8_t code) {
  if (code == IBV_LINK_LAYER_ETHERNET) return "Ethernet";
  if (code == IBV_LINK_LAYER_INFINIBAND) return "InfiniBand";
  return {};
}

/// The type of one GID; InfiniBand's and RoCE v1's share a name in sysfs.
std::string gid_type(std::uint32_t code) {
  if (code == IBV_GID_TYPE_IB || code == IBV_GID_TYPE_ROCE_V1) return "IB/RoCE v1";
  if (code == IBV_GID_TYPE_ROCE_V2) return "RoCE v2";
  return {};
}

PortFacts query(ibv_context* context, const std::string& device, const RdmaPort& port,
                std::vector<std::string>& unknown) {
  PortFacts facts;
  facts.device = device;
  facts.port = port.number;
  ibv_port_attr attributes{};
  const int status = ibv_query_port(context, static_cast<std::uint8_t>(port.number), &attributes);
  if (status != 0) {
    unknown.push_back(fmt::format("verbs: {} port {}: ibv_query_port: {}; its MTU is not known", device,
                                  port.number, system_reason(status)));
    return facts;
  }
  facts.max_mtu_bytes = mtu_bytes(attributes.max_mtu);
  // Of a port that is down it is what the driver starts with.
  if (attributes.state == IBV_PORT_ACTIVE) facts.active_mtu_bytes = mtu_bytes(attributes.active_mtu);
  facts.link_layer = link_layer(attributes.link_layer);
  for (const Gid& gid : port.gids) {
    if (gid.type != "unknown") continue;
    ibv_gid_entry entry{};
    if (ibv_query_gid_ex(context, static_cast<std::uint32_t>(port.number),
                         static_cast<std::uint32_t>(gid.index), &entry, 0) != 0) {
      continue;  // the probe of sysfs has said that the type is not known
    }
    if (std::string type = gid_type(entry.gid_type); !type.empty()) facts.gids.push_back({gid.index, type});
  }
  return facts;
}

}  // namespace

void add_port_facts(Host& host) {
  const auto answers = [](const RdmaDevice& device) { return device.status == "answers"; };
  if (std::none_of(host.rdma_devices.begin(), host.rdma_devices.end(), answers)) return;
  int count = 0;
  const std::unique_ptr<ibv_device*, ListDeleter> list(ibv_get_device_list(&count));
  if (!list) {
    host.unknown.push_back(
        fmt::format("verbs: ibv_get_device_list: {}; the MTU of RDMA ports is not known; is "
                    "/dev/infiniband there?",
                    system_reason(errno)));
    return;
  }
  std::map<std::string, ibv_device*> devices;
  for (int i = 0; i < count; ++i) devices[ibv_get_device_name(list.get()[i])] = list.get()[i];
  std::vector<PortFacts> facts;
  for (const RdmaDevice& device : host.rdma_devices) {
    if (!answers(device)) continue;
    const std::string name = topology::printable(device.name);
    const auto found = devices.find(device.name);
    if (found == devices.end()) {
      host.unknown.push_back(
          fmt::format("verbs: libibverbs does not list {}; install its provider (rdma-core) or "
                      "give /dev/infiniband to the container",
                      name));
      continue;
    }
    const std::unique_ptr<ibv_context, ContextDeleter> context(ibv_open_device(found->second));
    if (!context) {
      host.unknown.push_back(
          fmt::format("verbs: {}: ibv_open_device: {}; its MTU is not known", name, system_reason(errno)));
      continue;
    }
    for (const RdmaPort& port : device.ports) {
      facts.push_back(query(context.get(), device.name, port, host.unknown));
    }
  }
  join_port_facts(facts, host);
}

}  // namespace fabricheck::verbs
