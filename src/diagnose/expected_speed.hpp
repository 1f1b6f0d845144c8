// How fast an all-reduce can be at best on a given topology. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::diagnose {

/// Bounds on the bus bandwidth of all-reduce as nccl-tests define it, in 10^9 B/s.
///
/// Each of n ranks holds S bytes; busbw = S/t * 2(n-1)/n.
/// A ring moves 2(n-1)/n * S over each of its links, so that busbw is at most the speed of its slowest link;
/// several rings share the NICs of a node, of which together `network` bytes per second leave it, and the
/// links of a GPU: ring = min(network, inside). On two nodes a double binary tree moves only S out of each
/// node (half of the data up in one tree, the other half down in the other), so tree = min(network *
/// 2(n-1)/n, inside); with more nodes inner nodes send twice, and tree = ring. Inside one node with NVLink
/// SHARP the switch adds up: each GPU sends S for the others to add and S/n of results, so that
/// nvls = inside * 2(n-1)/n / (1 + 1/n).
struct SpeedBound {
  std::optional<double> network_GBps;  ///< of a node's NICs together, one way; unset: one node or not known
  std::optional<double> inside_GBps;   ///< of a GPU's NVLinks, or its PCIe link, one way; unset: not known
  double ring_GBps{};
  double best_GBps{};  ///< of the algorithms that NCCL may choose
  std::string words;   ///< where the figures come from
};

/// For `nodes` hosts like this one with all of its GPUs; nothing where the topology does not tell enough.
std::optional<SpeedBound> all_reduce_bound(const Host& host, int nodes);

}  // namespace fabricheck::diagnose
