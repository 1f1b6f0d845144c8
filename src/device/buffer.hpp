// Memory that a NIC, a GPU or MPI reads and writes: where it is, and how it can be registered.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace fabricheck::device {

enum class MemoryKind { host, gpu };

/// A NIC reaches host memory by its address; GPU memory by its address with nvidia_peermem, or as a dmabuf.
struct DmaBuf {
  int descriptor{-1};
  std::uint64_t offset{};
};

/// Move-only. Memory of the host is on page borders (as OSU's programs and perftest have it), each page
/// touched; its content is anything.
class Buffer {
 public:
  Buffer() = default;
  /// Host memory. Throws Unavailable when there is no such memory.
  static Buffer in_host_memory(std::uint64_t bytes);
  /// Memory that somebody else allocated, such as src/device/cuda; `release` is called with it in the end.
  Buffer(MemoryKind kind, std::span<std::byte> memory, std::function<void(std::byte*)> release,
         std::optional<DmaBuf> dmabuf = {});

  MemoryKind kind() const { return kind_; }
  /// Addresses as the device that has it sees them; only those of host memory can be read here.
  std::span<std::byte> bytes() const { return {memory_.get(), size_}; }
  const std::optional<DmaBuf>& dmabuf() const { return dmabuf_; }

 private:
  MemoryKind kind_{MemoryKind::host};
  std::unique_ptr<std::byte[], std::function<void(std::byte*)>> memory_{nullptr, [](std::byte*) {}};
  std::size_t size_{};
  std::optional<DmaBuf> dmabuf_;
};

}  // namespace fabricheck::device
