// Where messages lie: in host memory, or in a GPU's, which the CPU cannot look into.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/clock.hpp"
#include "device/buffer.hpp"
#include "device/cuda/setup.hpp"

namespace fabricheck::verbs {

/// Memory of another kind than the host's. Each call throws Error that names the memory.
class MessageMemory {
 public:
  virtual ~MessageMemory() = default;
  /// Zeroed, in whole pages; as a dmabuf where the driver can export it.
  virtual device::Buffer allocate(std::uint64_t bytes) = 0;
  /// Both wait until the data is there.
  virtual void upload(std::byte* to, std::span<const std::byte> from) = 0;
  virtual void download(std::span<std::byte> to, const std::byte* from) = 0;
  /// "GPU 3 (0000:5d:00.0)".
  virtual std::string words() const = 0;
};

/// The memory of this rank's GPU. Throws Unavailable where it has none.
std::shared_ptr<MessageMemory> gpu_message_memory(const std::shared_ptr<const cuda::Setup>& gpu,
                                                  const Clock& clock);

}  // namespace fabricheck::verbs
