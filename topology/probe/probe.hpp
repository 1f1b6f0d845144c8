// What one host has. No MPI, no CUDA; every probe takes a root folder so that a recorded machine is a live
// one.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

struct ProbeOptions {
  std::string sysroot{"/"};  ///< "/" is the live machine
  std::string host_name;     ///< empty: gethostname(), or the name that a recorded machine holds
  /// What dlopen is asked for; empty: do not ask. A recorded machine is asked only with an absolute path.
  std::string nvml_library{"libnvidia-ml.so.1"};
  std::chrono::milliseconds nvml_deadline{120'000};  ///< after it NVML counts as not answering
  /// And after this for one call of it, until a GPU is done. Without the persistence daemon each GPU takes
  /// 1 to 3 s to start (NVIDIA Driver Persistence, "Background"), and one call may start all eight.
  std::chrono::milliseconds nvml_start{45'000};
  std::chrono::milliseconds nvml_silence{10'000};  ///< for one call after that
  /// Ask NVML only whether each GPU works and is whole: for those who have no time.
  bool brief{};
  /// Called with the name of each RDMA device before it is read, and with none after the last: a dead one may
  /// never come back.
  std::function<void(const std::string&)> at;
  /// Called with the process (id and start, as in process::ProcessId) that asks NVML, before its answer is
  /// waited for.
  std::function<void(std::int64_t, std::uint64_t)> asking;
  /// Called with it where it outlived SIGKILL.
  std::function<void(std::int64_t, std::uint64_t)> left_behind;
};

/// Everything; never throws for what is missing, which goes to Host::unknown. Without GPU at most about 50
/// ms.
Host probe_host(const ProbeOptions& options);

/// RDMA devices, ports and GIDs from `sysroot`/sys/class/infiniband; unreadable entries are added to
/// `unknown`.
std::vector<RdmaDevice> probe_rdma(const std::string& sysroot, std::vector<std::string>& unknown,
                                   const std::function<void(const std::string&)>& at = {});

/// GPUs by NVML opened at run time; a GPU that PCI shows and NVML does not answer for is listed with status
/// "not answering", "state not known" where that says nothing of the GPU (the library lacks, or fails in
/// another way than by a lost GPU), or "not asked" where the options say that NVML is not to be asked. NVML
/// runs in a forked child, so call this before MPI_Init and before memory is registered with a NIC.
void probe_gpus(const ProbeOptions& options, Host& host);

/// The CPUs this process may run on, Linux list form ("0-3,8").
std::string allowed_cpus();

/// Restricts every thread of this process to the CPUs of `cpus` (Linux list form). Throws Error when the list
/// is empty or the kernel refuses; CPUs outside the process's cpuset are left out by the kernel (see
/// allowed_cpus()).
void bind_to_cpus(const std::string& cpus);

}  // namespace fabricheck::topology
