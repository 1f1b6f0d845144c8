#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <set>
#include <string_view>

#include "core/error.hpp"
#include "topology/model/cpu_list.hpp"
#include "topology/probe/machine.hpp"
#include "topology/probe/probe.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

/// A file in Linux list form; a sentence and nothing when it is missing or something else.
std::optional<std::vector<int>> read_cpu_list(const fs::path& file, std::string_view what,
                                              std::vector<std::string>& unknown) {
  std::string why;
  const auto text = read_text(file, why);
  if (!text) {
    unknown.push_back(fmt::format("{}: {} cannot be read ({})", what, file.string(), why));
    return std::nullopt;
  }
  try {
    return parse_cpu_list(*text);
  } catch (const Error& error) {
    unknown.push_back(fmt::format("{}: {} is not a CPU list: {}", what, file.string(), error.what()));
    return std::nullopt;
  }
}

/// "Node 0 MemTotal:  4286676 kB" and "MemTotal:  4286676 kB".
std::optional<std::uint64_t> mem_total_bytes(const fs::path& file, std::vector<std::string>& unknown) {
  std::string why;
  const auto text = read_text(file, why);
  if (!text) {
    unknown.push_back(fmt::format("memory: {} cannot be read ({})", file.string(), why));
    return std::nullopt;
  }
  constexpr std::string_view key = "MemTotal:";
  const std::size_t at = text->find(key);
  if (at != std::string::npos) {
    std::string_view rest = std::string_view(*text).substr(at + key.size());
    rest = rest.substr(0, rest.find('\n'));
    const std::size_t first = rest.find_first_not_of(' ');
    const std::size_t unit = rest.find(" kB");
    if (first != std::string_view::npos && unit != std::string_view::npos && unit > first) {
      const auto kibibytes = parse_number(rest.substr(first, unit - first));
      if (kibibytes && *kibibytes >= 0 && *kibibytes <= std::numeric_limits<long>::max() / 1024) {
        return static_cast<std::uint64_t>(*kibibytes) * 1024;
      }
    }
  }
  unknown.push_back(fmt::format("memory: {} has no line 'MemTotal: … kB'", file.string()));
  return std::nullopt;
}

int count_cores(const fs::path& folder, const std::vector<int>& cpus, std::vector<std::string>& unknown) {
  std::set<std::string> cores;  // one entry per group of sibling threads
  for (const int cpu : cpus) {
    const fs::path topology = folder / fmt::format("cpu{}", cpu) / "topology";
    std::string why;
    auto siblings = read_text(topology / "core_cpus_list", why);
    if (!siblings) siblings = read_text(topology / "thread_siblings_list", why);
    if (!siblings || siblings->empty()) {
      unknown.push_back(fmt::format("CPU cores: {} cannot be read ({}), so their number is not known",
                                    (topology / "thread_siblings_list").string(),
                                    siblings ? "it is empty" : why));
      return 0;
    }
    cores.insert(*siblings);
  }
  return static_cast<int>(cores.size());
}

std::vector<NumaNode> numa_nodes(const fs::path& root, const std::vector<int>& online,
                                 std::vector<std::string>& unknown) {
  std::vector<NumaNode> nodes;
  const fs::path folder = root / "sys/devices/system/node";
  std::string why;
  const auto names = folder_entries(folder, why);
  for (const auto& name : names.value_or(std::vector<std::string>{})) {
    if (name.substr(0, 4) != "node") continue;
    const auto index = parse_number(std::string_view(name).substr(4));
    if (!index || *index < 0 || *index > std::numeric_limits<int>::max()) continue;
    const auto cpus = read_cpu_list(folder / name / "cpulist", "NUMA", unknown);
    const auto memory_bytes = mem_total_bytes(folder / name / "meminfo", unknown);
    // Some platforms reserve nodes for memory that GPUs may bring later: neither CPUs nor memory.
    if (cpus && cpus->empty() && memory_bytes == 0U) continue;
    nodes.push_back({static_cast<int>(*index), cpus ? format_cpu_list(*cpus) : "", memory_bytes.value_or(0)});
  }
  if (nodes.empty()) {
    // A kernel without NUMA: one node that is the machine.
    const auto memory_bytes = mem_total_bytes(root / "proc/meminfo", unknown);
    if (memory_bytes || !online.empty()) {
      nodes.push_back({0, format_cpu_list(online), memory_bytes.value_or(0)});
    }
  }
  return nodes;
}

/// The text behind `key` and a colon in /proc/cpuinfo.
std::string cpuinfo_value(std::string_view text, std::string_view key) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = text.substr(at, end - at);
    at = end + 1;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos || line.substr(0, key.size()) != key) continue;
    if (line.substr(key.size(), colon - key.size()).find_first_not_of(" \t") != std::string_view::npos)
      continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string_view::npos ? std::string{} : std::string(line.substr(value));
  }
  return {};
}

struct ArmCore {
  std::string_view part;
  std::string_view name;
};
/// Server cores of implementer 0x41 (Arm): Graviton 2 and Altra, Graviton 3, Grace and Graviton 4, Cobalt.
constexpr std::array kArmCores{ArmCore{"0xd0c", "Arm Neoverse-N1"}, ArmCore{"0xd40", "Arm Neoverse-V1"},
                               ArmCore{"0xd4f", "Arm Neoverse-V2"}, ArmCore{"0xd49", "Arm Neoverse-N2"}};

}  // namespace

Machine machine_from_sysfs(const std::string& sysroot, std::vector<std::string>& unknown) {
  const fs::path root(sysroot);
  const fs::path cpu_folder = root / "sys/devices/system/cpu";
  Machine machine;
  const auto online = read_cpu_list(cpu_folder / "online", "CPUs", unknown);
  if (online) {
    machine.hardware_threads = static_cast<int>(online->size());
    machine.cores = count_cores(cpu_folder, *online, unknown);
  }
  machine.numa_nodes = numa_nodes(root, online.value_or(std::vector<int>{}), unknown);
  return machine;
}

std::string cpu_model(const std::string& sysroot, std::vector<std::string>& unknown) {
  const fs::path file = fs::path(sysroot) / "proc/cpuinfo";
  std::string why;
  // The first processor is enough, and the kernel makes only what is read of this file.
  const auto text = read_text(file, why, 8192);
  if (!text) {
    unknown.push_back(fmt::format("CPU model: {} cannot be read ({})", file.string(), why));
    return {};
  }
  if (std::string name = cpuinfo_value(*text, "model name"); !name.empty()) return name;
  const std::string implementer = cpuinfo_value(*text, "CPU implementer");
  const std::string part = cpuinfo_value(*text, "CPU part");
  if (implementer.empty() || part.empty()) {
    unknown.push_back(fmt::format("CPU model: {} names none", file.string()));
    return {};
  }
  for (const auto& core : kArmCores) {
    if (implementer == "0x41" && part == core.part) return std::string(core.name);
  }
  return fmt::format("CPU implementer {} part {}", implementer, part);
}

}  // namespace fabricheck::topology
