// What is measured between the GPUs of two ranks of one node: rank 0 of the group does it all, in its own
// process, and rank 1 tells which GPU is its own.
#pragma once

#include <memory>

#include "core/timed_operation.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::nvlink {

struct PairUse {
  bool by_kernel{};  ///< by a kernel that writes the other GPU's memory; else by a copy engine
  bool both_ways{};  ///< from rank 0's GPU to the other one's and back at once; else there only
};

/// Copies of request.bytes. Collective over the group. Throws Unavailable (an Echo on the rank that is not
/// the cause) where both have the same GPU or one of the GPUs cannot be seen by rank 0's process.
std::unique_ptr<TimedOperation> make_pair_copy(const std::shared_ptr<const cuda::Setup>& setup,
                                               const TimedRequest& request, PairUse use);

/// One thread of rank 0's GPU reads the other one's memory, each read waiting for the one before; the time of
/// one read. As above, and Unavailable where the GPUs cannot reach each other's memory.
std::unique_ptr<TimedOperation> make_pair_latency(const std::shared_ptr<const cuda::Setup>& setup,
                                                  const TimedRequest& request);

}  // namespace fabricheck::nvlink
