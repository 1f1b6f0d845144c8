// What the operations on one GPU have in common.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/run_record.hpp"
#include "core/timed_operation.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::node::gpu {

/// "gpu": the PCI address, "gpu_name", "gpu_ordinal".
std::map<std::string, Parameter> gpu_path(const cuda::DeviceFacts& facts);

/// Bytes for each of `arrays` arrays: `bytes`, or a half, a quarter … of it down to `least_bytes`. Throws
/// Unavailable that says how much is needed where not even that can be had.
std::uint64_t array_bytes(const cuda::Setup& setup, std::uint64_t bytes, std::uint64_t least_bytes,
                          int arrays);

/// "64 MiB of 1 GiB, for no more GPU memory was to be had; passed over 16 times".
std::string smaller_words(std::uint64_t got_bytes, std::uint64_t asked_bytes, std::uint64_t passes);

}  // namespace fabricheck::node::gpu
