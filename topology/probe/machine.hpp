// CPUs and memory of a host: hwloc on the live machine, sysfs on a recorded one.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

struct Machine {
  int cores{};
  int hardware_threads{};
  std::vector<NumaNode> numa_nodes;
  bool operator==(const Machine&) const = default;
};

/// The live machine, CPUs outside this process's cpuset included. Nothing, with the reason in `why`, when
/// hwloc fails or was told by its environment variables to describe another machine.
std::optional<Machine> machine_from_hwloc(std::string& why);

/// The machine below `sysroot`; what is missing is 0 or empty, with a sentence in `unknown`.
Machine machine_from_sysfs(const std::string& sysroot, std::vector<std::string>& unknown);

/// The CPU model as the kernel names it; on Arm, which has no name, the core's.
std::string cpu_model(const std::string& sysroot, std::vector<std::string>& unknown);

}  // namespace fabricheck::topology
