#include "topology/model/merge.hpp"

#include <algorithm>
#include <functional>
#include <optional>
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

/// Mixes what hosts of a cluster differ in most often. Equal kinds have equal digests; the rest is for ==.
class Digest {
 public:
  std::size_t of(const Host& kind) {
    mix(kind.kernel);
    mix(kind.gpu_driver);
    mix(kind.hardware_threads);
    for (const Gpu& gpu : kind.gpus) mix(gpu);
    for (const RdmaDevice& nic : kind.rdma_devices) mix(nic);
    for (const PciNode& node : kind.pci) {
      mix(node.address);
      mix(node.link);
      mix(node.acs);
    }
    mix(kind.environment);
    for (const std::string& sentence : kind.unknown) mix(sentence);
    return value_;
  }

 private:
  template <class T>
  void mix(const T& value) {
    constexpr std::size_t kGolden = 0x9e3779b97f4a7c15ULL;
    value_ ^= std::hash<T>{}(value) + kGolden + (value_ << 6U) + (value_ >> 2U);
  }
  void mix(const PcieLink& link) {
    mix(link.speed_GTps);
    mix(link.width);
  }
  void mix(const Gpu& gpu) {
    mix(gpu.name);
    mix(gpu.status);
    mix(gpu.pci_address);
    mix(gpu.vbios);
    mix(gpu.pcie);
    mix(gpu.power_limit_W);
    for (const NvLink& link : gpu.nvlinks) mix(link.active);
  }
  void mix(const RdmaDevice& nic) {
    mix(nic.name);
    mix(nic.status);
    mix(nic.firmware);
    mix(nic.pci_address);
    for (const RdmaPort& port : nic.ports) {
      mix(port.state);
      mix(port.rate_Gbps);
      mix(port.net_mtu_bytes);
      mix(port.gids.size());
    }
  }
  void mix(const HostEnvironment& environment) {
    mix(environment.product);
    mix(environment.bios);
    mix(environment.hypervisor);
    mix(environment.cpu_governor);
    mix(environment.hugepages_bytes);
    mix(environment.memlock_bytes);
    for (const auto& [name, version] : environment.modules) mix(version);
    for (const auto& [name, version] : environment.software) mix(version);
  }

  std::size_t value_{};
};

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
  ClusterBuilder builder;
  for (Host& host : hosts) builder.add(std::move(host));
  return builder.take();
}

void ClusterBuilder::add(Host host) {
  std::string name = std::exchange(host.name, {});
  HostParticulars own = take_particulars(host);
  add(std::move(name), add_kind(std::move(host)), std::move(own));
}

int ClusterBuilder::add_kind(Host kind) {
  const std::size_t digest = Digest{}.of(kind);
  const auto [first, last] = kinds_.equal_range(digest);
  for (auto known = first; known != last; ++known)
    if (cluster_.kinds[static_cast<std::size_t>(known->second)] == kind) return known->second;
  const int place = static_cast<int>(cluster_.kinds.size());
  kinds_.emplace(digest, place);
  cluster_.kinds.push_back(std::move(kind));
  return place;
}

void ClusterBuilder::add(std::string name, int kind, HostParticulars own) {
  cluster_.hosts.push_back({std::move(name), kind, std::move(own)});
}

ClusterTopology ClusterBuilder::take() {
  kinds_.clear();
  return std::exchange(cluster_, {});
}

}  // namespace fabricheck::topology
