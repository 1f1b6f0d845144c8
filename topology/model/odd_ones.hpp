// Parts of one host that differ from their peers in it, where peers are built alike: what a file shows that
// tells neither states nor what a link can do. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {

struct OddOne {
  enum class Kind {
    nvlink_none,   ///< a GPU that no NVLink joins to the others, which are all joined
    nvlink_fewer,  ///< a GPU with fewer NVLinks to the others than these have
    nvlink_pair,   ///< two GPUs over fewer NVLinks than most, or over PCIe
    gpu_link,      ///< a GPU, or a PCI bridge above it, with fewer PCIe lanes; a GPU that can be less fast
    nic_link       ///< a NIC that carries GPU traffic, with fewer PCIe lanes or a lower speed
  } kind{};
  std::string part;  ///< "GPU3", "GPU2-GPU5", "mlx5_3"
  std::string what;  ///< "PCIe x8, 7 others x16"
};

/// Over how many NVLinks most pairs of this island reach each other, where that is so many that nobody
/// divides them between peers on purpose (4 and more: SXM boards of V100 and before give 1 to 3 to each).
/// Nothing for other islands.
std::optional<int> mesh_nvlinks(const PathMatrix& paths, const std::vector<std::size_t>& island);

/// A GPU alone is named only where it is one of the same model, or one of 4, 8, 12, 16 when the file tells no
/// models: a fifth one drives a display. Lanes are compared among four devices and more of one model, and at
/// most a quarter of them can be odd, since slots differ in machines built of cards. What MIG divides, what a
/// virtual machine says of PCIe, and what is known to be below what it can do (which is said elsewhere) are
/// left out.
std::vector<OddOne> odd_ones(const Host& host, const PathMatrix& paths);

/// How many NVLinks a matrix (Host::given_paths) tells of each GPU: where NVSwitches join them, those to any
/// other; else the sum. Nothing where pairs are not told, or where the matrix has no NVLink at all, as
/// `nvidia-smi topo -mp` leaves them out.
std::vector<std::optional<int>> given_nvlinks(const Host& host, const PathMatrix& paths);

}  // namespace fabricheck::topology
