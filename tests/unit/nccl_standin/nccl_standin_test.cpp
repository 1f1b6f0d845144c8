// The stand-in NCCL does what NCCL does, and fails as it is told to.
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <nccl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "collectives/nccl/since_2_18.hpp"
#include "support/cuda/host_stream.hpp"

namespace fabricheck::test {
namespace {

void* library() {
  static void* const handle = dlopen(STANDIN_NCCL, RTLD_NOW | RTLD_LOCAL);
  return handle;
}

#define NCCL(name) reinterpret_cast<decltype(&name)>(dlsym(library(), #name))

struct Rank {
  int rank{};
  int ranks{};
  ncclComm_t comm{};
  HostStream stream;
  [[nodiscard]] cudaStream_t handle() { return reinterpret_cast<cudaStream_t>(&stream); }
};

void run_rank(Rank& self, const ncclUniqueId& id, const std::function<void(Rank&)>& work) {
  ASSERT_EQ(NCCL(ncclCommInitRank)(&self.comm, self.ranks, id, self.rank), ncclSuccess);
  work(self);
  if (self.comm != nullptr) {
    EXPECT_EQ(NCCL(ncclCommDestroy)(self.comm), ncclSuccess);
  }
}

void with_ranks(int ranks, const std::function<void(Rank&)>& work) {
  ASSERT_NE(library(), nullptr) << dlerror();
  ncclUniqueId id{};
  ASSERT_EQ(NCCL(ncclGetUniqueId)(&id), ncclSuccess);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      Rank self{rank, ranks, nullptr, {}};
      run_rank(self, id, work);
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

/// The faults while a test runs.
struct Told {
  explicit Told(const char* faults) { setenv("FABRICHECK_STANDIN_NCCL", faults, 1); }
  ~Told() { unsetenv("FABRICHECK_STANDIN_NCCL"); }
  Told(const Told&) = delete;
  Told& operator=(const Told&) = delete;
};

struct Type {
  ncclDataType_t type;
  std::vector<std::uint64_t> bits_of_0_to_8;  ///< how small integers look
  std::size_t bytes;
};

template <class Float, class Bits>
std::vector<std::uint64_t> float_bits() {
  std::vector<std::uint64_t> all;
  for (int i = 0; i <= 8; ++i) {
    const auto value = static_cast<Float>(i);
    Bits bits{};
    std::memcpy(&bits, &value, sizeof bits);
    all.push_back(bits);
  }
  return all;
}

std::vector<Type> types() {
  const std::vector<std::uint64_t> plain{0, 1, 2, 3, 4, 5, 6, 7, 8};
  return {{ncclInt8, plain, 1},
          {ncclUint8, plain, 1},
          {ncclInt32, plain, 4},
          {ncclInt64, plain, 8},
          {ncclFloat16, {0, 0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600, 0x4700, 0x4800}, 2},
          {ncclBfloat16, {0, 0x3f80, 0x4000, 0x4040, 0x4080, 0x40a0, 0x40c0, 0x40e0, 0x4100}, 2},
          {ncclFloat32, float_bits<float, std::uint32_t>(), 4},
          {ncclFloat64, float_bits<double, std::uint64_t>(), 8},
          {collectives::nccl::float8e4m3, {0, 0x38, 0x40, 0x44, 0x48, 0x4a, 0x4c, 0x4e, 0x50}, 1},
          {collectives::nccl::float8e5m2, {0, 0x3c, 0x40, 0x42, 0x44, 0x45, 0x46, 0x47, 0x48}, 1}};
}

std::vector<std::byte> filled(const Type& type, std::size_t count, int value) {
  std::vector<std::byte> data(count * type.bytes);
  for (std::size_t i = 0; i < count; ++i) {
    std::memcpy(data.data() + i * type.bytes, &type.bits_of_0_to_8[static_cast<std::size_t>(value)],
                type.bytes);
  }
  return data;
}

TEST(StandinNccl, ReducesEveryTypeWithEveryOperationInPlace) {
  for (const Type& type : types()) {
    with_ranks(4, [&](Rank& self) {
      const std::size_t count = 3000;
      const std::vector<std::pair<ncclRedOp_t, int>> expected{
          {ncclSum, 6}, {ncclProd, 4}, {ncclMax, 2}, {ncclMin, 1}};
      for (const auto& [op, result] : expected) {
        auto data = filled(type, count, 1 + self.rank % 2);
        ASSERT_EQ(
            NCCL(ncclAllReduce)(data.data(), data.data(), count, type.type, op, self.comm, self.handle()),
            ncclSuccess);
        EXPECT_EQ(data, filled(type, count, result)) << "type " << type.type << " op " << op;
      }
      // Ranks have 1, 3, 1, 3.
      auto data = filled(type, count, 1 + 2 * (self.rank % 2));
      NCCL(ncclAllReduce)(data.data(), data.data(), count, type.type, ncclAvg, self.comm, self.handle());
      EXPECT_EQ(data, filled(type, count, 2)) << "type " << type.type;
    });
  }
}

using Numbers = std::vector<std::int32_t>;

TEST(StandinNccl, MovesWhatEachCollectiveMoves) {
  for (int ranks = 1; ranks <= 4; ++ranks) {
    with_ranks(ranks, [&](Rank& self) {
      const std::size_t count = 400'000;  // more than a slot
      const auto n = static_cast<std::size_t>(ranks);
      Numbers mine(count, self.rank + 1);
      Numbers all(count * n);
      NCCL(ncclAllGather)(mine.data(), all.data(), count, ncclInt32, self.comm, self.handle());
      for (std::size_t rank = 0; rank < n; ++rank) {
        EXPECT_EQ(all[rank * count], static_cast<int>(rank) + 1);
        EXPECT_EQ(all[rank * count + count - 1], static_cast<int>(rank) + 1);
      }
      // All have the same now: each gets its block n times.
      std::int32_t* own = all.data() + static_cast<std::size_t>(self.rank) * count;
      NCCL(ncclReduceScatter)(all.data(), own, count, ncclInt32, ncclSum, self.comm, self.handle());
      EXPECT_EQ(Numbers(own, own + count), Numbers(count, ranks * (self.rank + 1)));
      Numbers got(count, -1);
      NCCL(ncclReduce)
      (mine.data(), got.data(), count, ncclInt32, ncclSum, ranks - 1, self.comm, self.handle());
      EXPECT_EQ(got, Numbers(count, self.rank == ranks - 1 ? ranks * (ranks + 1) / 2 : -1));
      NCCL(ncclBroadcast)(mine.data(), got.data(), count, ncclInt32, ranks - 1, self.comm, self.handle());
      EXPECT_EQ(got, Numbers(count, ranks));
      EXPECT_GT(self.stream.time_us, 40);
    });
  }
}

TEST(StandinNccl, GroupsOfSendsAndReceivesAreAnAllToAll) {
  with_ranks(4, [](Rank& self) {
    const std::size_t count = 50'000;
    Numbers send(4 * count, self.rank + 1);
    Numbers received(4 * count);
    NCCL(ncclGroupStart)();
    for (int peer = 0; peer < 4; ++peer) {
      const std::size_t at = static_cast<std::size_t>(peer) * count;
      NCCL(ncclSend)(send.data() + at, count, ncclInt32, peer, self.comm, self.handle());
      NCCL(ncclRecv)(received.data() + at, count, ncclInt32, peer, self.comm, self.handle());
    }
    ASSERT_EQ(NCCL(ncclGroupEnd)(), ncclSuccess);
    for (std::size_t peer = 0; peer < 4; ++peer) {
      EXPECT_EQ(received[(peer + 1) * count - 1], static_cast<int>(peer) + 1);
    }
    // 10 us and three blocks at 400 GB/s.
    EXPECT_NEAR(self.stream.time_us, 10 + 3 * 4.0 * count / 400e3, 1e-6);
  });
}

TEST(StandinNccl, TwoProcessesMeet) {
  ASSERT_NE(library(), nullptr) << dlerror();
  ncclUniqueId id{};
  NCCL(ncclGetUniqueId)(&id);
  const auto sums = [&](int rank) {
    Rank self{rank, 2, nullptr, {}};
    Numbers data(10, rank + 1);
    run_rank(self, id, [&](Rank& in) {
      NCCL(ncclAllReduce)(data.data(), data.data(), data.size(), ncclInt32, ncclSum, in.comm, in.handle());
    });
    return data == Numbers(10, 3);
  };
  const pid_t child = fork();
  if (child == 0) {
    _exit(sums(1) ? 0 : 1);
  }
  EXPECT_TRUE(sums(0));
  int status = -1;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

void all_reduce(Rank& self, Numbers& data) {
  NCCL(ncclAllReduce)(data.data(), data.data(), data.size(), ncclInt32, ncclSum, self.comm, self.handle());
}

TEST(StandinNccl, AHangLeavesEveryStreamStuckUntilTheAbort) {
  const Told told("rank=1,hang_at=2,short_from=2,short_s=0.2");
  std::promise<void> waited;
  with_ranks(2, [&](Rank& self) {
    Numbers data(8, 1);
    all_reduce(self, data);
    EXPECT_FALSE(self.stream.stuck);
    const auto start = std::chrono::steady_clock::now();
    all_reduce(self, data);
    EXPECT_TRUE(self.stream.stuck);
    if (self.rank == 0) {
      EXPECT_GE(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(200));
      waited.set_value();
    } else {
      // An abort at once would end the other rank's wait before the timeout does.
      EXPECT_EQ(waited.get_future().wait_for(std::chrono::seconds(30)), std::future_status::ready);
    }
    EXPECT_EQ(NCCL(ncclCommAbort)(std::exchange(self.comm, nullptr)), ncclSuccess);
    EXPECT_FALSE(self.stream.stuck);
  });
}

TEST(StandinNccl, AnAbortEndsTheWaitsOfTheOthers) {
  const auto start = std::chrono::steady_clock::now();
  with_ranks(2, [](Rank& self) {
    Numbers data(8, 1);
    if (self.rank == 1) {
      NCCL(ncclCommAbort)(std::exchange(self.comm, nullptr));
      return;
    }
    all_reduce(self, data);
    EXPECT_TRUE(self.stream.stuck);
  });
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
}

TEST(StandinNccl, FlipsABitAndReportsAnErrorAsTold) {
  const Told told("rank=0,flip_at=1,async_error=2,short_from=2,short_s=0.2");
  with_ranks(2, [](Rank& self) {
    Numbers data(8, 1);
    all_reduce(self, data);
    EXPECT_EQ(data == Numbers(8, 2), self.rank == 1);
    all_reduce(self, data);
    ncclResult_t error{};
    NCCL(ncclCommGetAsyncError)(self.comm, &error);
    EXPECT_EQ(error, self.rank == 0 ? ncclRemoteError : ncclSuccess);
    EXPECT_TRUE(self.stream.stuck);
  });
}

TEST(StandinNccl, AnInitThatHangsStaysInProgressAndOneThatFailsSaysSo) {
  ASSERT_NE(library(), nullptr) << dlerror();
  ncclUniqueId id{};
  NCCL(ncclGetUniqueId)(&id);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t comm{};
  {
    const Told told("init_hang,version=21703");
    int version{};
    NCCL(ncclGetVersion)(&version);
    EXPECT_EQ(version, 21703);
    EXPECT_EQ(NCCL(ncclCommInitRankConfig)(&comm, 1, id, 0, &config), ncclInProgress);
    ncclResult_t state{};
    NCCL(ncclCommGetAsyncError)(comm, &state);
    EXPECT_EQ(state, ncclInProgress);
    EXPECT_EQ(NCCL(ncclCommAbort)(comm), ncclSuccess);
  }
  const Told told("init_error");
  EXPECT_EQ(NCCL(ncclCommInitRankConfig)(&comm, 1, id, 0, &config), ncclSystemError);
}

TEST(StandinNccl, ASlowRankReplaysAGraphSlowly) {
  const Told told("slow=2,latency_us=5,no_register");
  with_ranks(1, [](Rank& self) {
    Numbers data(8, 1);
    self.stream.capturing = true;
    all_reduce(self, data);
    EXPECT_EQ(self.stream.time_us, 0);
    self.stream.captured.at(0)(self.stream);
    self.stream.captured.at(0)(self.stream);
    EXPECT_EQ(self.stream.time_us, 20);
    void* handle{};
    const auto enroll =
        reinterpret_cast<collectives::nccl::CommRegister*>(dlsym(library(), "ncclCommRegister"));
    EXPECT_EQ(enroll(self.comm, data.data(), 32, &handle), ncclInvalidUsage);
  });
}

TEST(StandinNccl, TheOldLibraryHasNoAbort) {
  void* const old = dlopen(STANDIN_NCCL_OLD, RTLD_NOW | RTLD_LOCAL);
  ASSERT_NE(old, nullptr) << dlerror();
  EXPECT_EQ(dlsym(old, "ncclCommAbort"), nullptr);
  EXPECT_EQ(dlsym(old, "ncclCommInitRankConfig"), nullptr);
  EXPECT_NE(dlsym(old, "ncclCommInitRank"), nullptr);
}

}  // namespace
}  // namespace fabricheck::test
