// Lines of other programs, and of PyTorch's own connections, in logs of jobs that ran.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr const char* kComplete =
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n"
    "a1:10:20 [0] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n"
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
    "COMPLETE\n";

TEST(ForeignLines, AccuseNobody) {
  for (const char* line :
       {"[W socket.cpp:697] [c10d] The client socket cannot be initialized to connect to [localhost]:29500 "
        "(errno: 97 - Address family not supported by protocol).",
        "[W socket.cpp:663] [c10d] The client socket has failed to connect to [::ffff:10.13.27.125]:7010 "
        "(errno: 111 - Connection refused).",
        "botocore socket error: Connection reset by peer; retrying",
        "aiohttp: ClientOSError: [Errno 104] Connection reset by peer",
        "redis: connect to 10.0.0.1<6379> failed: Connection refused, websocket",
        "postgres: dynamic shared memory segment 123 created",
        "nginx: accept4() failed (24: Too many open files)", "# tests that ncclInvalidUsage is raised ... ok",
        "rsync: No space left on device"})
    EXPECT_FALSE(diagnosed(std::string(kComplete) + line + "\n").has_fault)
        << line << testing::PrintToString(slugs(std::string(kComplete) + line + "\n"));
}

TEST(ForeignLines, OfTheFrameworkThatQuoteNcclCount) {
  const std::pair<const char*, const char*> lines[] = {
      {"socketStartConnect: Connect to 10.1.1.2<45057> failed : No route to host", "wrong-interface"},
      {"socketProgressOpt: Call to recv from 10.1.1.2<33759> failed : Connection reset by peer",
       "remote-peer-lost"},
      {"OSError: [Errno 24] Too many open files", "file-limit"},
      {"Error while creating shared memory segment /dev/shm/nccl-abc (size 5767524)", "shm-too-small"},
      {"ncclSystemError: System call (e.g. socket, malloc) or external library call failed or device error.",
       "nccl-call-failed"}};
  for (const auto& [line, slug] : lines) EXPECT_EQ(first(std::string(line) + "\n"), slug) << line;
}

}  // namespace
}  // namespace fabricheck::diagnose
