#include "topology/model/pcie_rate.hpp"

namespace fabricheck::topology {

std::optional<double> pcie_GBps(const PcieLink& link) {
  const auto speed = link.max_speed_GTps ? link.max_speed_GTps : link.speed_GTps;
  const auto width = link.width ? link.width : link.max_width;
  if (!speed || !width) return std::nullopt;
  const double code = *speed < 8.0 ? 0.8 : 128.0 / 130.0;
  return *speed * *width * code / 8.0;
}

bool is_at_its_best(const PcieLink& link) {
  return link.speed_GTps && link.max_speed_GTps && link.width && link.max_width &&
         *link.speed_GTps >= *link.max_speed_GTps && *link.width >= *link.max_width;
}

}  // namespace fabricheck::topology
