#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "core/error.hpp"
#include "core/units.hpp"
#include "device/cuda/stopwatch.hpp"
#include "device/cuda/verifier.hpp"
#include "node/gpu/common.hpp"
#include "node/gpu/operations.hpp"

namespace fabricheck::node::gpu {
namespace {

/// A kernel's vectors.
constexpr std::uint64_t alignment = 16;
/// STREAM's rule: an array is at least four times the caches (McCalpin, stream.c, its note 1).
constexpr std::uint64_t caches = 4;

cuda::Access access_of(MemoryUse use) {
  switch (use) {
    case MemoryUse::read:
      return cuda::Access::read;
    case MemoryUse::write:
      return cuda::Access::write;
    case MemoryUse::triad:
      return cuda::Access::triad;
    case MemoryUse::copy:
    case MemoryUse::copy_engine:
      break;
  }
  return cuda::Access::copy;
}

int arrays_of(MemoryUse use) {
  switch (access_of(use)) {
    case cuda::Access::read:
    case cuda::Access::write:
      return 1;
    case cuda::Access::copy:
      return 2;
    case cuda::Access::triad:
      break;
  }
  return 3;
}

std::uint64_t size_of_arrays(const SharedSetup& setup, std::uint64_t asked, MemoryUse use) {
  const cuda::DeviceFacts& facts = cuda::device_of(setup).facts();
  const std::uint64_t least =
      (std::max(caches * facts.l2_bytes, alignment) + alignment - 1) / alignment * alignment;
  if (asked < least)
    throw Unavailable(fmt::format("arrays of {} are less than {} times the L2 cache of {} ({}): ask for more",
                                  format_bytes(asked), caches, cuda::gpu_words(facts),
                                  format_bytes(facts.l2_bytes)));
  return array_bytes(*setup, asked, least, arrays_of(use)) / alignment * alignment;
}

/// Whole numbers that float32 holds exactly, and so does b + 3 c.
std::array<float, device::pattern_period> numbers(std::uint64_t seed) {
  std::array<float, device::pattern_period> all{};
  for (std::size_t i = 0; i < all.size(); ++i)
    all.at(i) = static_cast<float>(device::mix(seed * device::pattern_period + i + 1) % 65536);
  return all;
}

class MemoryRate final : public TimedOperation {
 public:
  MemoryRate(const SharedSetup& setup, const TimedRequest& request, MemoryUse use)
      : setup_(setup),
        device_(cuda::device_of(setup)),
        use_(use),
        asked_bytes_(request.bytes),
        bytes_(size_of_arrays(setup, request.bytes, use)),
        passes_(request.bytes / bytes_),
        rank_(request.world_rank),
        host_(request.host),
        watch_(device_, *request.clock, setup->deadline_ns),
        verifier_(device_) {
    for (int i = 0; i < arrays_of(use); ++i)
      arrays_.push_back(cuda::allocate(*setup, bytes_, static_cast<std::uint64_t>(i) * bytes_));
  }

  void prepare(std::uint64_t first, std::size_t) override {
    switch (use_) {
      case MemoryUse::copy:
      case MemoryUse::copy_engine:
        expected_ = cuda::word_pattern(first + 1);
        fill(1, expected_);
        break;
      case MemoryUse::read:
        expected_ = cuda::word_pattern(first + 1);
        fill(0, expected_);
        break;
      case MemoryUse::write:
        expected_ = cuda::zero_pattern();
        fill(0, cuda::word_pattern(first + 1));
        break;
      case MemoryUse::triad: {
        const auto b = numbers(2 * first + 1), c = numbers(2 * first + 2);
        std::array<float, device::pattern_period> a{};
        for (std::size_t i = 0; i < a.size(); ++i) a.at(i) = b.at(i) + 3.0F * c.at(i);
        expected_ = cuda::float_pattern(a);
        fill(1, cuda::float_pattern(b));
        fill(2, cuda::float_pattern(c));
        break;
      }
    }
    watch_.finish_aside("filling memory");
  }

  void run(std::uint64_t, std::span<double> times_us) override {
    watch_.time(
        times_us, "a pass over GPU memory",
        [this](std::size_t, std::size_t) {
          for (std::uint64_t pass = 0; pass < passes_; ++pass) pass_over();
        },
        {}, passes_);
  }

  Verified verify(std::uint64_t first, std::size_t count) override {
    Verified verified{1, std::nullopt};
    if (const auto wrong = verifier_.compare(watch_, arrays_.front().get(), bytes_, expected_))
      verified.mismatch =
          cuda::mismatch_of(*wrong, expected_, rank_, host_, first + count - 1, use_ == MemoryUse::triad);
    return verified;
  }
  bool verifies_each() const override { return false; }

  std::map<std::string, Parameter> path() const override {
    std::map<std::string, Parameter> path = gpu_path(device_.facts());
    path["array_bytes"] = static_cast<std::int64_t>(bytes_);
    path["l2_bytes"] = static_cast<std::int64_t>(device_.facts().l2_bytes);
    path["moved_by"] = use_ == MemoryUse::copy_engine ? "the runtime's copy on the device" : "a kernel";
    if (bytes_ < asked_bytes_) path["made_smaller"] = smaller_words(bytes_, asked_bytes_, passes_);
    return path;
  }

 private:
  void fill(std::size_t array, const device::Pattern& pattern) {
    device_.fill(arrays_[array].get(), bytes_, pattern, watch_.aside());
  }
  std::byte* array(std::size_t number) const {
    return number < arrays_.size() ? arrays_[number].get() : nullptr;
  }
  void pass_over() {
    if (use_ == MemoryUse::copy_engine) {
      device_.copy(array(0), array(1), bytes_, watch_.stream());
    } else {
      device_.access(access_of(use_), array(0), array(1), array(2), bytes_, watch_.stream());
    }
  }

  SharedSetup setup_;
  cuda::Device& device_;
  MemoryUse use_;
  std::uint64_t asked_bytes_, bytes_, passes_;
  int rank_;
  std::string host_;
  cuda::Stopwatch watch_;
  cuda::Verifier verifier_;
  std::vector<cuda::MemoryHandle> arrays_;  ///< a, b, c: a is written
  device::Pattern expected_;                ///< of a
};

}  // namespace

double moved(MemoryUse use) { return cuda::bytes_moved(access_of(use)); }

std::unique_ptr<TimedOperation> make_memory_rate(const SharedSetup& setup, const TimedRequest& request,
                                                 MemoryUse use) {
  return std::make_unique<MemoryRate>(setup, request, use);
}

}  // namespace fabricheck::node::gpu
