// Kernels on the host: what nvcc and the GPU give them, for tests. In the place of the header of this name
// that puts kernels onto a GPU.
#pragma once

#include <cuda_runtime_api.h>
#include <vector_functions.h>
#include <vector_types.h>

#include <algorithm>
#include <functional>
#include <tuple>

#include "support/cudart/blocks.hpp"
#include "support/cudart/host_cudart.hpp"

// Blocks run one after the other, so what a block shares is one variable.
#undef __shared__
#define __shared__ static

namespace fabricheck::cuda::kernels {

using test::cudart::blockDim;
using test::cudart::blockIdx;
using test::cudart::gridDim;
using test::cudart::threadIdx;

// The names are CUDA's. NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming)
inline void __syncthreads() { test::cudart::wait_for_block(); }
template <class T>
T __ldcs(const T* at) {
  return *at;
}
template <class T>
void __stcs(T* at, const T& value) {
  *at = value;
}
// Threads of a block take turns, so that nothing comes between.
template <class T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <class T>
T atomicMin(T* at, T value) {
  const T before = *at;
  *at = std::min(before, value);
  return before;
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), unsigned int blocks, unsigned int threads, cudaStream_t stream,
            const Arguments&... arguments) {
  const std::tuple<Parameters...> kept(static_cast<Parameters>(arguments)...);
  std::vector<const void*> pointers;
  const auto note = [&]<class T>(const T& one) {
    if constexpr (std::is_pointer_v<T>)
      if (one != nullptr) pointers.push_back(const_cast<const void*>(static_cast<const volatile void*>(one)));
  };
  std::apply([&](const auto&... one) { (note(one), ...); }, kept);
  test::cudart::enqueue_kernel(stream, pointers, [=] {
    test::cudart::run_blocks(blocks, threads, [&] { std::apply(kernel, kept); });
  });
}

}  // namespace fabricheck::cuda::kernels
