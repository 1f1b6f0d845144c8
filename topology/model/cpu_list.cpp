#include "topology/model/cpu_list.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "core/error.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

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

}  // namespace fabricheck::topology
