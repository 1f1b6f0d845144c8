// One end's port as text, to be sent to the other end.
#pragma once

#include <string>
#include <string_view>

#include "core/topology_record.hpp"

namespace fabricheck::verbs {

/// The port that a rank uses, as its host's topology has it.
struct PortPlace {
  std::string host;
  std::string device;  ///< "mlx5_0"
  RdmaPort port;
  bool operator==(const PortPlace&) const = default;
};

/// "mlx5_0 port 1".
std::string port_name(const PortPlace& place);

/// What the choice of addresses needs: the link layer, the state, GIDs, subnets, names.
std::string port_to_text(const PortPlace& place);
/// Its inverse. Throws Error for a text that is none.
PortPlace port_from_text(std::string_view text);

}  // namespace fabricheck::verbs
