// What a pair of ports must carry, and what good ones were seen to. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "core/target.hpp"

namespace fabricheck::plan {

/// A port gives at least this share of its rate (Mellanox/ngc_multinode_perf, README.md: "Pass criterion is
/// 90% of the port link speed").
inline constexpr double port_rate_share = 0.9;
/// From this size on: what several NICs of 400 Gb/s were seen to need with one queue pair.
inline constexpr std::uint64_t port_rate_from_bytes = std::uint64_t{1} << 20;

/// `rate_GBps` is what the slower of two ports carries one way, or its PCIe link where that is slower
/// (`behind_pcie`); `shared_by` is how many measure at the same time over that link, or over that port, where
/// the rate is the share of one of them. Value and unit in GB/s; the source also says what ports of that rate
/// were seen to reach between two hosts, where somebody published it. The caller sets check and bytes.
Target port_rate_target(double rate_GBps, bool behind_pcie, int shared_by = 1);

/// "good ones reach 392 Gb/s (ConnectX-7 RoCE v2, NVIDIA/nccl issue #2409)"; empty where nothing is known of
/// ports with this rate.
std::string seen_of_ports(double port_rate_Gbps);

}  // namespace fabricheck::plan
