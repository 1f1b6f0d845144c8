#include <hwloc.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>

#include "core/descriptor.hpp"
#include "topology/probe/machine.hpp"

namespace fabricheck::topology {
namespace {

/// hwloc opens every plugin that is installed when it starts, and with them OpenCL, X11 and CUDA, which take
/// seconds on a GPU node. Only the environment can stop it, and it may be changed only while there is one
/// thread: hence before main.
const bool plugins_kept_out = [] {
  std::string list =
      "hwloc_opencl,hwloc_gl,hwloc_cuda,hwloc_nvml,hwloc_rsmi,hwloc_levelzero,hwloc_pci,hwloc_xml_libxml";
  if (const char* const wish = std::getenv("HWLOC_PLUGINS_BLACKLIST")) list += std::string(",") + wish;
  return ::setenv("HWLOC_PLUGINS_BLACKLIST", list.c_str(), 1) == 0;
}();

struct TopologyDeleter {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};

std::string cpu_list(hwloc_const_bitmap_t set) {
  char* text = nullptr;
  if (set == nullptr || hwloc_bitmap_list_asprintf(&text, set) < 0 || text == nullptr) return {};
  const std::unique_ptr<char, void (*)(void*)> owner(text, std::free);
  return text;
}

}  // namespace

std::optional<Machine> machine_from_hwloc(std::string& why) {
  if (!plugins_kept_out) {
    why = "its plugins could not be kept out";
    return std::nullopt;
  }
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) {
    why = "hwloc_topology_init: " + system_reason(errno);
    return std::nullopt;
  }
  const std::unique_ptr<hwloc_topology, TopologyDeleter> topology(raw);
  // Nothing but cores, threads and NUMA nodes; and no cpuid on every CPU, which moves this thread over all of
  // them.
  hwloc_topology_set_all_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_NONE);
  hwloc_topology_set_type_filter(raw, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
  hwloc_topology_set_flags(raw,
                           HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED | HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING);
  hwloc_topology_set_components(raw, HWLOC_TOPOLOGY_COMPONENTS_FLAG_BLACKLIST, "x86");
  if (hwloc_topology_load(raw) != 0) {
    why = "hwloc_topology_load: " + system_reason(errno);
    return std::nullopt;
  }
  if (hwloc_topology_is_thissystem(raw) == 0) {
    why = "its environment variables (HWLOC_XMLFILE, HWLOC_SYNTHETIC, HWLOC_FSROOT) describe another machine";
    return std::nullopt;
  }
  Machine machine;
  machine.cores = std::max(0, hwloc_get_nbobjs_by_type(raw, HWLOC_OBJ_CORE));
  machine.hardware_threads = std::max(0, hwloc_get_nbobjs_by_type(raw, HWLOC_OBJ_PU));
  hwloc_obj_t node = nullptr;
  while ((node = hwloc_get_next_obj_by_type(raw, HWLOC_OBJ_NUMANODE, node)) != nullptr) {
    machine.numa_nodes.push_back(
        {static_cast<int>(node->os_index), cpu_list(node->cpuset), node->attr->numanode.local_memory});
  }
  std::sort(machine.numa_nodes.begin(), machine.numa_nodes.end(),
            [](const NumaNode& a, const NumaNode& b) { return a.index < b.index; });
  if (machine.hardware_threads == 0 || machine.numa_nodes.empty()) {
    why = "it found no CPU or no memory";
    return std::nullopt;
  }
  return machine;
}

}  // namespace fabricheck::topology
