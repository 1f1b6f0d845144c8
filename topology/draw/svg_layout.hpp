// Where the devices of a host go on the page. Private to this folder.
#pragma once

#include <vector>

#include "topology/draw/arrange.hpp"
#include "topology/draw/svg_canvas.hpp"

namespace fabricheck::topology {

struct PlacedDevice {
  bool gpu{};
  std::size_t index{};
  Box box;
};
struct PlacedSwitch {
  const PciNode* node{};
  bool below_devices{};
  Box box;
};
struct PlacedNuma {
  const NumaBox* numa{};
  Box box;
};

struct HostLayout {
  std::vector<PlacedNuma> numa_nodes;
  std::vector<PlacedSwitch> switches;  ///< outer ones first
  std::vector<PlacedDevice> devices;
  double bottom{};
  bool one_row{};  ///< every GPU is at the bottom: lines can be drawn from all of them
};

struct TileHeights {
  double gpu{};
  double nic{};
};

inline constexpr double kBoxHeader = 20;

/// Fills the page's width from (left, top) on. NICs are above GPUs; GPUs stand at the bottom of their box.
HostLayout lay_out(const std::vector<NumaBox>& boxes, TileHeights heights, double left, double top,
                   double width);

}  // namespace fabricheck::topology
