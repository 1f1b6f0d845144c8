// Figures between the host's memory and its GPUs as matrices. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::node::gpu {

/// One matrix for each host and direction: "gpu.host_to_device.bandwidth 64 MiB on n3" with the near and the
/// far NUMA node as rows and the host's GPUs as columns; the other way round from the GPU, for row = sender.
/// From checks of one GPU at a time; what was not measured is empty. None where nothing was.
std::vector<Matrix> host_matrices(std::span<const CheckRecord> checks);

}  // namespace fabricheck::node::gpu
