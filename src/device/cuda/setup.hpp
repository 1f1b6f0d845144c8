// The GPU that this rank drives, as every check of GPUs gets it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "device/cuda/device.hpp"
#include "device/cuda/handles.hpp"

namespace fabricheck::cuda {

/// One per rank; filled after discovery, so rows hold a pointer to it and look when they make an operation.
struct Setup {
  std::shared_ptr<Runtime> runtime;
  std::shared_ptr<Device> device;            ///< null: `unavailable` says why
  std::string problem;                       ///< it is there and fails: what CUDA says of it
  std::string unavailable;                   ///< "no CUDA device on node7 (driver not loaded)"
  std::uint64_t memory_limit_bytes{};        ///< what may be allocated at once; --gpu-memory
  bool is_surplus{};                         ///< this host has more ranks than this rank sees GPUs
  int ranks_per_gpu{1};                      ///< more than 1: figures are shown and never judged
  std::int64_t deadline_ns{10'000'000'000};  ///< for work on the GPU in which nothing moves
};

/// GPU memory of this rank, counted against the limit by its caller: `bytes` more beside `held_bytes`. Throws
/// Unavailable above the limit, and OutOfMemory.
MemoryHandle allocate(const Setup& setup, std::uint64_t bytes, std::uint64_t held_bytes = 0);

/// The largest size of bytes, bytes / 2, bytes / 4, … not below `least_bytes` of which `arrays` can be had;
/// allocates and gives them back. 0: none.
std::uint64_t fitting_bytes(const Setup& setup, std::uint64_t bytes, std::uint64_t least_bytes, int arrays);

/// The device; Unavailable with the reason, or Error with the problem.
Device& device_of(const std::shared_ptr<const Setup>& setup);

}  // namespace fabricheck::cuda
