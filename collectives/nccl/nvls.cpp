#include "collectives/nccl/nvls.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace fabricheck::collectives::nccl {
namespace {

/// As strtok does: nothing between two separators is no part.
std::vector<std::string_view> parts_of(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::string_view part = text.substr(0, text.find(separator));
    text.remove_prefix(std::min(part.size() + 1, text.size()));
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

bool is_same(std::string_view a, std::string_view b) {
  const auto alike = [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), alike);
}

/// Whether "ring,nvls", "^tree", or "ring;allreduce:nvls" allows `name` for all-reduces.
bool allows(std::string_view lists, std::string_view name) {
  bool allowed = true;
  for (const std::string_view list : parts_of(lists, ';')) {
    const std::vector<std::string_view> halves = parts_of(list, ':');
    if (halves.empty() || (halves.size() > 1 && !is_same(halves[0], "allreduce"))) continue;
    std::string_view names = halves[std::min<std::size_t>(halves.size() - 1, 1)];
    const bool excludes = names.starts_with('^');
    if (excludes) names.remove_prefix(1);
    const std::vector<std::string_view> all = parts_of(names, ',');
    const bool is_named =
        std::any_of(all.begin(), all.end(), [&](std::string_view one) { return is_same(one, name); });
    allowed = is_named != excludes;
  }
  return allowed;
}

}  // namespace

bool may_use_nvls(const Environment& environment) {
  const std::string enable = environment("NCCL_NVLS_ENABLE").value_or("");
  if (!enable.empty() && std::strtoll(enable.c_str(), nullptr, 0) == 0) return false;
  // NVLSTree is of several nodes, and NVLS knows no protocol but Simple.
  return allows(environment("NCCL_ALGO").value_or(""), "NVLS") &&
         allows(environment("NCCL_PROTO").value_or(""), "Simple");
}

}  // namespace fabricheck::collectives::nccl
