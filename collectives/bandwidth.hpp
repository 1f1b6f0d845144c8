// From bytes and time to figures: pure formulas, derived in prose.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace fabricheck::collectives {

/// algbw = S / t: bytes of the operation over its time, GB/s with GB = 1e9 B.
inline double algbw_GBps(std::uint64_t bytes, double time_us) {
  return static_cast<double>(bytes) / time_us / 1000.0;
}

// What S is (nccl-tests, doc/PERFORMANCE.md and the GetCollByteCount and GetBw of each test):
//
//   broadcast, reduce, all-reduce, send/receive   the buffer of one rank
//   all-gather                                    the whole output of one rank
//   reduce-scatter                                the whole input of one rank
//   all-to-all                                    all that one rank sends, its own share included
//   gather, scatter                               the whole at the root

/// Payload of a collective without shares: whole elements.
inline std::uint64_t whole_elements(std::uint64_t bytes, int ranks, std::size_t element_bytes) {
  (void)ranks;
  return bytes / element_bytes * element_bytes;
}

/// Payload of a collective with one equal share per rank: the largest one of whole elements; 0 where there
/// are fewer elements than ranks.
inline std::uint64_t equal_shares(std::uint64_t bytes, int ranks, std::size_t element_bytes) {
  const std::uint64_t one_each = static_cast<std::uint64_t>(ranks) * element_bytes;
  return bytes / one_each * one_each;
}

/// Payload of an all-to-all with unequal shares: whole elements, at least one for every rank.
inline std::uint64_t unequal_shares(std::uint64_t bytes, int ranks, std::size_t element_bytes) {
  return bytes / element_bytes < static_cast<std::uint64_t>(ranks)
             ? 0
             : whole_elements(bytes, ranks, element_bytes);
}

/// The unequal shares of an all-to-all weigh 1, 2, 3, 1, 2, 3, … parts: the parts of the first `shares`.
inline std::uint64_t unequal_parts(int shares) {
  const auto all = static_cast<std::uint64_t>(shares), rest = all % 3;
  return all / 3 * 6 + (rest == 0 ? 0 : 2 * rest - 1);
}

/// Where the unequal share `k` of `elements` begins; k = ranks: where the last one ends. All elements are
/// used; where there are fewer than parts, some shares are empty.
inline std::uint64_t unequal_share_begin(std::uint64_t elements, int ranks, int k) {
  const std::uint64_t all = unequal_parts(ranks), before = unequal_parts(k);
  return elements / all * before + elements % all * before / all;
}

// busbw = algbw * factor makes the figure comparable with the speed of the links, whatever the number of
// ranks: factor = (bytes that the busiest rank's link must carry one way) / S. All but the all-to-all with
// unequal shares are defined by nccl-tests.

/// All-reduce of S bytes over n ranks. Each of the S/n pieces must be summed from n contributions, so n-1 of
/// them travel once to where the sum is made, and the sum travels n-1 times: 2(n-1) transfers of S/n, spread
/// over n links: 2(n-1)/n.
inline double allreduce_bus_factor(int ranks) { return 2.0 * (ranks - 1) / ranks; }

/// Reduce-scatter is the first half of that: n-1 contributions to each of n pieces of S/n travel, over n
/// links: (n-1)/n.
inline double reduce_scatter_bus_factor(int ranks) { return 1.0 * (ranks - 1) / ranks; }

/// All-gather is the second half: each rank gets the n-1 pieces of S/n that it does not have: (n-1)/n.
inline double allgather_bus_factor(int ranks) { return 1.0 * (ranks - 1) / ranks; }

/// Broadcast: every byte leaves the root once, so the root's link bounds it: 1.
inline double broadcast_bus_factor(int ranks) {
  (void)ranks;
  return 1.0;
}

/// Reduce: the broadcast backwards; the root's link must receive S bytes at least: 1.
inline double reduce_bus_factor(int ranks) {
  (void)ranks;
  return 1.0;
}

/// Gather: the root has its own S/n and gets the other n-1 through its one link: (n-1)/n.
inline double gather_bus_factor(int ranks) { return 1.0 * (ranks - 1) / ranks; }

/// Scatter: the gather backwards: (n-1)/n.
inline double scatter_bus_factor(int ranks) { return 1.0 * (ranks - 1) / ranks; }

/// All-to-all: of the S bytes that a rank sends it keeps S/n: (n-1)/n.
inline double alltoall_bus_factor(int ranks) { return 1.0 * (ranks - 1) / ranks; }

/// All-to-all with unequal shares: rank i sends share (i + j) mod n to rank j, and keeps share 2i mod n. Rank
/// 0 keeps share 0, which weighs 1 of all W parts and is the least that any rank keeps, so its link bounds
/// it: 1 - 1/W.
inline double alltoallv_bus_factor(int ranks) {
  return 1.0 - 1.0 / static_cast<double>(unequal_parts(ranks));
}

/// Send to the right, receive from the left: every link carries the S bytes of its rank: 1.
inline double sendrecv_bus_factor(int ranks) {
  (void)ranks;
  return 1.0;
}

/// How much of a non-blocking operation runs while its ranks compute, in percent. `time_us` is from posting
/// to the end of the wait, with `compute_us` of work between, and `pure_us` the operation's time without
/// work. What the operation adds to the work is time - compute: nothing with full overlap, all of pure_us
/// with none, so overlap = 100 (1 - (time - compute) / pure), cut to 0..100.
///
/// Source: OSU micro-benchmarks, osu_iallreduce and the other non-blocking collectives ("Overlap(%)").
inline double overlap_percent(double time_us, double compute_us, double pure_us) {
  if (!(pure_us > 0.0)) return 0.0;
  return std::clamp(100.0 * (1.0 - (time_us - compute_us) / pure_us), 0.0, 100.0);
}

}  // namespace fabricheck::collectives
