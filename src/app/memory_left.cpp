#include "app/memory_left.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>

namespace fabricheck::app {
namespace {

namespace fs = std::filesystem;

std::optional<std::uint64_t> number_in(const fs::path& file) {
  std::ifstream in(file);
  std::uint64_t value = 0;
  if (!(in >> value)) return std::nullopt;  // "max" too: no limit
  return value;
}

std::optional<std::uint64_t> available(const fs::path& root) {
  std::ifstream in(root / "proc/meminfo");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key;
    std::uint64_t kib = 0;
    if (words >> key >> kib && key == "MemAvailable:") return kib * 1024;
  }
  return std::nullopt;
}

/// The tightest limit on the way from this process's control group to the root of the hierarchy.
std::optional<std::uint64_t> left_in_cgroup(const fs::path& root) {
  std::ifstream in(root / "proc/self/cgroup");
  std::optional<std::uint64_t> least;
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::", 0) != 0) continue;
    const fs::path mount = root / "sys/fs/cgroup";
    for (fs::path group = fs::path(line.substr(3)).relative_path();; group = group.parent_path()) {
      const auto limit = number_in(mount / group / "memory.max");
      const auto used = number_in(mount / group / "memory.current");
      if (limit && used)
        least = std::min(least.value_or(std::numeric_limits<std::uint64_t>::max()),
                         *limit - std::min(*limit, *used));
      if (group.empty()) break;
    }
  }
  return least;
}

}  // namespace

std::uint64_t memory_left_bytes(const std::string& root) {
  const auto whole = available(root);
  if (!whole) return 0;
  // One byte where nothing is left: zero says that it is not known.
  return std::max<std::uint64_t>(1, std::min(*whole, left_in_cgroup(root).value_or(*whole)) / 5 * 4);
}

}  // namespace fabricheck::app
