// Streams between GPUs' memory, over the stand-in NIC and the stand-in GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gpus_over_stub.hpp"

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

PairRun measure(Opcode opcode, const std::function<void(PairSetup&, int)>& change,
                std::array<test::StubFaults*, 2> faults = {}, std::uint64_t bytes = 4096) {
  return measure_pair(
      [=](const PairSetup& setup, const TimedRequest& request) {
        return make_stream(setup, request, Transport::rc, opcode, Direction::one_way, Memory::gpu);
      },
      bytes, 100, faults, std::chrono::seconds(20), change);
}

TEST(GpuStream, EveryOperationMovesAndComparesGpuMemory) {
  for (const Opcode opcode : {Opcode::write, Opcode::send, Opcode::read}) {
    std::array<std::shared_ptr<test::HostAccount>, 2> accounts;
    for (auto& account : accounts) account = std::make_shared<test::HostAccount>();
    const PairRun run = measure(opcode, [&](PairSetup& setup, int rank) {
      setup.gpu = a_gpu(nullptr, accounts.at(static_cast<std::size_t>(rank)));
    });
    for (std::size_t rank = 0; rank < 2; ++rank) {
      EXPECT_EQ(run.thrown[rank], "");
      EXPECT_EQ(run.results[rank].error.value_or(""), "");
      EXPECT_EQ(run.results[rank].mismatch.value_or(""), "");
    }
    EXPECT_GE(run.results[0].samples.values_us.size(), 100u);
    EXPECT_GT(run.results[0].samples.verified, 0u);
    EXPECT_EQ(run.path.at("memory"), Parameter(std::string("GPU 0 (0000:5d:00.0)")));
    for (const auto& account : accounts) {
      EXPECT_EQ(account->allocated_bytes + account->pinned_bytes, 0u) << "given back";
      EXPECT_EQ(account->streams + account->events, 0);
    }
  }
}

TEST(GpuStream, AByteThatIsWrongInGpuMemoryIsFound) {
  test::StubFaults faults;
  faults.flip_at =
      4 * 16 - 3;  // in the last window of the first batch, for only the last of a place is compared
  const PairRun run = measure(
      Opcode::write, [&](PairSetup& setup, int) { setup.gpu = a_gpu(); }, {&faults, nullptr}, 65536);
  EXPECT_THAT(run.results[0].mismatch.value_or(""), HasSubstr("expected"));
}

TEST(GpuStream, MemoryThatCannotBeRegisteredNamesTheGpuAndTheNic) {
  test::StubFaults faults;
  faults.registration_error = "ibv_reg_mr of 4 MiB failed: Bad address";
  faults.refuses_gpu_memory = true;
  const PairRun run =
      measure(Opcode::write, [&](PairSetup& setup, int) { setup.gpu = a_gpu(); }, {&faults, nullptr});
  EXPECT_THAT(run.thrown[0],
              AllOf(HasSubstr("memory of GPU 0 (0000:5d:00.0) on h0 cannot be registered with stub0"),
                    HasSubstr("as a dmabuf, nor by its address"), HasSubstr("Bad address")));
  EXPECT_THAT(run.thrown[1], HasSubstr("the peer"));
}

TEST(GpuStream, WithoutAGpuOnOneSideNeitherBegins) {
  const PairRun run = measure(Opcode::write, [&](PairSetup& setup, int rank) {
    if (rank == 0) setup.gpu = a_gpu();
    if (rank == 1) {
      setup.gpu = std::make_shared<cuda::Setup>();
      std::const_pointer_cast<cuda::Setup>(setup.gpu)->unavailable =
          "no CUDA device on h1 (driver not loaded)";
    }
  });
  EXPECT_THAT(run.thrown[0], HasSubstr("no CUDA device on h1"));
  EXPECT_EQ(run.thrown[1], "no CUDA device on h1 (driver not loaded)");
  EXPECT_TRUE(run.unavailable[1]);
}

}  // namespace
}  // namespace fabricheck::verbs
