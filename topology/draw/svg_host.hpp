// The inside of one host as an SVG panel. Private to this folder.
#pragma once

#include "topology/draw/groups.hpp"
#include "topology/draw/svg_canvas.hpp"

namespace fabricheck::topology {

inline constexpr double kPageWidth = 1200;
inline constexpr double kMargin = 20;
inline constexpr double kInnerWidth = kPageWidth - 2 * kMargin;

/// Draws the group's example from y on and gives the y below it back.
double draw_host_panel(SvgCanvas& canvas, const ClusterTopology& cluster, const Group& group,
                       const Host* usual, double y);

}  // namespace fabricheck::topology
