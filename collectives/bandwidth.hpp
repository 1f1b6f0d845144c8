// From time to bandwidth: pure formulas, derived in prose.
#pragma once

#include <cstdint>

namespace fabricheck::collectives {

/// algbw = S / t: bytes of the operation over its time, GB/s with GB = 1e9 B.
inline double algbw_GBps(std::uint64_t bytes, double time_us) {
  return static_cast<double>(bytes) / time_us / 1000.0;
}

// busbw = algbw * factor makes the figure comparable with the speed of the links, whatever the number of
// ranks (definitions: nccl-tests, doc/PERFORMANCE.md).

/// All-reduce of S bytes over n ranks. Each of the S/n pieces must be summed from n contributions, so n-1 of
/// them travel once to where the sum is made, and the sum travels n-1 times: 2(n-1) transfers of S/n, spread
/// over n links: 2(n-1)/n.
inline double allreduce_bus_factor(int ranks) { return 2.0 * (ranks - 1) / ranks; }

/// Broadcast: every byte leaves the root once, so the root's link bounds it: 1.
inline double broadcast_bus_factor(int ranks) {
  (void)ranks;
  return 1.0;
}

}  // namespace fabricheck::collectives
