// What a switch says of itself: LLDP frames as systemd-networkd keeps them.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// The neighbour in a file of /run/systemd/netif/lldp: Ethernet frames, each after its length as 64 bits,
/// the lowest byte first. Nothing, with the reason in `why`, when there is none, when they name several, or
/// when the bytes are something else.
std::optional<Neighbour> parse_lldp_frames(std::string_view bytes, std::string& why);

/// The neighbour of a net device; nothing when networkd keeps none. A file that is there and makes no sense
/// is the reason in `why`.
std::optional<Neighbour> read_neighbour(const std::string& sysroot, const std::string& net_device,
                                        std::string& why);

}  // namespace fabricheck::topology
