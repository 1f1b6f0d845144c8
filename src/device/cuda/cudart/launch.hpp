// How a kernel is put into a stream. Tests have a header of this name that runs kernels on the host
// (tests/support/cudart/overlay). Private to this folder.
#pragma once

#include <cuda_runtime_api.h>

namespace fabricheck::cuda::kernels {

/// What the launch gave is told by cudaGetLastError().
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), unsigned int blocks, unsigned int threads, cudaStream_t stream,
            const Arguments&... arguments) {
  kernel<<<blocks, threads, 0, stream>>>(static_cast<Parameters>(arguments)...);
}

}  // namespace fabricheck::cuda::kernels
