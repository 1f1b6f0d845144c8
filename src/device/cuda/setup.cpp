#include "device/cuda/setup.hpp"

#include <vector>

#include "core/units.hpp"

namespace fabricheck::cuda {

MemoryHandle allocate(const Setup& setup, std::uint64_t bytes, std::uint64_t held_bytes) {
  if (setup.memory_limit_bytes > 0 && held_bytes + bytes > setup.memory_limit_bytes)
    throw OutOfMemory("needs " + format_bytes(held_bytes + bytes) + " of GPU memory, and may use " +
                      format_bytes(setup.memory_limit_bytes) + " (--gpu-memory)");
  return {*setup.device, setup.device->allocate(bytes)};
}

std::uint64_t fitting_bytes(const Setup& setup, std::uint64_t bytes, std::uint64_t least_bytes, int arrays) {
  for (; bytes >= least_bytes && bytes > 0; bytes /= 2) {
    try {
      std::vector<MemoryHandle> all;
      all.reserve(static_cast<std::size_t>(arrays));
      for (int i = 0; i < arrays; ++i)
        all.push_back(allocate(setup, bytes, static_cast<std::uint64_t>(i) * bytes));
      return bytes;
    } catch (const OutOfMemory&) {
      continue;
    }
  }
  return 0;
}

Device& device_of(const std::shared_ptr<const Setup>& setup) {
  if (setup && !setup->problem.empty()) throw Error(setup->problem);
  if (!setup || !setup->device)
    throw Unavailable(setup && !setup->unavailable.empty() ? setup->unavailable : "no GPU was opened");
  return *setup->device;
}

}  // namespace fabricheck::cuda
