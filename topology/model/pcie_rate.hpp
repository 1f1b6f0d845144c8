// What a PCI Express link carries. Pure.
#pragma once

#include <optional>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// GB/s one way at the link's best speed (an idle device may have lowered it) and its present width, without
/// the packets' headers: line code 8b/10b up to PCIe 2.0, then 128b/130b. Nothing where speed or width is not
/// known.
std::optional<double> pcie_GBps(const PcieLink& link);

/// Payload of a bulk transfer, as a share of pcie_GBps(): a header of 24 bytes for each 256 and what keeps
/// the link in step. ConnectX-7 behind four lanes of PCIe 5.0 was seen to reach 13.96 of 15.75 GB/s.
inline constexpr double pcie_payload_share = 0.88;

/// The link is trained at all that both its ends can do, so that what it carries is by design, not by a
/// fault. False where that is not known.
bool is_at_its_best(const PcieLink& link);

}  // namespace fabricheck::topology
