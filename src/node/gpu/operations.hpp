// What is measured on one GPU. Each throws Unavailable where it cannot be done here.
#pragma once

#include <memory>

#include "core/timed_operation.hpp"
#include "device/cuda/setup.hpp"
#include "node/gpu/settings.hpp"

namespace fabricheck::node::gpu {

using SharedSetup = std::shared_ptr<const cuda::Setup>;
using SharedSettings = std::shared_ptr<const Settings>;

enum class MemoryUse { copy, read, write, triad, copy_engine };

/// One pass over arrays of request.bytes each, all of them in the GPU's memory: counted as STREAM counts
/// (copy 2, read 1, write 1, triad 3 times the bytes). Smaller arrays are passed over more often.
std::unique_ptr<TimedOperation> make_memory_rate(const SharedSetup& setup, const TimedRequest& request,
                                                 MemoryUse use);
/// Bytes moved by one pass over arrays of one byte.
double moved(MemoryUse use);

enum class HostDirection { to_gpu, from_gpu, both };
enum class HostMemory { near, far };

/// Copies of request.bytes between pinned memory of the host and the GPU by its copy engines.
std::unique_ptr<TimedOperation> make_host_copy(const SharedSetup& setup, const SharedSettings& settings,
                                               const TimedRequest& request, HostDirection direction,
                                               HostMemory memory);
/// The same of few bytes, one after the other without the host in between; the time of one copy.
std::unique_ptr<TimedOperation> make_host_latency(const SharedSetup& setup, const SharedSettings& settings,
                                                  const TimedRequest& request, HostDirection direction,
                                                  HostMemory memory);

/// One multiplication of settings.gemm_size cubed. Smaller matrices are multiplied more often.
std::unique_ptr<TimedOperation> make_gemm(const SharedSetup& setup, const SharedSettings& settings,
                                          const TimedRequest& request, Precision precision);
/// Multiplications for burn_interval_ns() on end; the mean time of one.
std::unique_ptr<TimedOperation> make_burn(const SharedSetup& setup, const SharedSettings& settings,
                                          const TimedRequest& request, Precision precision);

}  // namespace fabricheck::node::gpu
