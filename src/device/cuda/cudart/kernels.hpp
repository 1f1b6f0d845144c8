// The kernels of this program, as calls that put them into a stream. Private to this folder.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "core/variant.hpp"
#include "device/cuda/device.hpp"
#include "device/pattern.hpp"

namespace fabricheck::cuda::kernels {

// Each returns what the launch gave. Arguments as those of Device's calls of the same name.

cudaError_t access(Access access, void* a, const void* b, const void* c, std::uint64_t bytes,
                   cudaStream_t stream);
cudaError_t make_ring(void* at, std::uint64_t count, std::uint64_t stride, cudaStream_t stream);
cudaError_t chase(const void* ring, std::uint64_t hops, void* sink, cudaStream_t stream);
cudaError_t fill(void* to, std::uint64_t bytes, const device::Pattern& pattern, cudaStream_t stream);
cudaError_t compare(const void* data, std::uint64_t bytes, const device::Pattern& pattern, void* found,
                    cudaStream_t stream);
cudaError_t fill_random(void* to, std::uint64_t elements, DataType type, std::uint64_t seed,
                        cudaStream_t stream);
cudaError_t digest(const void* data, std::uint64_t bytes, void* digest, cudaStream_t stream);

}  // namespace fabricheck::cuda::kernels
