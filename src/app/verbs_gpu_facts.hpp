// What a finished run says beside the figures of GPUDirect RDMA. Pure.
#pragma once

#include <span>
#include <vector>

#include "core/run_record.hpp"

namespace fabricheck::app {

/// The checks over GPUs' memory to which something can be added. "gpu_to_nic" and "peer_gpu_to_nic": how far
/// each end's GPU is from its NIC in nvidia-smi's words ("PIX", "SYS"). "over_host_memory_us": how much
/// longer it took than the same operation of the same bytes between the same ports in host memory; with
/// "_from_us" and "_to_us" in the place of "_us" what the two intervals leave open. "host_memory_inline":
/// whether that went inline ("yes"), as nothing does from a GPU. A write has no such operation: that in host
/// memory is without an immediate.
std::vector<CheckRecord> with_gpu_facts(std::span<const CheckRecord> checks, const ClusterTopology& topology);

}  // namespace fabricheck::app
