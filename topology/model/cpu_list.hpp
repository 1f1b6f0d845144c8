// Linux CPU lists, "0-3,8".
#pragma once

#include <string>
#include <vector>

namespace fabricheck::topology {

/// Far above any machine; keeps "0-4000000000" from filling the memory.
inline constexpr long kLargestCpu = 65535;

/// Parses "0-3,8" to {0,1,2,3,8}, sorted and without repeats; the empty list is what a node without CPUs has.
/// Throws Error on anything else.
std::vector<int> parse_cpu_list(const std::string& list);

/// The Linux list form: {0,1,2,3,8} is "0-3,8".
std::string format_cpu_list(const std::vector<int>& cpus);

}  // namespace fabricheck::topology
