// How far two devices of a host are apart, in nvidia-smi's words, and what follows from it. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// In order of distance. nvidia-smi's legend: PIX at most a single PCIe bridge (or switch), PXB several
/// without the host bridge, PHB one host bridge, NODE between host bridges of one NUMA node, SYS between NUMA
/// nodes.
enum class PathType { self, nvlink, pix, pxb, phb, node, sys, unknown };

struct Path {
  PathType type{PathType::unknown};
  int nvlinks{};  ///< of type nvlink
  bool operator==(const Path&) const = default;
};

/// "X", "NV18", "PIX", …; "?" for unknown.
std::string path_name(Path path);

/// The inverse of path_name(); nothing for any other text.
std::optional<Path> parse_path(std::string_view name);

struct Endpoint {
  enum class Kind { gpu, nic } kind{};
  std::size_t index{};  ///< into Host::gpus or Host::rdma_devices
  std::string name;     ///< "GPU0" (by Gpu::index) or "mlx5_0"
  bool operator==(const Endpoint&) const = default;
};

/// All GPUs, then all RDMA devices, in the order of Host's lists, and the path between any two of them.
struct PathMatrix {
  std::vector<Endpoint> ends;
  std::vector<Path> cells;  ///< row by row
  const Path& at(std::size_t row, std::size_t column) const { return cells[row * ends.size() + column]; }
};

/// From Host::given_paths where it is set (what it leaves empty in both directions is unknown); else NVLink
/// from Gpu::nvlinks (direct ones counted; through NVSwitches: the smaller number of active links of the two
/// ends, and none where NVML puts them into different fabrics or cliques), else the PCI tree and NUMA nodes,
/// where the ports of one switch count as one bridge. A device without a place in the tree is joined by NUMA
/// node alone: NODE or SYS where both are known, else unknown. Cyclic or broken trees give unknown, never a
/// loop.
PathMatrix paths_of(const Host& host);

/// Of each GPU the index into Host::rdma_devices of its nearest NIC; none where every path is unknown or
/// there is no usable NIC. NICs with an active port come before others, then nearer ones (of
/// two PXB the one over fewer bridges), then faster ones;
/// among equals each GPU takes the one that fewest GPUs before it took, so that they spread.
std::vector<std::optional<std::size_t>> nearest_nics(const Host& host, const PathMatrix& paths);

/// One rail: a NIC that carries GPU traffic, and the GPUs it is nearest to: those that nearest_nics() would
/// give it, or, of a NIC that got none, those it serves as well as theirs through a common switch (four NICs
/// per GPU). A NIC that is down or does not answer is a rail as if it were active where active NICs of its
/// model are there, so that one bad port does not give the other rails of a host new numbers. Rails are
/// numbered in the order of their first GPU; other NICs (management, storage) are no rail.
struct Rail {
  std::size_t nic{};              ///< index into Host::rdma_devices
  std::vector<std::size_t> gpus;  ///< indices into Host::gpus
  bool operator==(const Rail&) const = default;
};
std::vector<Rail> rails_of(const Host& host, const PathMatrix& paths);

/// GPUs that reach each other by NVLink, directly or through others, as lists of indices into Host::gpus,
/// ascending; a GPU without active NVLink is an island of its own.
std::vector<std::vector<std::size_t>> nvlink_islands(const PathMatrix& paths);

}  // namespace fabricheck::topology
