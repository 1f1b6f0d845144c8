#include "fabric/verbs/measure/message_memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"

namespace fabricheck::verbs {
namespace {

/// GPU memory is mapped for a NIC in pieces of this size; smaller allocations may share one.
constexpr std::uint64_t gpu_page_bytes = std::uint64_t{2} << 20;

class GpuMemory final : public MessageMemory {
 public:
  GpuMemory(std::shared_ptr<const cuda::Setup> gpu, const Clock& clock)
      : gpu_(std::move(gpu)),
        device_(cuda::device_of(gpu_)),
        clock_(clock),
        stream_(device_, device_.make_stream()),
        event_(device_, device_.make_event()) {}

  device::Buffer allocate(std::uint64_t bytes) override {
    const std::uint64_t whole = (bytes + gpu_page_bytes - 1) / gpu_page_bytes * gpu_page_bytes;
    const auto memory = std::make_shared<cuda::MemoryHandle>(cuda::allocate(*gpu_, whole));
    std::optional<device::DmaBuf> dmabuf;
    if (const auto descriptor = device_.export_dmabuf(memory->get(), whole))
      dmabuf = device::DmaBuf{*descriptor, 0};
    device::Buffer buffer(
        device::MemoryKind::gpu, {memory->get(), bytes},
        [gpu = gpu_, memory, dmabuf](std::byte*) {
          if (dmabuf) ::close(dmabuf->descriptor);
          *memory = {};
        },
        dmabuf);
    device_.set(buffer.bytes().data(), 0, whole, stream_.get());
    finish("clearing memory");
    return buffer;
  }

  void upload(std::byte* to, std::span<const std::byte> from) override {
    std::byte* through = staging(from.size());
    std::memcpy(through, from.data(), from.size());
    device_.copy(to, through, from.size(), stream_.get());
    finish("a copy to it");
  }

  void download(std::span<std::byte> to, const std::byte* from) override {
    std::byte* through = staging(to.size());
    device_.copy(through, from, to.size(), stream_.get());
    finish("a copy from it");
    std::memcpy(to.data(), through, to.size());
  }

  std::string words() const override { return cuda::gpu_words(device_.facts()); }

 private:
  /// Pinned, made once.
  std::byte* staging(std::uint64_t bytes) {
    if (staging_bytes_ < bytes) {
      staging_ = cuda::PinnedHandle(device_, device_.allocate_pinned(bytes));
      staging_bytes_ = bytes;
    }
    return staging_.get();
  }

  void finish(const char* what) {
    device_.record(event_.get(), stream_.get());
    if (cuda::wait_for(device_, event_.get(), clock_, clock_.now_ns() + gpu_->deadline_ns)) return;
    device_.abandon();
    throw Error(fmt::format("{}: {} did not end within {}", words(), what,
                            format_duration(std::chrono::nanoseconds(gpu_->deadline_ns))));
  }

  std::shared_ptr<const cuda::Setup> gpu_;
  cuda::Device& device_;
  const Clock& clock_;
  cuda::StreamHandle stream_;
  cuda::EventHandle event_;
  cuda::PinnedHandle staging_;
  std::uint64_t staging_bytes_{};
};

}  // namespace

std::shared_ptr<MessageMemory> gpu_message_memory(const std::shared_ptr<const cuda::Setup>& gpu,
                                                  const Clock& clock) {
  return std::make_shared<GpuMemory>(gpu, clock);
}

}  // namespace fabricheck::verbs
