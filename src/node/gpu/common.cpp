#include "node/gpu/common.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "device/cuda/stopwatch.hpp"

namespace fabricheck::node::gpu {

std::map<std::string, Parameter> gpu_path(const cuda::DeviceFacts& facts) {
  return {{"gpu", facts.pci_address},
          {"gpu_name", facts.name},
          {"gpu_ordinal", static_cast<std::int64_t>(facts.ordinal)}};
}

std::uint64_t array_bytes(const cuda::Setup& setup, std::uint64_t bytes, std::uint64_t least_bytes,
                          int arrays) {
  const std::uint64_t got = cuda::fitting_bytes(setup, bytes, least_bytes, arrays);
  if (got > 0) return got;
  const std::string limit = setup.memory_limit_bytes > 0 ? fmt::format(" and {} may be used (--gpu-memory)",
                                                                       format_bytes(setup.memory_limit_bytes))
                                                         : "";
  const std::uint64_t free = setup.device->memory_left().free_bytes;
  // One is told to give what stands in the way.
  const bool is_limit =
      setup.memory_limit_bytes > 0 && free >= static_cast<std::uint64_t>(arrays) * least_bytes;
  throw Unavailable(fmt::format("needs {} x {} of memory on {}, of which {} is free{}: {}", arrays,
                                format_bytes(least_bytes), cuda::gpu_words(setup.device->facts()),
                                format_bytes(free), limit,
                                is_limit ? "allow more of it" : "end what else uses it"));
}

std::string smaller_words(std::uint64_t got_bytes, std::uint64_t asked_bytes, std::uint64_t passes) {
  return fmt::format("{} of {}, for no more GPU memory was to be had; passed over {} times",
                     format_bytes(got_bytes), format_bytes(asked_bytes), passes);
}

}  // namespace fabricheck::node::gpu
