// CUDA's runtime on the host, by its own names: memory of the host, work done as soon as it is put into a
// stream, errors as CUDA gives them. For tests of what is written against CUDA itself. One state per process.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace fabricheck::test::cudart {

struct GpuModel {
  std::string name{"NVIDIA H100 80GB HBM3"};
  int bus{};  ///< of its PCI address
  std::uint64_t memory_bytes{std::uint64_t{1} << 30};
  int l2_bytes{64 << 10};
  int compute_mode{cudaComputeModeDefault};
  bool has_dmabuf{true};
};

struct Machine {
  std::vector<GpuModel> gpus;
  int driver_version{13000};                          ///< 0: not loaded
  cudaError_t count_error{cudaSuccess};               ///< what asking for the devices gives
  std::set<std::pair<int, int>> reach{};              ///< pairs (from, to) that can have peer access
  std::map<std::string, cudaError_t> next_failure{};  ///< by name of the call: the next one fails with that
};

/// Two that reach each other, at 0000:5d:00.0 and 0000:e1:00.0: the machine a process begins with.
Machine two_gpus();
/// The machine of all calls from here on, with nothing allocated on it.
void use_machine(Machine machine);
Machine& machine();

/// What is held and not given back: memory, pinned memory, streams, events, graphs.
std::uint64_t held();

/// Puts `work` into the stream; an invalid resource handle where the stream is not of the current device, an
/// illegal address where a pointer is of no memory that the device can reach.
void enqueue_kernel(cudaStream_t stream, const std::vector<const void*>& pointers,
                    std::function<void()> work);

}  // namespace fabricheck::test::cudart
