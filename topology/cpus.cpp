// CPU lists and CPU affinity.
#include <fmt/format.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>

#include "core/error.hpp"
#include "topology/probe.hpp"
#include "topology/sysfs.hpp"

namespace fabricheck::topology {
namespace {

/// Far above any machine; keeps "0-4000000000" from filling the memory.
constexpr long kLargestCpu = 65535;

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

[[noreturn]] void refuse(const std::string& list) {
  throw Error(fmt::format("CPU list {}: write it as in 0-3,8", in_quotes(list)));
}

long parse_cpu(std::string_view text, const std::string& list) {
  const auto cpu = parse_number(text);
  if (!cpu || *cpu < 0 || *cpu > kLargestCpu || text.front() == '-') refuse(list);
  return *cpu;
}

}  // namespace

std::vector<int> parse_cpu_list(const std::string& list) {
  std::vector<int> cpus;
  if (list.empty()) return cpus;
  std::string_view rest = list;
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    const std::string_view part = rest.substr(0, comma);
    if (more) rest.remove_prefix(comma + 1);
    const std::size_t dash = part.find('-');
    const long first = parse_cpu(part.substr(0, dash), list);
    const long last = dash == std::string_view::npos ? first : parse_cpu(part.substr(dash + 1), list);
    if (last < first) refuse(list);
    for (long cpu = first; cpu <= last; ++cpu) cpus.push_back(static_cast<int>(cpu));
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string format_cpu_list(const std::vector<int>& cpus) {
  std::vector<int> sorted = cpus;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::string list;
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t last = first;
    while (last + 1 < sorted.size() && sorted[last + 1] == sorted[last] + 1) ++last;
    if (!list.empty()) list += ',';
    list +=
        last == first ? fmt::format("{}", sorted[first]) : fmt::format("{}-{}", sorted[first], sorted[last]);
    first = last + 1;
  }
  return list;
}

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
  throw Error(fmt::format("CPU affinity: sched_getaffinity: {}", std::generic_category().message(errno)));
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
                            std::generic_category().message(errno), allowed_cpus()));
  };
  bind(0);
  // Threads that are there already (of MPI, say) keep their own affinity otherwise.
  std::string why;
  for (const auto& name : folder_entries("/proc/self/task", why).value_or(std::vector<std::string>{})) {
    if (const auto thread = parse_number(name)) bind(static_cast<pid_t>(*thread));
  }
}

}  // namespace fabricheck::topology
