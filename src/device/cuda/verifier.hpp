// What is written into GPU memory to be found again, and the look for it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "core/operation.hpp"
#include "device/cuda/stopwatch.hpp"
#include "device/pattern.hpp"

namespace fabricheck::cuda {

/// Words of 32 bits that follow from `seed`; other seeds give other words.
device::Pattern word_pattern(std::uint64_t seed);
/// float32, shown as such.
device::Pattern float_pattern(const std::array<float, device::pattern_period>& values);
/// All zeros, as Access::write leaves them.
device::Pattern zero_pattern();

/// Compares memory of a GPU with a pattern, on that GPU, and brings 8-byte words of it to the host. The
/// Device must outlive it.
class Verifier {
 public:
  explicit Verifier(Device& device);

  /// Nothing: all as expected. Puts its work aside in `watch`, which is of the same GPU, and waits for it.
  std::optional<device::Difference> compare(Stopwatch& watch, const std::byte* data, std::uint64_t bytes,
                                            const device::Pattern& pattern);
  /// The digest of `data`: see Device::digest().
  std::uint64_t digest(Stopwatch& watch, const std::byte* data, std::uint64_t bytes);
  /// One word of GPU memory.
  std::uint64_t word_at(Stopwatch& watch, const std::byte* at);

 private:
  Device& device_;
  MemoryHandle found_;
  PinnedHandle answer_;
};

/// The Mismatch that `difference` is, for the 4-byte elements of `pattern`.
Mismatch mismatch_of(const device::Difference& difference, const device::Pattern& pattern, int world_rank,
                     const std::string& host, std::uint64_t iteration, bool is_float);

}  // namespace fabricheck::cuda
