// Latency between GPUs' memory, over the stand-in NIC and the stand-in GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "gpus_over_stub.hpp"

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr Opcode by_completion[] = {Opcode::send, Opcode::write_with_immediate, Opcode::read};

MakePair latency(Opcode opcode) {
  return [=](const PairSetup& setup, const TimedRequest& request) {
    return make_latency(setup, request, Transport::rc, opcode, Memory::gpu);
  };
}

void give_gpu(PairSetup& setup, int) { setup.gpu = a_gpu(); }

PairRun measure(Opcode opcode, std::uint64_t bytes, std::uint64_t wanted = 200,
                std::array<test::StubFaults*, 2> faults = {},
                const std::function<void(PairSetup&, int)>& change = give_gpu) {
  return measure_pair(latency(opcode), bytes, wanted, faults, std::chrono::seconds(20), change);
}

void expect_sound(const PairRun& run, std::uint64_t wanted) {
  for (std::size_t rank = 0; rank < 2; ++rank) {
    EXPECT_EQ(run.thrown[rank], "");
    EXPECT_EQ(run.results[rank].error.value_or(""), "");
    EXPECT_EQ(run.results[rank].mismatch.value_or(""), "");
  }
  EXPECT_GE(run.results[0].samples.values_us.size(), wanted);
  for (const double us : run.results[0].samples.values_us) EXPECT_GT(us, 0.0);
}

TEST(GpuLatency, EveryOperationIsMeasuredInMemoryThatTheCpuCannotTouch) {
  for (const Opcode opcode : by_completion)
    for (const std::uint64_t bytes : {2, 8, 4096, 65536, 8 << 20}) {
      SCOPED_TRACE(operation_words(Transport::rc, opcode, bytes));
      std::array<std::shared_ptr<test::HostAccount>, 2> accounts;
      for (auto& account : accounts) account = std::make_shared<test::HostAccount>();
      const std::uint64_t wanted = bytes > 65536 ? 8 : 200;
      expect_sound(measure(opcode, bytes, wanted, {},
                           [&](PairSetup& setup, int rank) {
                             setup.gpu = a_gpu(nullptr, accounts.at(static_cast<std::size_t>(rank)));
                           }),
                   wanted);
      for (const auto& account : accounts) {
        EXPECT_EQ(account->allocated_bytes + account->pinned_bytes, 0U) << "given back";
        EXPECT_EQ(account->streams + account->events, 0);
      }
    }
}

/// What goes wrong at either end.
struct Faults {
  std::array<test::StubFaults, 2> nic;
  std::array<std::shared_ptr<test::HostGpuFaults>, 2> gpu;
};

/// What each rank found in one batch, and the times of the one who began.
struct Batch {
  std::array<Verified, 2> verified;
  std::vector<double> times_us;
};

constexpr std::uint64_t first_iteration = 7;

Batch one_batch(Opcode opcode, std::size_t count, std::uint64_t bytes = 64, const Faults& faults = {},
                const Clock& clock_of_first = SteadyClock()) {
  Batch batch;
  std::array<test::StubFaults, 2> nic = faults.nic;
  run_ranks(2, [&](Communicator& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const SteadyClock clock;
    PairSetup setup = stub_setup(world.rank(), &nic.at(rank), std::chrono::seconds(20));
    setup.gpu = a_gpu(faults.gpu.at(rank));
    TimedRequest request;
    request.group = &world;
    request.clock = rank == 0 ? &clock_of_first : &clock;
    request.bytes = bytes;
    request.world_rank = world.rank();
    request.yield = true;
    const auto operation = latency(opcode)(setup, request);
    std::vector<double> times_us(count, 0.0);
    operation->prepare(first_iteration, count);
    world.barrier();
    operation->run(first_iteration, times_us);
    world.barrier();
    batch.verified.at(rank) = operation->verify(first_iteration, count);
    if (rank == 0) {
      batch.times_us = times_us;
    } else {
      for (const double us : times_us) EXPECT_EQ(us, 0.0) << "who answers times nothing";
    }
    world.barrier();
  });
  return batch;
}

TEST(GpuLatency, EveryMessageOfEveryBlockIsTimedAndComparedOnce) {
  for (const Opcode opcode : by_completion)
    for (const std::size_t count : {1, 62, 63, 64, 65, 200}) {
      SCOPED_TRACE(operation_words(Transport::rc, opcode, count));
      const Batch batch = one_batch(opcode, count);
      EXPECT_EQ(batch.verified[0].messages, count);
      EXPECT_EQ(batch.verified[1].messages, opcode == Opcode::read ? 0 : count);
      for (const Verified& one : batch.verified) EXPECT_FALSE(one.mismatch);
      for (const double us : batch.times_us) EXPECT_GT(us, 0.0);
    }
}

/// A millisecond passes with each piece of work of one GPU, and else a nanosecond with each look.
class WorkOfAGpu final : public Clock {
 public:
  explicit WorkOfAGpu(std::shared_ptr<test::HostGpuFaults> gpu) : gpu_(std::move(gpu)) {}
  std::int64_t now_ns() const override {
    return static_cast<std::int64_t>(std::atomic_ref(gpu_->operations).load()) * 1'000'000 + ++looks_;
  }
  void sleep_ns(std::int64_t) const override {}

 private:
  std::shared_ptr<test::HostGpuFaults> gpu_;
  mutable std::int64_t looks_{};
};

TEST(GpuLatency, NoTimeOfAMessageHasThePeersCopiesInIt) {
  constexpr std::size_t block = 63, count = 200;
  for (const Opcode opcode : {Opcode::send, Opcode::write_with_immediate}) {
    Faults faults;
    faults.gpu[1] = std::make_shared<test::HostGpuFaults>();
    const Batch batch = one_batch(opcode, count, 64, faults, WorkOfAGpu(faults.gpu[1]));
    EXPECT_EQ(faults.gpu[1]->operations, 1U + 2 * 4) << "cleared, and there and back in each block";
    for (std::size_t i = 0; i < count; ++i) {
      // With its last answer the peer is free to copy, and does while that arrives.
      const bool is_last = i % block == block - 1 || i + 1 == count;
      EXPECT_TRUE(is_last || batch.times_us[i] < 500.0) << i << ": " << batch.times_us[i];
    }
  }
}

TEST(GpuLatency, AFlippedBitIsFoundInEitherDirectionWhereverInABlockItWas) {
  constexpr std::uint64_t block = 63;
  for (const Opcode opcode : {Opcode::send, Opcode::write_with_immediate})
    for (const std::size_t side : {0, 1})
      // Each block begins with a message that only brings the ends together.
      for (const std::uint64_t message :
           {std::uint64_t{0}, std::uint64_t{30}, block - 1, block, 2 * block + 5}) {
        SCOPED_TRACE(operation_words(Transport::rc, opcode, message) + " of rank " + std::to_string(side));
        Faults faults;
        faults.nic.at(side).flip_at = message + 1 + message / block;
        const Batch batch = one_batch(opcode, 200, 64, faults);
        EXPECT_FALSE(batch.verified.at(side).mismatch);
        const auto& wrong = batch.verified.at(1 - side).mismatch;
        ASSERT_TRUE(wrong);
        EXPECT_EQ(wrong->rank, static_cast<int>(1 - side));
        EXPECT_EQ(wrong->iteration, first_iteration + message);
        EXPECT_EQ(wrong->index, 0U);
      }
}

TEST(GpuLatency, BothRanksHearOfAFlippedBit) {
  test::StubFaults faults;
  faults.flip_at = 3;
  const PairRun run = measure(Opcode::send, 64, 200, {&faults, nullptr});
  ASSERT_TRUE(run.results[0].mismatch) << run.results[0].error.value_or("");
  EXPECT_EQ(run.results[0].mismatch, run.results[1].mismatch);
  EXPECT_THAT(*run.results[0].mismatch, AllOf(HasSubstr("rank 1"), HasSubstr("element 0")));
}

std::shared_ptr<test::HostGpuFaults> flip_at(std::uint64_t operation) {
  auto faults = std::make_shared<test::HostGpuFaults>();
  faults->flip_at = operation;
  return faults;
}

// Of three places of 2 MiB the middle byte is amid the second.
constexpr std::uint64_t large = std::uint64_t{2} << 20, middle = large / 2;
// What is done with a GPU's memory, in order: it is cleared, written by who sends or is read, and copied
// back.
constexpr std::uint64_t written = 1, copied_back = 2, copied_back_unwritten = 1;

TEST(GpuLatency, AByteThatIsWrongInTheMemoryOfAGpuIsFoundByThePeer) {
  for (const Opcode opcode : by_completion) {
    SCOPED_TRACE(operation_words(Transport::rc, opcode, large));
    Faults faults;
    faults.gpu[1] = flip_at(written);
    const Batch batch = one_batch(opcode, 6, large, faults);
    ASSERT_TRUE(batch.verified[0].mismatch);
    EXPECT_EQ(batch.verified[0].mismatch->index, middle);
  }
}

TEST(GpuLatency, WhatAFirstLookFindsLateInMemoryIsNotCalledWrong) {
  for (const Opcode opcode : by_completion) {
    SCOPED_TRACE(operation_words(Transport::rc, opcode, large));
    Faults faults;
    faults.gpu[0] = flip_at(opcode == Opcode::read ? copied_back_unwritten : copied_back);
    const Batch batch = one_batch(opcode, 6, large, faults);
    EXPECT_FALSE(batch.verified[0].mismatch);
    // Two blocks or more, each looked at once, and the first once more.
    EXPECT_EQ(faults.gpu[0]->operations, opcode == Opcode::read ? 1U + 2 + 1 : 1U + 3 * 2 + 1);
  }
}

TEST(GpuLatency, NothingGoesInline) {
  for (const Opcode opcode : by_completion) {
    std::array<std::vector<QueuePairRequest>, 2> asked;
    const PairRun run = measure(opcode, 8, 20, {}, [&](PairSetup& setup, int rank) {
      test::StubDevice device;
      device.memory_view = test::device_view;
      device.queue_requests = &asked.at(static_cast<std::size_t>(rank));
      setup.port.device = test::make_stub_device(device);
      give_gpu(setup, rank);
    });
    expect_sound(run, 20);
    EXPECT_EQ(run.path.at("inline"), Parameter(std::string("no")));
    for (const auto& one : asked) EXPECT_EQ(one.at(0).inline_bytes, 0);
  }
}

TEST(GpuLatency, TheRecordNamesBothGpusAndHowTheyWereRegistered) {
  struct Case {
    bool exports, takes;
    const char* registered;
  };
  for (const Case& one :
       {Case{true, true, "dmabuf"}, Case{true, false, "peermem"}, Case{false, true, "peermem"}}) {
    const PairRun run = measure(Opcode::send, 8, 10, {}, [&](PairSetup& setup, int rank) {
      test::StubDevice device;
      device.memory_view = test::device_view;
      device.takes_dmabuf = rank == 1 || one.takes;
      setup.port.device = test::make_stub_device(device);
      setup.gpu = a_gpu(nullptr, nullptr, rank == 1 || one.exports);
    });
    expect_sound(run, 10);
    EXPECT_EQ(run.path.at("memory"), Parameter(std::string("GPU 0 (0000:5d:00.0)")));
    EXPECT_EQ(run.path.at("registered"), Parameter(std::string(one.registered)));
    EXPECT_EQ(run.path.at("peer_memory"), Parameter(std::string("GPU 0 (0000:5d:00.0)")));
    EXPECT_EQ(run.path.at("peer_registered"), Parameter(std::string("dmabuf")));
    EXPECT_EQ(run.path.at("from_port"), Parameter(std::string("stub0 port 1")));
  }
}

TEST(GpuLatency, MemoryThatCannotBeRegisteredNamesTheGpuAndTheNic) {
  for (const Opcode opcode : by_completion) {
    test::StubFaults faults;
    faults.registration_error = "ibv_reg_mr of 4 KiB failed: Bad address";
    faults.refuses_gpu_memory = true;
    const PairRun run = measure(opcode, 8, 10, {&faults, nullptr});
    EXPECT_THAT(run.thrown[0],
                AllOf(HasSubstr("memory of GPU 0 (0000:5d:00.0) on h0 cannot be registered with stub0"),
                      HasSubstr("as a dmabuf, nor by its address"), HasSubstr("Bad address")));
    EXPECT_THAT(run.thrown[1], AllOf(HasSubstr("the peer"), HasSubstr("cannot be registered")));
  }
}

TEST(GpuLatency, WithoutAGpuOnOneSideNeitherBegins) {
  const PairRun run = measure(Opcode::read, 8, 10, {}, [](PairSetup& setup, int rank) {
    if (rank == 0) return give_gpu(setup, rank);
    auto none = std::make_shared<cuda::Setup>();
    none->unavailable = "no CUDA device on h1 (driver not loaded)";
    setup.gpu = none;
  });
  EXPECT_THAT(run.thrown[0], HasSubstr("no CUDA device on h1"));
  EXPECT_EQ(run.thrown[1], "no CUDA device on h1 (driver not loaded)");
  EXPECT_TRUE(run.unavailable[1]);
}

TEST(GpuLatency, WhatTheCpuWouldHaveToWatchIsSkipped) {
  for (const Opcode opcode : {Opcode::write, Opcode::fetch_add, Opcode::compare_swap}) {
    const PairRun run = measure(opcode, 8, 10);
    for (std::size_t rank = 0; rank < 2; ++rank) {
      EXPECT_THAT(run.thrown[rank], HasSubstr("in GPU memory: the CPU cannot watch"));
      EXPECT_TRUE(run.unavailable.at(rank));
    }
  }
}

TEST(GpuLatency, HostMemoryThatIsNotThereForTheCopiesIsSkipped) {
  const MakePair with_little = [](const PairSetup& setup, const TimedRequest& request) {
    TimedRequest small = request;
    // Three places of 2 MiB: a copy of both directions is 12 MiB, and what it goes through 6 MiB more.
    small.memory_limit_bytes = std::uint64_t{17} << 20;
    return make_latency(setup, small, Transport::rc, Opcode::send, Memory::gpu);
  };
  const PairRun run = measure_pair(with_little, 2 << 20, 10, {}, std::chrono::seconds(20), give_gpu);
  EXPECT_THAT(run.thrown[0], HasSubstr("18 MiB of buffers are more than this rank's share"));
  EXPECT_TRUE(run.unavailable[0]);
}

}  // namespace
}  // namespace fabricheck::verbs
