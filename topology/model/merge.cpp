#include "topology/model/merge.hpp"

#include <algorithm>
#include <utility>

namespace fabricheck::topology {
namespace {

/// Calls `with(host's field, its place in the particulars)` for all that is a host's own.
template <class With>
void for_each_particular(Host& host, HostParticulars& own, With with) {
  own.gpus.resize(host.gpus.size());
  for (std::size_t i = 0; i < host.gpus.size(); ++i) {
    Gpu& gpu = host.gpus[i];
    with(gpu.uuid, own.gpus[i].uuid);
    with(gpu.health, own.gpus[i].health);
    if (gpu.fabric) {
      with(gpu.fabric->cluster_uuid, own.gpus[i].cluster_uuid);
      with(gpu.fabric->clique_id, own.gpus[i].clique_id);
    }
  }
  std::size_t ports = 0;
  for (const RdmaDevice& device : host.rdma_devices) ports += device.ports.size();
  own.ports.resize(ports);
  own.node_guids.resize(host.rdma_devices.size());
  std::size_t at = 0;
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i) {
    with(host.rdma_devices[i].node_guid, own.node_guids[i]);
    for (RdmaPort& port : host.rdma_devices[i].ports) {
      PortParticulars& mine = own.ports[at++];
      mine.gid_addresses.resize(port.gids.size());
      for (std::size_t g = 0; g < port.gids.size(); ++g) with(port.gids[g].address, mine.gid_addresses[g]);
      with(port.subnets, mine.subnets);
      with(port.lid, mine.lid);
      with(port.neighbour, mine.neighbour);
    }
  }
  own.numa_memory_bytes.resize(host.numa_nodes.size());
  for (std::size_t i = 0; i < host.numa_nodes.size(); ++i)
    with(host.numa_nodes[i].memory_bytes, own.numa_memory_bytes[i]);
}

}  // namespace

HostParticulars take_particulars(Host& host) {
  HostParticulars own;
  for_each_particular(host, own, [](auto& field, auto& place) { place = std::exchange(field, {}); });
  return own;
}

Host whole_host(const ClusterTopology& cluster, std::size_t index) {
  const HostEntry& entry = cluster.hosts.at(index);
  Host host = cluster.kinds.at(static_cast<std::size_t>(entry.kind));
  HostParticulars own = entry.own;
  for_each_particular(host, own, [](auto& field, auto& place) { field = std::move(place); });
  host.name = entry.name;
  return host;
}

void add_host(ClusterTopology& cluster, Host host) {
  HostEntry entry;
  entry.name = std::exchange(host.name, {});
  entry.own = take_particulars(host);
  const auto known = std::find(cluster.kinds.begin(), cluster.kinds.end(), host);
  entry.kind = static_cast<int>(known - cluster.kinds.begin());
  if (known == cluster.kinds.end()) cluster.kinds.push_back(std::move(host));
  cluster.hosts.push_back(std::move(entry));
}

ClusterTopology merge_hosts(std::vector<Host> hosts) {
  ClusterTopology cluster;
  for (Host& host : hosts) add_host(cluster, std::move(host));
  return cluster;
}

}  // namespace fabricheck::topology
