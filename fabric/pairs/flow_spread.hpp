// Whether all flows between two ports get the same, or some share a path with others. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

namespace fabricheck::fabric {

/// A flow below this share of the best one is slow: two flows on one link get half each, and less than that
/// is noise.
inline constexpr double slow_flow_share = 0.8;
/// Fewer figures of a flow say nothing of it.
inline constexpr std::size_t min_flow_figures = 8;

struct FlowSpread {
  std::vector<double> medians;    ///< of each flow, in the unit of the figures
  std::vector<std::size_t> slow;  ///< flows that are surely slower than the best one
  double best{};
  double worst{};
  /// Some flows are slow and others are not: what differs between them is the path that the network chose by
  /// their headers (ECMP), for the ports, the cables at them and the hosts are the same.
  bool is_collision() const { return !slow.empty(); }
};

/// `figures[f]` are bandwidths of flow f, measured in turn with the other flows. A flow is slow where its
/// median is below slow_flow_share of the best median and its upper quartile below the best flow's lower one,
/// so that figures that scatter are no collision. nullopt with fewer than two flows or too few figures.
std::optional<FlowSpread> judge_flows(const std::vector<std::vector<double>>& figures);

}  // namespace fabricheck::fabric
