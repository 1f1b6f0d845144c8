// Which port each rank of a host measures with. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// A device that was asked for by name, and its port.
struct NicWish {
  std::string device;
  std::optional<int> port;
};

struct RankNic {
  std::size_t device{};  ///< index into Host::rdma_devices
  int port{};            ///< RdmaPort::number
  int rail{};            ///< the same number means the same place on every host of a kind
  bool operator==(const RankNic&) const = default;
};

/// "mlx5_0", "mlx5_0:1" or a list of them; none of an empty text. Throws UsageError.
std::vector<NicWish> parse_nic_wishes(const std::string& list);

/// Of each of `local_ranks` ranks its port; none where the host has no usable one. Rank i drives GPU gpus[i]
/// (an index into Host::gpus), and gets the NIC nearest to it, its rail being that of rails_of(). Without
/// GPUs ranks get the NICs of the NUMA node that they are put on, in turn, and devices are numbered in their
/// order. With wishes, rank i gets wish i, over and over, and rails are numbered by wish. Of a device with
/// several ports the first active one. Throws UsageError for a wish that the host does not have, with the
/// nearest name.
std::vector<std::optional<RankNic>> rank_nics(const Host& host, int local_ranks,
                                              const std::vector<std::size_t>& gpus,
                                              const std::vector<NicWish>& wishes);

}  // namespace fabricheck::topology
