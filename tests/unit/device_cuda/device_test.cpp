#include "device/cuda/device.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "device/cuda/handles.hpp"
#include "device/cuda/pattern_table.hpp"
#include "support/clocks.hpp"
#include "support/cuda/host_device.hpp"

namespace fabricheck::cuda {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

device::Pattern pattern_of(std::size_t element_bytes) {
  device::Pattern pattern;
  pattern.element_bytes = element_bytes;
  for (std::uint64_t place = 0; place < device::pattern_period; ++place)
    pattern.bits[place] =
        device::mix(place + 1) & (element_bytes == 8 ? ~0ULL : (1ULL << (8 * element_bytes)) - 1);
  return pattern;
}

/// Without a driver, as on a login node, the runtime says so; with one there are devices or its reason.
TEST(Runtime, WithoutADriverSaysWhyThereIsNoDevice) {
  try {
    const auto runtime = open_runtime("node7");
    const auto devices = runtime->devices();
    EXPECT_FALSE(devices.empty());
  } catch (const Unavailable& reason) {
    EXPECT_THAT(reason.what(),
                AnyOf(HasSubstr("no CUDA device on node7 ("), HasSubstr("built without CUDA")));
  }
}

TEST(PatternTable, GivesTheSixteenBytesThatBeginAtEachPlace) {
  for (const std::size_t element_bytes : {1, 2, 4, 8}) {
    const device::Pattern pattern = pattern_of(element_bytes);
    const PatternTable table = table_of(pattern);
    for (std::uint64_t place = 0; place < device::pattern_period; ++place)
      for (std::size_t i = 0; i < 16 / element_bytes; ++i) {
        std::uint64_t bits = 0;
        std::memcpy(&bits, table.from_place[place].bytes + i * element_bytes, element_bytes);
        EXPECT_EQ(bits, pattern.bits[(place + i) % device::pattern_period]);
      }
  }
}

/// The look-up holds as long as the 16 bytes are on one page of the pattern, and only then.
TEST(PatternTable, OneLookUpServesAVectorWithinOnePage) {
  for (const std::uint64_t index : {0ULL, 5ULL, 4080ULL, 4092ULL, 4093ULL, 4095ULL, 4096ULL, 123456789ULL}) {
    bool follows = true;
    for (std::uint64_t i = 0; i < 4; ++i)
      follows =
          follows && device::place_of(index + i) == (device::place_of(index) + i) % device::pattern_period;
    if (is_in_one_page(index, 4)) {
      EXPECT_TRUE(follows) << index;
    }
  }
  EXPECT_FALSE(is_in_one_page(4093, 4));
  EXPECT_TRUE(is_in_one_page(4092, 4));
}

class HostGpuTest : public ::testing::Test {
 protected:
  std::shared_ptr<test::HostGpuFaults> faults_ = std::make_shared<test::HostGpuFaults>();
  std::shared_ptr<test::HostAccount> account_ = std::make_shared<test::HostAccount>();
  std::unique_ptr<Runtime> runtime_ = test::make_host_runtime({test::HostGpu{}}, faults_, account_);
};

TEST_F(HostGpuTest, HandlesGiveBackWhatTheyHold) {
  const auto device = runtime_->open(0);
  {
    MemoryHandle memory(*device, device->allocate(4096));
    MemoryHandle moved = std::move(memory);
    EXPECT_FALSE(memory);  // NOLINT(bugprone-use-after-move): what is left of it is the point
    MemoryHandle other(*device, device->allocate(4096));
    other = std::move(moved);
    const StreamHandle stream(*device, device->make_stream());
    const EventHandle event(*device, device->make_event());
    EXPECT_EQ(account_->streams + account_->events, 2);
  }
  EXPECT_EQ(account_->allocated_bytes, 0u);
  EXPECT_EQ(account_->streams + account_->events, 0);
}

TEST_F(HostGpuTest, WaitingEndsAtTheDeadlineAndTellsWhatFailed) {
  const auto device = runtime_->open(0);
  const StreamHandle stream(*device, device->make_stream());
  const EventHandle event(*device, device->make_event());
  const MemoryHandle memory(*device, device->allocate(4096));
  test::TickingClock clock;
  device->set(memory.get(), 1, 4096, stream.get());
  device->record(event.get(), stream.get());
  EXPECT_TRUE(wait_for(*device, event.get(), clock, clock.now_ns() + 1'000'000));
  faults_->stuck_at = faults_->operations;
  device->set(memory.get(), 1, 4096, stream.get());
  device->record(event.get(), stream.get());
  int looks = 0;
  EXPECT_FALSE(wait_for(*device, event.get(), clock, clock.now_ns() + 1'000'000, [&] { ++looks; }));
  EXPECT_GT(looks, 0);
  const StreamHandle broken(*device, device->make_stream());
  faults_->stuck_at = ~0ULL;
  faults_->fail_at = faults_->operations;
  device->set(memory.get(), 1, 4096, broken.get());
  device->record(event.get(), broken.get());
  EXPECT_THROW(wait_for(*device, event.get(), clock, clock.now_ns() + 1'000'000), CudaError);
}

TEST_F(HostGpuTest, AFilledBufferComparesEqualAndAFlipIsFound) {
  const auto device = runtime_->open(0);
  const StreamHandle stream(*device, device->make_stream());
  constexpr std::uint64_t bytes = 40000;
  const MemoryHandle memory(*device, device->allocate(bytes)), found(*device, device->allocate(64));
  for (const std::size_t element_bytes : {1, 2, 4, 8}) {
    const device::Pattern pattern = pattern_of(element_bytes);
    device->fill(memory.get(), bytes, pattern, stream.get());
    device->compare(memory.get(), bytes, pattern, found.get(), stream.get());
    device::Difference difference;
    std::memcpy(&difference, found.get(), sizeof difference);
    EXPECT_EQ(difference.wrong, 0u);
    memory.get()[24007] ^= std::byte{4};
    device->compare(memory.get(), bytes, pattern, found.get(), stream.get());
    std::memcpy(&difference, found.get(), sizeof difference);
    EXPECT_EQ(difference.wrong, 1u);
    EXPECT_EQ(difference.first_index, 24007 / element_bytes);
  }
}

}  // namespace
}  // namespace fabricheck::cuda
