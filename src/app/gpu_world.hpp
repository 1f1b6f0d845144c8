// GPUs in this world: which one each rank drives, and why it may not.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "app/options.hpp"
#include "collectives/nccl/settings.hpp"
#include "core/check.hpp"
#include "core/platform.hpp"
#include "core/topology_record.hpp"
#include "device/cuda/setup.hpp"
#include "node/gpu/settings.hpp"
#include "plan/plan.hpp"

namespace fabricheck::app {

/// Of a GPU by its PCI address, why it has to be left alone: "is open in python3 (process 12)".
using BusyGpus = std::map<std::string, std::string>;

/// Who has the GPUs of this host open (CUDA opens all that a process sees), but for the processes `own`;
/// asked before this job opens any.
BusyGpus busy_gpus(const std::string& sysroot, const std::set<std::int64_t>& own = {});
/// On one line, and back.
std::string busy_to_text(const BusyGpus& busy);
BusyGpus busy_from_text(const std::string& text);

/// What a rank may drive.
struct GpuChoice {
  int ordinal{-1};              ///< CUDA's; -1: none
  std::optional<int> number{};  ///< NVML's, where it told of this one
  std::string unavailable;      ///< why none
  int ranks_per_gpu{1};
  bool is_missing{};  ///< NVML told of it, and it is not among CUDA's
  bool is_surplus{};  ///< this host has more ranks than this one sees GPUs
};

/// A rank that CUDA shows one GPU drives that one, for Slurm can give each task its own. Else local rank i
/// drives the i-th GPU of `host.gpus`, or with `share` the (i mod n)-th: of those that CUDA shows, too, where
/// these are enough for all ranks, and of all otherwise, so that the rank whose GPU is missing says so. It is
/// found among CUDA's devices by its PCI address. Where NVML told of no GPU, CUDA's own order counts. Left
/// alone: GPUs in use, in MIG mode, in exclusive or prohibited compute mode, and those that this build has no
/// kernels for. Pure.
GpuChoice choose_gpu(const Host& host, const std::vector<cuda::DeviceFacts>& devices, int local_rank,
                     int local_ranks, bool share, const BusyGpus& busy);

/// Opens it. Whatever stands in the way is told in the Setup, and nothing is thrown. Where NVML shows GPUs
/// and CUDA does not start, it is a problem and not merely unavailable, unless CUDA_VISIBLE_DEVICES hides all
/// of them.
std::shared_ptr<cuda::Setup> open_gpu(std::shared_ptr<cuda::Runtime> runtime, const Host& host,
                                      int local_rank, int local_ranks, const BusyGpus& busy,
                                      const GpuOptions& options, std::int64_t deadline_ns);

/// What a rank tells all others of its GPU.
struct RankGpu {
  std::string pci_address;  ///< empty: none
  int ranks_per_gpu{1};
  std::string unavailable;  ///< why none
  std::string problem;      ///< it is there and fails
  bool is_surplus{};        ///< its host has more ranks than it sees GPUs
  bool operator==(const RankGpu&) const = default;
};
RankGpu rank_gpu_of(const cuda::Setup& setup);
/// On one line, and back.
std::string rank_gpu_to_text(const RankGpu& gpu);
RankGpu rank_gpu_from_text(const std::string& text);

/// Why ranks would measure each other: two that drive one GPU, or more on a host than they see GPUs; empty:
/// they do not.
std::string shared_because(const std::vector<RankGpu>& gpus, const ClusterTopology& topology);

/// Rounds in which every GPU of a node meets every other one, all nodes at the same time.
std::vector<plan::PairRound> gpu_pairs(const std::vector<RankGpu>& gpus, const ClusterTopology& topology);

/// How the checks of single GPUs are made on this rank.
std::shared_ptr<node::gpu::Settings> gpu_settings(const Host& host, const cuda::Setup& setup,
                                                  const GpuOptions& options);

/// NCCL on this rank; `log_file` is what capture_log() gave.
std::shared_ptr<collectives::nccl::Settings> nccl_settings(const std::shared_ptr<const cuda::Setup>& gpu,
                                                           const GpuOptions& options, std::string log_file);
/// Has NCCL write what it does into a file of this process. Before NCCL is opened: it reads such variables
/// once.
collectives::nccl::LogCapture capture_nccl_log(const std::string& host, const GpuOptions& options);
/// What holds for the GPUs of all ranks: pairs, targets by the platform, and why there are none. Returns what
/// is left out. `platform` may be null.
std::vector<NotTested> plan_gpus(const std::vector<RankGpu>& gpus, const ClusterTopology& topology,
                                 const Platform* platform, bool whole, bool nvls,
                                 std::span<const CheckRow> rows, plan::Request& request);

}  // namespace fabricheck::app
