#include "topology/probe/environment.hpp"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <limits>
#include <system_error>

#include "core/descriptor.hpp"
#include "topology/probe/sysfs.hpp"

namespace fabricheck::topology {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

bool is_there(const fs::path& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::string text_of(const fs::path& file) { return printable(read_text(file).value_or("")); }

/// "NVIDIA DGXH100", and "p5.48xlarge" of a cloud whose product is the instance type.
std::string product(const fs::path& root) {
  std::string vendor = text_of(root / "sys/class/dmi/id/sys_vendor");
  std::string name = text_of(root / "sys/class/dmi/id/product_name");
  if (vendor.empty() || name.empty() || vendor == "Amazon EC2") return name.empty() ? vendor : name;
  if (name.substr(0, vendor.size()) == vendor) return name;
  return vendor + " " + name;
}

std::string cpu_governor(const fs::path& root, std::vector<std::string>& unknown) {
  const fs::path folder = root / "sys/devices/system/cpu/cpufreq";
  std::string why;
  std::map<std::string, int> count;
  int policies = 0;
  for (const auto& name : folder_entries(folder, why).value_or(std::vector<std::string>{})) {
    if (name.substr(0, 6) != "policy") continue;
    ++policies;
    const std::string governor = text_of(folder / name / "scaling_governor");
    if (!governor.empty()) ++count[governor];
  }
  if (policies == 0) return is_there(root / "sys/devices/system/cpu") ? "none" : "";
  if (count.empty()) {
    unknown.push_back(fmt::format("CPU governor: no policy in {} names one", folder.string()));
    return {};
  }
  if (count.size() == 1) return count.begin()->first;
  std::vector<std::pair<int, std::string>> order;
  order.reserve(count.size());
  for (const auto& [name, cpus] : count) order.emplace_back(-cpus, name);
  std::sort(order.begin(), order.end());
  std::string text = "mixed:";
  for (std::size_t i = 0; i < order.size() && i < 4; ++i) {
    text += fmt::format("{} {} {}", i == 0 ? "" : ",", -order[i].first, order[i].second);
  }
  return text;
}

/// "always [madvise] never" is madvise.
std::string chosen_word(const fs::path& file, std::vector<std::string>& unknown) {
  const auto text = read_text(file);
  if (!text) return {};  // a kernel without
  const std::size_t begin = text->find('[');
  const std::size_t end = text->find(']');
  if (begin != std::string::npos && end != std::string::npos && end > begin + 1) {
    return printable(std::string_view(*text).substr(begin + 1, end - begin - 1));
  }
  unknown.push_back(
      fmt::format("kernel: {} reads {}, which chooses nothing", file.string(), in_quotes(*text)));
  return {};
}

/// Folders are named after the size of a page, "hugepages-2048kB".
std::optional<std::uint64_t> hugepages_bytes(const fs::path& root, std::vector<std::string>& unknown) {
  const fs::path folder = root / "sys/kernel/mm/hugepages";
  std::string why;
  const auto names = folder_entries(folder, why);
  if (!names) return std::nullopt;
  std::uint64_t total = 0;
  for (const auto& name : *names) {
    constexpr std::string_view kPrefix = "hugepages-";
    if (name.substr(0, kPrefix.size()) != kPrefix || name.size() < kPrefix.size() + 3) continue;
    const auto size =
        parse_number(std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - 2));
    const auto pages = read_text(folder / name / "nr_hugepages");
    const long count = parse_number(pages.value_or("")).value_or(-1);
    constexpr long kMostPages = 1L << 40;
    constexpr long kMostKibibytes = 1L << 24;  // 16 GiB, the largest page there is
    if (!size || *size < 1 || *size > kMostKibibytes || count < 0 || count > kMostPages / *size * 1024) {
      unknown.push_back(
          fmt::format("hugepages: {} is not a number of pages", (folder / name / "nr_hugepages").string()));
      return std::nullopt;
    }
    total += static_cast<std::uint64_t>(*size) * 1024 * static_cast<std::uint64_t>(count);
  }
  return total;
}

/// Whether the limit does not hold for this process: CAP_IPC_LOCK of the host, not of a user namespace.
bool may_lock_all(const fs::path& root) {
  constexpr std::string_view kLine = "CapEff:";
  constexpr unsigned kIpcLock = 14;
  const std::string status = read_text(root / "proc/self/status").value_or("");
  const std::string map = read_text(root / "proc/self/uid_map").value_or("");
  const auto mapped = words_of(map);
  if (mapped.size() != 3 || mapped[0] != "0" || mapped[1] != "0" || mapped[2] != "4294967295") return false;
  for (const std::string_view line : lines_of(status)) {
    if (line.substr(0, kLine.size()) != kLine) continue;
    const auto words = words_of(line.substr(kLine.size()));
    const auto capabilities = words.empty() ? std::nullopt : parse_number(words[0], 16);
    return capabilities && (static_cast<unsigned long>(*capabilities) >> kIpcLock & 1UL) != 0;
  }
  return false;
}

std::optional<std::uint64_t> memlock_bytes(const std::string& sysroot, std::vector<std::string>& unknown) {
  if (may_lock_all(sysroot)) return kUnlimited;
  if (sysroot == "/") {
    rlimit limit{};
    if (::getrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
      return limit.rlim_cur == RLIM_INFINITY ? kUnlimited
                                             : std::min<std::uint64_t>(limit.rlim_cur, kUnlimited);
    }
    unknown.push_back("memlock: getrlimit: " + system_reason(errno));
    return std::nullopt;
  }
  const fs::path file = fs::path(sysroot) / "proc/self/limits";
  const auto text = read_text(file);
  if (!text) return std::nullopt;
  constexpr std::string_view kName = "Max locked memory";
  for (const std::string_view line : lines_of(*text)) {
    if (line.substr(0, kName.size()) != kName) continue;
    const auto words = words_of(line.substr(kName.size()));
    if (words.empty()) break;
    if (words[0] == "unlimited") return kUnlimited;
    if (const auto bytes = parse_number(words[0]); bytes && *bytes >= 0)
      return static_cast<std::uint64_t>(*bytes);
  }
  unknown.push_back(fmt::format("memlock: {} has no line '{} … bytes'", file.string(), kName));
  return std::nullopt;
}

std::optional<bool> numa_balancing(const fs::path& root) {
  const fs::path folder = root / "proc/sys/kernel";
  if (const auto value = read_index(folder / "numa_balancing")) return *value != 0;
  if (is_there(folder / "numa_balancing") || !is_there(folder)) return std::nullopt;
  return false;  // a kernel without
}

std::map<std::string, std::string> modules(const fs::path& root) {
  constexpr std::array kNames{
      "nvidia",  "nvidia_peermem", "nv_peer_mem", "gdrdrv",  "nvidia_fs", "mlx5_core", "mlx5_ib",
      "ib_core", "ib_uverbs",      "irdma",       "bnxt_re", "efa",       "nvidia_uvm"};
  std::map<std::string, std::string> result;
  for (const char* const name : kNames) {
    const fs::path folder = root / "sys/module" / name;
    if (is_there(folder)) result[name] = text_of(folder / "version");
  }
  return result;
}

}  // namespace

HostEnvironment probe_environment(const std::string& sysroot, std::vector<std::string>& unknown) {
  const fs::path root(sysroot);
  HostEnvironment result;
  result.product = product(root);
  result.bios = text_of(root / "sys/class/dmi/id/bios_version");
  result.hypervisor = hypervisor(sysroot);
  if (result.hypervisor.empty()) {
    unknown.push_back("virtual machine: neither the processor nor the firmware says whether this is one");
  }
  result.container = container(sysroot);
  result.cpu_governor = cpu_governor(root, unknown);
  result.transparent_hugepages = chosen_word(root / "sys/kernel/mm/transparent_hugepage/enabled", unknown);
  result.hugepages_bytes = hugepages_bytes(root, unknown);
  result.memlock_bytes = memlock_bytes(sysroot, unknown);
  result.numa_balancing = numa_balancing(root);
  result.modules = modules(root);
  result.software = libraries(sysroot);
  return result;
}

}  // namespace fabricheck::topology
