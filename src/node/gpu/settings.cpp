#include "node/gpu/settings.hpp"

#include <algorithm>
#include <cstdlib>

namespace fabricheck::node::gpu {

NumaPlaces numa_places(const Host& host, const std::string& pci_address) {
  NumaPlaces places;
  places.is_uniform = std::count_if(host.numa_nodes.begin(), host.numa_nodes.end(),
                                    [](const NumaNode& node) { return !node.cpus.empty(); }) <= 1;
  const auto gpu = std::find_if(host.gpus.begin(), host.gpus.end(),
                                [&](const Gpu& one) { return one.pci_address == pci_address; });
  if (pci_address.empty() || gpu == host.gpus.end() || !gpu->numa_node) return places;
  int farthest = 0;
  for (const NumaNode& node : host.numa_nodes) {
    if (node.cpus.empty()) continue;
    const int distance = std::abs(node.index - *gpu->numa_node);
    if (distance == 0) {
      places.near_node = node.index;
      places.near_cpus = node.cpus;
    } else if (distance > farthest) {
      farthest = distance;
      places.far_node = node.index;
      places.far_cpus = node.cpus;
    }
  }
  return places;
}

const Settings& settings_or_default(const std::shared_ptr<const Settings>& settings) {
  static const Settings defaults;
  return settings ? *settings : defaults;
}

std::int64_t burn_interval_ns(const Settings& settings) {
  return std::clamp<std::int64_t>(settings.burn_ns / 100, 50'000'000, 1'000'000'000);
}

std::uint64_t burn_samples(const Settings& settings) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(1, settings.burn_ns / burn_interval_ns(settings)));
}

}  // namespace fabricheck::node::gpu
