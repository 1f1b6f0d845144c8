// CPU affinity.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "core/descriptor.hpp"
#include "core/error.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

struct CpuSetDeleter {
  void operator()(cpu_set_t* set) const { CPU_FREE(set); }
};

/// A cpu_set_t for `capacity` CPUs; the fixed one ends at 1024.
struct CpuSet {
  explicit CpuSet(int capacity)
      : set{CPU_ALLOC(static_cast<std::size_t>(capacity))},
        bytes{CPU_ALLOC_SIZE(static_cast<std::size_t>(capacity))} {
    if (set == nullptr) throw Error("CPU affinity: no memory for a CPU set");
    CPU_ZERO_S(bytes, set.get());
  }
  std::unique_ptr<cpu_set_t, CpuSetDeleter> set;
  std::size_t bytes;
};

}  // namespace

std::string allowed_cpus() {
  // The kernel answers EINVAL while the set is smaller than its own.
  for (int capacity = 1024; capacity <= kLargestCpu + 1; capacity *= 2) {
    CpuSet allowed(capacity);
    if (::sched_getaffinity(0, allowed.bytes, allowed.set.get()) == 0) {
      std::vector<int> cpus;
      for (int cpu = 0; cpu < capacity; ++cpu) {
        if (CPU_ISSET_S(static_cast<std::size_t>(cpu), allowed.bytes, allowed.set.get())) cpus.push_back(cpu);
      }
      return format_cpu_list(cpus);
    }
    if (errno != EINVAL) break;
  }
  throw Error(fmt::format("CPU affinity: sched_getaffinity: {}", system_reason(errno)));
}

void bind_to_cpus(const std::string& cpus) {
  const std::vector<int> list = parse_cpu_list(cpus);
  if (list.empty()) throw Error("CPU affinity: the list of CPUs to run on is empty; write it as in 0-3,8");
  CpuSet wanted(std::max(1024, list.back() + 1));
  for (const int cpu : list) CPU_SET_S(static_cast<std::size_t>(cpu), wanted.bytes, wanted.set.get());

  const auto bind = [&](pid_t thread) {
    if (::sched_setaffinity(thread, wanted.bytes, wanted.set.get()) == 0) return;
    if (thread != 0 && errno == ESRCH) return;  // ended in the meantime
    throw Error(fmt::format("CPU affinity: the kernel refuses CPUs {} ({}); allowed are {}", cpus,
                            system_reason(errno), allowed_cpus()));
  };
  bind(0);
  // Threads that are there already (of MPI, say) keep their own affinity otherwise.
  std::string why;
  for (const auto& name : folder_entries("/proc/self/task", why).value_or(std::vector<std::string>{})) {
    if (const auto thread = parse_number(name)) bind(static_cast<pid_t>(*thread));
  }
}

}  // namespace fabricheck::topology
