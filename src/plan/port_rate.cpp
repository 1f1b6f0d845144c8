#include "plan/port_rate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace fabricheck::plan {
namespace {

constexpr double bits_per_byte = 8.0;

struct SeenRate {
  double port_Gbps;
  double seen_Gbps;
  const char* where;
};

// Large messages one way between two hosts, host memory. Loopbacks on one host are left out: they tell
// nothing of a network.
constexpr std::array seen_rates{
    SeenRate{25, 22.7, "ConnectX-5 to ConnectX-6, RoCE v2 with an MTU of 1024 B"},
    SeenRate{100, 98.4, "InfiniBand EDR, linux-rdma/perftest issue #225"},
    SeenRate{200, 196.5, "ConnectX-6 InfiniBand HDR, Azure/aks-rdma-infiniband tests/expected-output.md"},
    SeenRate{400, 392.0, "ConnectX-7 RoCE v2, NVIDIA/nccl issue #2409"},
};

}  // namespace

std::string seen_of_ports(double port_rate_Gbps) {
  constexpr double same = 0.02;
  const auto seen = std::find_if(seen_rates.begin(), seen_rates.end(), [&](const SeenRate& one) {
    return std::abs(one.port_Gbps - port_rate_Gbps) <= same * one.port_Gbps;
  });
  if (seen == seen_rates.end()) return "";
  return fmt::format("good ones reach {:g} Gb/s ({})", seen->seen_Gbps, seen->where);
}

Target port_rate_target(double rate_GBps, bool behind_pcie, int shared_by) {
  Target target;
  target.comparison = Comparison::at_least;
  target.value = port_rate_share * rate_GBps;
  target.unit = "GB/s";
  target.origin = "built in";
  const double rate_Gbps = bits_per_byte * rate_GBps;
  if (shared_by > 1) {
    target.source = fmt::format(
        "{:.0f} % of {:.4g} Gb/s, this port's share of what {} while {} measure over it at the same time",
        100.0 * port_rate_share, rate_Gbps,
        behind_pcie ? "the NIC's PCIe link carries" : "the physical port behind several functions gives",
        shared_by);
    return target;
  }
  if (behind_pcie) {
    target.source = fmt::format(
        "{:.0f} % of the {:.4g} Gb/s that the NIC's PCIe link carries, which is slower than its port",
        100.0 * port_rate_share, rate_Gbps);
    return target;
  }
  const std::string seen = seen_of_ports(rate_Gbps);
  target.source = fmt::format(
      "{:.0f} % of the port's {:g} Gb/s (Mellanox/ngc_multinode_perf: \"Pass criterion is 90% of the port "
      "link "
      "speed\"){}{}",
      100.0 * port_rate_share, rate_Gbps, seen.empty() ? "" : "; ", seen);
  return target;
}

}  // namespace fabricheck::plan
