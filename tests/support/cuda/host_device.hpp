// GPUs without a GPU: memory of the host, work done at once, and time that follows from a model of rates. For
// tests of what is measured with GPUs, what their errors lead to, and what the plan makes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/cuda/device.hpp"
#include "support/cuda/host_stream.hpp"

namespace fabricheck::test {

/// What the stand-in is and how fast. Rates in GB/s, of bytes moved.
struct HostGpu {
  cuda::DeviceFacts facts{.ordinal = 0,
                          .name = "NVIDIA H100 80GB HBM3",
                          .pci_address = "0000:5d:00.0",
                          .major = 9,
                          .minor = 0,
                          .multiprocessors = 132,
                          .memory_bytes = std::uint64_t{64} << 20,
                          .l2_bytes = std::uint64_t{1} << 20,
                          .compute_mode = "default",
                          .dmabuf = true};
  double hbm_GBps{3000.0};
  double peer_GBps{390.0};   ///< to another GPU by NVLink
  double host_GBps{52.0};    ///< to and from the host
  double operation_us{2.0};  ///< of each operation, beside its bytes
  double hop_us{0.5};        ///< of a read in chase(), of another GPU's memory twice that
  bool peers_reach{true};
  /// As of a real GPU its memory is there for copy(), set() and device_view() only, and who else touches it
  /// dies of it. It can be exported as a dmabuf where the facts say so.
  bool is_hidden{};
};

/// Where a device, such as a stand-in NIC, finds what a process knows by this address: of hidden memory
/// elsewhere.
std::byte* device_view(std::byte* address);

/// What goes wrong, and when; counted over all GPUs that share it.
struct HostGpuFaults {
  std::uint64_t refuse_above_bytes{~0ULL};  ///< one allocation of more is refused
  std::optional<int> open_error;
  std::uint64_t fail_at{~0ULL};   ///< this operation put into a stream fails, with code 700
  std::uint64_t stuck_at{~0ULL};  ///< this one never ends
  std::uint64_t flip_at{~0ULL};   ///< after this one a bit of what it wrote is wrong
  std::uint64_t operations{};     ///< so many there were; counted through std::atomic_ref
};

/// The runtime of these GPUs. Ordinals are the places in `gpus`. What it keeps account of:
struct HostAccount {
  std::uint64_t allocated_bytes{}, most_allocated_bytes{}, pinned_bytes{};
  int streams{}, events{}, graphs{};  ///< that are not yet released
};

std::unique_ptr<cuda::Runtime> make_host_runtime(std::vector<HostGpu> gpus,
                                                 std::shared_ptr<HostGpuFaults> faults = nullptr,
                                                 std::shared_ptr<HostAccount> account = nullptr);

}  // namespace fabricheck::test
