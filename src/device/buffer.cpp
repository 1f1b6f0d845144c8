#include "device/buffer.hpp"

#include <new>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::device {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr std::align_val_t alignment{page_bytes};

}  // namespace

Buffer Buffer::in_host_memory(std::uint64_t bytes) {
  if (bytes == 0) return {};
  // Whole pages: what is registered with a NIC is locked in pages, and shares none with other memory.
  const std::size_t whole = (bytes + page_bytes - 1) / page_bytes * page_bytes;
  auto* memory = static_cast<std::byte*>(::operator new[](whole, alignment, std::nothrow));
  if (memory == nullptr)
    throw Unavailable("not enough memory: " + format_bytes(bytes) + " in one piece were refused");
  for (std::size_t at = 0; at < whole; at += page_bytes) memory[at] = std::byte{};
  return {MemoryKind::host, {memory, bytes}, [](std::byte* one) { ::operator delete[](one, alignment); }};
}

Buffer::Buffer(MemoryKind kind, std::span<std::byte> memory, std::function<void(std::byte*)> release,
               std::optional<DmaBuf> dmabuf)
    : kind_(kind), memory_(memory.data(), std::move(release)), size_(memory.size()), dmabuf_(dmabuf) {}

}  // namespace fabricheck::device
