// The blocks and threads of a kernel, on one thread of the host: threads take turns, and change only where a
// kernel waits for its block.
#pragma once

#include <functional>

namespace fabricheck::test::cudart {

struct Index {
  unsigned int x{};
};

inline thread_local Index threadIdx, blockIdx, blockDim, gridDim;

/// Runs `thread` for each thread of each block. Throws std::runtime_error where some threads of a block wait
/// for others that have ended: on a GPU that is undefined.
void run_blocks(unsigned int blocks, unsigned int threads, const std::function<void()>& thread);

/// Of the running kernel: goes on once all threads of the block are here.
void wait_for_block();

}  // namespace fabricheck::test::cudart
