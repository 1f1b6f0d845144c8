// One end of a host's port, as a switch or its neighbour tells of it.
#pragma once

#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// One for each known end of a host's port.
struct Cable {
  std::string host;    ///< host name, or empty when only the port's identity is told
  std::string device;  ///< "mlx5_0", a net device's name, a port GUID or a LID ("lid:17")
  int port{1};
  Neighbour neighbour;
  int line{};
};

}  // namespace fabricheck::topology
