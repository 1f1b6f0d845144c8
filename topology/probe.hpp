// What one host has. No MPI, no CUDA; every probe takes a root folder so that a recorded machine is a live one.
#pragma once

#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

struct ProbeOptions {
  std::string sysroot{"/"};       ///< "/" is the live machine
  std::string host_name;          ///< empty: gethostname()
  std::string nvml_library{"libnvidia-ml.so.1"};  ///< what dlopen is asked for; empty: do not ask
};

/// Everything; never throws for what is missing, which goes to Host::unknown. Without GPU at most about 50 ms.
Host probe_host(const ProbeOptions& options);

/// RDMA devices, ports and GIDs from `sysroot`/sys/class/infiniband; unreadable entries are added to `unknown`.
std::vector<RdmaDevice> probe_rdma(const std::string& sysroot, std::vector<std::string>& unknown);

/// GPUs by NVML opened at run time; a GPU that PCI shows and NVML does not answer for is listed with name "not answering".
void probe_gpus(const ProbeOptions& options, Host& host);

/// The CPUs this process may run on, Linux list form ("0-3,8").
std::string allowed_cpus();

/// Restricts this process to the CPUs of `cpus` (Linux list form). Throws Error when the kernel refuses.
void bind_to_cpus(const std::string& cpus);

/// Parses "0-3,8" to {0,1,2,3,8}. Throws Error on anything else.
std::vector<int> parse_cpu_list(const std::string& list);
std::string format_cpu_list(const std::vector<int>& cpus);

/// The tree people read: hosts (equal ones folded), NUMA nodes, GPUs, NICs, and what could not be found out.
std::string draw_tree(const ClusterTopology& topology);

}  // namespace fabricheck::topology
