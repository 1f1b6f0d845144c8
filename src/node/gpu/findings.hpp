// What finished checks of GPUs say of single GPUs: the odd one, the throttled one, the one that computes
// something else. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/finding.hpp"
#include "core/run_record.hpp"

namespace fabricheck::node::gpu {

/// How far a GPU may be off its peers' median, as a share of it and in median absolute deviations. What hangs
/// on each chip's clocks (matrix rates: good GPUs of one node were seen to differ by 5 % and more,
/// stas00/ml-engineering, compute/accelerator/README.md) or on where it is plugged in (host copies) may be
/// off by more.
inline constexpr double odd_share = 0.05;
inline constexpr double odd_share_of_places_and_clocks = 0.10;
inline constexpr double odd_deviations = 6.0;
/// So many other GPUs are needed to call one odd. Of three the deviation tells little, so that one of four
/// has to be off by more: our own choice, far above what good chips and places differ by.
inline constexpr std::size_t odd_peers = 4, fewest_odd_peers = 3;
inline constexpr double odd_share_times_of_few = 3.0;
/// A figure of too few samples for an interval has to be so far off: half of what the others have.
inline constexpr double odd_without_interval = 0.5;
/// Where the peers' own median absolute deviation is more than this share of their median, they are no norm.
inline constexpr double odd_spread = 0.05;
/// A GPU that was slowed down in more than this share of the looks is called throttled, where there were at
/// least so many: never for one look alone.
inline constexpr double throttled_percent = 5.0;
inline constexpr double throttled_looks = 20.0;

/// Records of one check, scope and model of GPU are compared with each other, each GPU by the median of its
/// own records; a GPU whose figure is worse than its peers' median by more than max(odd_share, odd_deviations
/// times the MAD), with the whole of its interval, is named: "odd-gpu". Better ones are not. Nothing where
/// more than a third of them would be. Not compared: copies to and from a far NUMA node and latencies of host
/// copies, which tell of the host.
std::vector<Finding> odd_gpus(std::span<const CheckRecord> checks);

/// "gpu-throttled", one for each GPU, from the path of checks that asked it meanwhile: one of them, or all
/// together, for many are too short for so many looks. A GPU at its power limit (sw-power-cap) alone is not
/// throttled.
std::vector<Finding> throttled_gpus(std::span<const CheckRecord> checks);

/// GPUs of one model that multiplied the same numbers by the same algorithm of the same library and got other
/// bits: "gpu-wrong-digest" names each GPU that is not with the majority; of two, or without a majority, the
/// finding says that they differ and accuses none. Compared is the result by the library's first choice,
/// which all equal GPUs have in common, and that by the way that each found fastest.
std::vector<Finding> differing_digests(std::span<const CheckRecord> checks);

/// The checks that differing_digests() explains, with the verdict that this means: FAIL of the GPU that is
/// named, INCONCLUSIVE of all where none is. A check that has failed by itself stays as it is.
std::vector<CheckRecord> judged_by_digests(std::span<const CheckRecord> checks,
                                           std::span<const Finding> findings);

/// All of these.
std::vector<Finding> gpu_findings(std::span<const CheckRecord> checks);

}  // namespace fabricheck::node::gpu
