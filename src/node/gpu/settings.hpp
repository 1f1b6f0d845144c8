// What the checks of one GPU need to know beside the GPU itself.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/topology_record.hpp"
#include "node/gpu/monitor.hpp"
#include "node/gpu/multiplier.hpp"

namespace fabricheck::node::gpu {

/// CPUs of a host as its GPU sees them, Linux list form ("0-15,32-47"). Empty: not known, or there are none.
struct NumaPlaces {
  int near_node{-1};
  std::string near_cpus;
  int far_node{-1};
  std::string far_cpus;   ///< of one NUMA node that is not the GPU's
  bool is_uniform{true};  ///< no more than one NUMA node has CPUs: all memory is near
};

/// The GPU's NUMA node and the one that is farthest from it by number, of those with CPUs. Pure.
NumaPlaces numa_places(const Host& host, const std::string& pci_address);

/// Filled after discovery; rows hold a pointer to it and look when they make an operation.
struct Settings {
  NumaPlaces numa;
  std::int64_t burn_ns{20'000'000'000};  ///< --burn
  std::uint64_t gemm_size{8192};         ///< m = n = k, a multiple of 16
  std::uint64_t hbm_bytes{std::uint64_t{1} << 30};
  std::uint64_t host_bytes{std::uint64_t{64} << 20};
  OpenMonitor open_monitor;                                             ///< empty: nothing is monitored
  std::function<std::unique_ptr<Multiplier>()> open{&open_multiplier};  ///< another one in tests
};

/// What `settings` holds, or what a default one would.
const Settings& settings_or_default(const std::shared_ptr<const Settings>& settings);

/// How long one sample of gpu.burn.rate lasts, and how many of them the burn is.
std::int64_t burn_interval_ns(const Settings& settings);
std::uint64_t burn_samples(const Settings& settings);

}  // namespace fabricheck::node::gpu
