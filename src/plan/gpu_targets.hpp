// What good machines of a platform were seen to reach, as targets of what runs on GPUs. Pure.
#pragma once

#include <optional>
#include <string>

#include "core/check.hpp"
#include "core/platform.hpp"
#include "core/target.hpp"

namespace fabricheck::plan {

/// Below what was published a machine may be by so much: runs of good machines of one kind differ by a few
/// percent. Our own choice.
inline constexpr double published_share = 0.95;
/// Of matrix rates, which were published for other shapes than the square of 8192 that is measured, mostly
/// the best of a search. Where one source has both, 8192 x 8192 x 8192 gave 0.93 and 0.95 of the best
/// (Azure/AI-benchmarking-guide, fp8 on H100 and H200); and good GPUs of one node were seen to differ by 5 %
/// and more (stas00/ml-engineering, compute/accelerator/README.md, "silicon lottery"). With a little room
/// that is this. Our own choice.
inline constexpr double matrix_share = 0.80;

/// Published bandwidths of collectives are of large messages: what is smaller has no target.
inline constexpr std::uint64_t collectives_from_bytes = std::uint64_t{8} << 30;

/// In copies of less, what each costs to begin counts: 2 us are a tenth of 1 MiB over PCIe 5.0, and less than
/// one in a hundred of this.
inline constexpr std::uint64_t host_copies_from_bytes = std::uint64_t{32} << 20;

/// What a target is asked for.
struct GpuCheck {
  std::string id;    ///< of the row, "gpu.hbm.triad", "nccl.allreduce.busbw"
  std::string unit;  ///< of the row
  Better better{};
  Scope scope{};
  std::uint64_t bytes{};
  int nodes{1};
  int ranks_per_node{1};
  bool nvls{true};   ///< NCCL may use it
  bool whole{true};  ///< the hosts have all GPUs of the platform
};

/// published_share, or of a matrix rate matrix_share, of the lowest figure that was published for what the
/// check measures, in its unit; where none was, the lowest threshold that others judge by. Nothing where no
/// figure is of the same operation, precision, number of nodes and GPUs. The datasheet's figure, where there
/// is one, is told in the source.
std::optional<Target> platform_target(const Platform& platform, const GpuCheck& check);

}  // namespace fabricheck::plan
