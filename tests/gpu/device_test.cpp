// The calls of cuda::Device on a real GPU, held against the host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/clock.hpp"
#include "device/cuda/device.hpp"
#include "device/cuda/handles.hpp"

namespace fabricheck::cuda {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t deadline_ns = 20'000'000'000;

class GpuDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    try {
      runtime_ = open_runtime("this host");
      runtime_->devices();
      device_ = runtime_->open(0);
    } catch (const Unavailable& reason) {
      GTEST_SKIP() << reason.what();
    }
    stream_ = StreamHandle(*device_, device_->make_stream());
    event_ = EventHandle(*device_, device_->make_event());
  }

  MemoryHandle memory(std::uint64_t bytes) { return {*device_, device_->allocate(bytes)}; }
  PinnedHandle pinned(std::uint64_t bytes) { return {*device_, device_->allocate_pinned(bytes)}; }
  Stream stream() const { return stream_.get(); }

  void finish() {
    device_->record(event_.get(), stream());
    ASSERT_TRUE(wait_for(*device_, event_.get(), clock_, clock_.now_ns() + deadline_ns));
  }

  /// What the GPU has, on the host.
  std::vector<std::byte> read(const std::byte* from, std::uint64_t bytes) {
    const PinnedHandle host = pinned(bytes);
    device_->copy(host.get(), from, bytes, stream());
    finish();
    return {host.get(), host.get() + bytes};
  }

  device::Difference compared(const std::byte* data, std::uint64_t bytes, const device::Pattern& pattern) {
    const MemoryHandle found = memory(sizeof(device::Difference));
    device_->compare(data, bytes, pattern, found.get(), stream());
    const auto raw = read(found.get(), sizeof(device::Difference));
    device::Difference difference;
    std::memcpy(&difference, raw.data(), sizeof difference);
    return difference;
  }

  std::uint64_t digest_of(const std::byte* data, std::uint64_t bytes) {
    const MemoryHandle digest = memory(8);
    device_->digest(data, bytes, digest.get(), stream());
    const auto raw = read(digest.get(), 8);
    std::uint64_t value = 0;
    std::memcpy(&value, raw.data(), sizeof value);
    return value;
  }

  SteadyClock clock_;
  std::unique_ptr<Runtime> runtime_;
  std::unique_ptr<Device> device_;
  StreamHandle stream_;
  EventHandle event_;
};

device::Pattern pattern_of(std::size_t element_bytes, std::uint64_t first) {
  device::Pattern pattern;
  pattern.element_bytes = element_bytes;
  pattern.first = first;
  for (std::uint64_t place = 0; place < device::pattern_period; ++place)
    pattern.bits[place] =
        device::mix(place + 1) & (element_bytes == 8 ? ~0ULL : (1ULL << (8 * element_bytes)) - 1);
  return pattern;
}

std::vector<std::byte> expected(std::uint64_t bytes, const device::Pattern& pattern) {
  std::vector<std::byte> data(bytes);
  for (std::uint64_t i = 0; i < bytes / pattern.element_bytes; ++i)
    std::memcpy(data.data() + i * pattern.element_bytes, &pattern.bits[device::place_of(pattern.first + i)],
                pattern.element_bytes);
  return data;
}

TEST_F(GpuDevice, TellsWhatItIs) {
  const DeviceFacts& facts = device_->facts();
  EXPECT_FALSE(facts.name.empty());
  EXPECT_EQ(facts.pci_address.size(), std::string("0000:5d:00.0").size());
  EXPECT_GE(facts.major, 8);
  EXPECT_GT(facts.multiprocessors, 0);
  EXPECT_GT(device_->memory_left().free_bytes, 0u);
}

TEST_F(GpuDevice, FillsAndComparesEveryElementSizeOffsetAndLength) {
  const MemoryHandle data = memory(200'064);
  for (const std::size_t element_bytes : {1, 2, 4, 8})
    for (const std::uint64_t first : {0ULL, 3ULL, 4090ULL, 1'000'003ULL})
      for (const std::uint64_t offset : {0ULL, 8ULL})
        for (const std::uint64_t elements : {1ULL, 17ULL, 5'000ULL, 24'001ULL}) {
          const device::Pattern pattern = pattern_of(element_bytes, first);
          const std::uint64_t bytes = elements * element_bytes;
          std::byte* at = data.get() + offset;
          device_->set(data.get(), 0, 200'064, stream());
          device_->fill(at, bytes, pattern, stream());
          EXPECT_EQ(read(at, bytes), expected(bytes, pattern));
          EXPECT_EQ(read(at + bytes, 16), std::vector<std::byte>(16)) << "what lies behind is another's";
          EXPECT_EQ(compared(at, bytes, pattern).wrong, 0u);
          const std::uint64_t wrong_at = (elements - 1) * element_bytes;
          device_->set(at + wrong_at, 0x5a, 1, stream());
          const device::Difference difference = compared(at, bytes, pattern);
          EXPECT_EQ(difference.wrong, 1u);
          EXPECT_EQ(difference.first_index, elements - 1);
          EXPECT_EQ(difference.got_bits & 0xff, 0x5au);
        }
}

TEST_F(GpuDevice, AccessesMoveWhatTheyShould) {
  constexpr std::uint64_t bytes = (std::uint64_t{1} << 20) + 48;
  const MemoryHandle a = memory(bytes), b = memory(bytes), c = memory(bytes);
  device_->fill_random(b.get(), bytes / 4, DataType::float32, 1, stream());
  device_->fill_random(c.get(), bytes / 4, DataType::float32, 2, stream());
  device_->access(Access::copy, a.get(), b.get(), nullptr, bytes, stream());
  EXPECT_EQ(read(a.get(), bytes), read(b.get(), bytes));
  device_->access(Access::triad, a.get(), b.get(), c.get(), bytes, stream());
  const auto is = read(a.get(), bytes), x = read(b.get(), bytes), y = read(c.get(), bytes);
  for (std::uint64_t at = 0; at < bytes; at += sizeof(float)) {
    float got{}, one{}, other{};
    std::memcpy(&got, is.data() + at, sizeof got);
    std::memcpy(&one, x.data() + at, sizeof one);
    std::memcpy(&other, y.data() + at, sizeof other);
    ASSERT_NEAR(got, one + 3.0F * other, 1e-5F) << at;
  }
  const auto before = read(b.get(), bytes);
  device_->access(Access::read, b.get(), nullptr, nullptr, bytes, stream());
  EXPECT_EQ(read(b.get(), bytes), before) << "a read changes nothing";
  device_->access(Access::write, a.get(), nullptr, nullptr, bytes, stream());
  EXPECT_EQ(read(a.get(), bytes), std::vector<std::byte>(bytes));
}

TEST_F(GpuDevice, RandomNumbersFollowTheirSeedInEveryType) {
  for (const DataType type : known_types) {
    constexpr std::uint64_t elements = 10'000;
    const std::uint64_t bytes = elements * type_bytes(type);
    const MemoryHandle a = memory(bytes), b = memory(bytes);
    device_->fill_random(a.get(), elements, type, 7, stream());
    device_->fill_random(b.get(), elements, type, 7, stream());
    EXPECT_EQ(digest_of(a.get(), bytes), digest_of(b.get(), bytes)) << type_name(type);
    device_->fill_random(b.get(), elements, type, 8, stream());
    EXPECT_NE(digest_of(a.get(), bytes), digest_of(b.get(), bytes)) << type_name(type);
  }
}

TEST_F(GpuDevice, ADigestSeesOneBitAnywhere) {
  constexpr std::uint64_t bytes = 1'000'003;
  const MemoryHandle data = memory(bytes);
  device_->set(data.get(), 0, bytes, stream());
  const std::uint64_t zeros = digest_of(data.get(), bytes);
  for (const std::uint64_t at :
       {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{500'000}, std::uint64_t{502'048}, bytes - 1}) {
    device_->set(data.get() + at, 1, 1, stream());
    EXPECT_NE(digest_of(data.get(), bytes), zeros) << at;
    device_->set(data.get() + at, 0, 1, stream());
  }
  EXPECT_EQ(digest_of(data.get(), bytes), zeros);
}

TEST_F(GpuDevice, ADigestSeesWordsThatChangedPlaces) {
  constexpr std::uint64_t bytes = 64'000;
  const MemoryHandle data = memory(bytes);
  device_->set(data.get(), 0, bytes, stream());
  device_->set(data.get() + 8, 1, 8, stream());
  const std::uint64_t one = digest_of(data.get(), bytes);
  device_->set(data.get() + 8, 0, 8, stream());
  device_->set(data.get() + 16'000, 1, 8, stream());
  EXPECT_NE(digest_of(data.get(), bytes), one);
}

TEST_F(GpuDevice, ChasesARingForAsLongAsItHasHops) {
  constexpr std::uint64_t words = 1 << 20;
  const MemoryHandle ring = memory(words * 8), sink = memory(8);
  device_->make_ring(ring.get(), words, 4099, stream());
  const EventHandle begin(*device_, device_->make_event()), end(*device_, device_->make_event());
  const auto timed_us = [&](std::uint64_t hops) {
    device_->record(begin.get(), stream());
    device_->chase(ring.get(), hops, sink.get(), stream());
    device_->record(end.get(), stream());
    EXPECT_TRUE(wait_for(*device_, end.get(), clock_, clock_.now_ns() + deadline_ns));
    return device_->elapsed_us(begin.get(), end.get());
  };
  double few_us = timed_us(1000);
  const double many_us = timed_us(20'000);
  for (int i = 0; i < 5; ++i) few_us = std::min(few_us, timed_us(1000));
  EXPECT_GT(many_us, 5.0 * few_us);
  const auto raw = read(sink.get(), 8);
  std::uint64_t at = 0;
  std::memcpy(&at, raw.data(), sizeof at);
  EXPECT_EQ(at, 1000ULL * 4099 % words);
}

TEST_F(GpuDevice, AGraphRunsWhatWasCaptured) {
  constexpr std::uint64_t bytes = 4096;
  const MemoryHandle data = memory(bytes);
  device_->set(data.get(), 0, bytes, stream());
  finish();
  device_->begin_capture(stream());
  device_->set(data.get(), 7, bytes, stream());
  const GraphHandle graph(*device_, device_->end_capture(stream()));
  EXPECT_EQ(read(data.get(), 1).front(), std::byte{0}) << "captured, not run";
  device_->launch(graph.get(), stream());
  EXPECT_EQ(read(data.get(), 1).front(), std::byte{7});
}

TEST_F(GpuDevice, MoreMemoryThanThereIsIsRefusedAndTheDeviceGoesOn) {
  EXPECT_THROW(device_->allocate(device_->memory_left().total_bytes * 2), OutOfMemory);
  const MemoryHandle data = memory(4096);
  device_->set(data.get(), 1, 4096, stream());
  finish();
}

TEST_F(GpuDevice, ExportsMemoryForANicOrSaysThatItCannot) {
  const MemoryHandle data = memory(std::uint64_t{2} << 20);
  const auto descriptor = device_->export_dmabuf(data.get(), std::uint64_t{2} << 20);
  EXPECT_EQ(descriptor.has_value(), device_->facts().dmabuf);
}

}  // namespace
}  // namespace fabricheck::cuda
