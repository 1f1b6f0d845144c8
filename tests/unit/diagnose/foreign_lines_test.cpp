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
        "nginx: accept4() failed (24: Too many open files)",
        "# tests that ncclInvalidUsage is raised ... ok",
        "rsync: No space left on device",
        "ssh: connect to host nccl-tests-worker-0.nccl-tests port 22: Connection refused",
        "botocore: retry of ckpt/nccl_state.pt: Connection reset by peer",
        "docker: Error: network bridge2 not found.",
        "I tensorflow: failed: CUDA_ERROR_OUT_OF_MEMORY, trying again",
        "INFO Out Of Memory handler installed",
        R"(if "CUDA out of memory. Tried to allocate" in str(e):)",
        R"(no "fallen off the bus" found: OK)",
        "GPU 0 had 0 uncorrectable ECC errors",
        R"({"message": "How do I fix CUDA error: out of memory?"})",
        "Memory cgroup out of memory: Killed process 12345 (prometheus) total-vm:1kB",
        "mpirun noticed that process rank 3 with PID 0 on node n1 exited on signal 15 (Terminated).",
        "srun: error: n1: task 3: Exited with exit code 143",
        "OSError: [Errno 24] Too many open files, will retry",
        "slurmstepd: error: mpi/pmix_v4: pmixp_dconn_connect: a1 [0]: Cannot connect UCX, fallback to TCP",
        "52341 52100 root 99.0 2.1 123456 65432",
        "8192 4096 bf16 1.21 453.2 166.3 67.1",
        "a1:10:20 [0] transport/net_ib/common.cc:153 NCCL WARN NET/IB : mlx5_0:1 GID table changed",
        "a1:10:20 [0] x.cc:1 NCCL WARN NCCL_WORK_FIFO_BYTES=7 is being ignored",
        R"(dmesg | grep -q "NVRM: Xid (PCI:.*): 79" && exit 1)",
        "exited on signal 9 handler registered",
        "LinkDownedCounter:....................2"})
    EXPECT_FALSE(diagnosed(std::string(kComplete) + line + "\n").has_fault)
        << line << testing::PrintToString(slugs(std::string(kComplete) + line + "\n"));
}

TEST(ForeignLines, OfWarningsThatNcclGoesOnFromNothingStaysOpen) {
  for (const char* words : {"NCCL_WORK_FIFO_BYTES=7 is being ignored", "Ignoring SHM locality",
                            "NCCL_NET_MERGE_POLICY: defaulting to ALL"})
    EXPECT_EQ(first(std::string(kComplete) + "a1:10:20 [0] x.cc:1 NCCL WARN " + words + "\n"), "healthy")
        << words;
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

TEST(ForeignLines, WhatAJobWentOnAfterIsARemark) {
  const Diagnosis found =
      diagnosed(std::string(kComplete) +
                "OOM: CUDA out of memory. Tried to allocate 2.00 GiB\nstep 100\ndone training\n");
  EXPECT_FALSE(found.has_fault);
  EXPECT_THAT(slugs(found), testing::Contains("job-recovered"));
  EXPECT_TRUE(diagnosed("done training\nCUDA out of memory. Tried to allocate 2.00 GiB\n").has_fault)
      << "the next job";
}

TEST(ForeignLines, AdviceSetsNoVariable) {
  for (const char* line :
       {"note: if it hangs try NCCL_P2P_DISABLE=1", "note: NCCL_NET_GDR_LEVEL=LOC would switch GPUDirect off",
        "NCCL_NET_GDR_LEVEL=LOC would go around it",
        "Disable NVLS (NCCL_NVLS_ENABLE=0) if you wish to avoid this error",
        "unhandled system error (run with NCCL_DEBUG=INFO for details)",
        "see whether NCCL_IB_DISABLE=1 helps"})
    EXPECT_TRUE(observed(std::string(line) + "\n").variables.empty()) << line;
}

TEST(ForeignLines, CommentsAndHintsSetNoVariable) {
  for (const char* line :
       {"# export NCCL_IB_DISABLE=1", "Hint: set NCCL_P2P_DISABLE=1 if the job hangs",
        "You can also use env NCCL_P2P_DISABLE=1 for RTX cards.",
        "common work-arounds: NCCL_P2P_DISABLE=1, NCCL_IB_DISABLE=1", "  - NCCL_IB_DISABLE=1"})
    EXPECT_TRUE(observed(std::string(line) + "\n").variables.empty()) << line;
}

TEST(ForeignLines, CommandsSetVariables) {
  for (const char* line :
       {"NCCL_P2P_DISABLE=1", "export NCCL_P2P_DISABLE=1", "  NCCL_P2P_DISABLE=1 python train.py",
        "mpirun -np 8 -x NCCL_P2P_DISABLE=1 ./all_reduce_perf", "docker run -e \"NCCL_P2P_DISABLE=1\" image",
        "srun --export=ALL,NCCL_P2P_DISABLE=1 ./a", "[1,0]<stdout>:NCCL_P2P_DISABLE=1",
        "node1: NCCL_P2P_DISABLE=1", "2026-01-01T10:00:00Z NCCL_P2P_DISABLE=1",
        "$ NCCL_P2P_DISABLE=1 torchrun train.py", "I ran NCCL_P2P_DISABLE=1 torchrun train.py",
        "CUDA_VISIBLE_DEVICES=0,1 NCCL_P2P_DISABLE=1 ./a"})
    EXPECT_EQ(observed(std::string(line) + "\n").variables.count("NCCL_P2P_DISABLE"), 1U) << line;
}

TEST(ForeignLines, AProcessThatEndsIsNoCudaError) {
  EXPECT_FALSE(diagnosed(std::string(kComplete) +
                         "a1:10:20 [0] init.cc:1 NCCL WARN Cuda failure 4 'driver shutting down'\n")
                   .has_fault);
}

TEST(ForeignLines, APluginThatIsPassedOverIsNoFailedCall) {
  EXPECT_FALSE(diagnosed("a1:10:20 [0] NCCL INFO net.cc:55 -> 3\na1:10:20 [0] NCCL INFO Using network IB\n" +
                         std::string(kComplete))
                   .has_fault);
  EXPECT_FALSE(
      diagnosed(std::string(kComplete) + "a1:10:20 [0] NCCL INFO misc/socket.cc:47 -> 3\n").has_fault);
  EXPECT_EQ(first(std::string(kComplete) + "a1:10:20 [0] NCCL INFO misc/socket.cc:47 -> 3\n"
                                           "a1:10:20 [0] NCCL INFO group.cc:70 -> 3 [Async thread]\n"),
            "nccl-call-failed");
}

TEST(ForeignLines, AVersionIsReadWithoutAFront) {
  for (const char* line :
       {"NCCL version 2.27.7+cuda12.9", "INFO vLLM is using nccl==2.27.7",
        "RuntimeError: NCCL error in: a.cpp:1, unhandled system error, NCCL version 2.27.7"}) {
    const auto found =
        slugs(std::string(line) +
              "\na1:10:20 [0] graph/paths.cc:1 NCCL WARN Failed to find reverse path from remNode\n");
    EXPECT_THAT(found, testing::Contains("nccl-bug-upgrade")) << line;
    EXPECT_THAT(found, testing::Not(testing::Contains("nccl-too-old"))) << line;
  }
}

TEST(ForeignLines, WhatIsDestroyedHadBeenComplete) {
  EXPECT_FALSE(
      diagnosed("a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 busId 1c000 - Init START\n"
                "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 2 cudaDev 0 busId 1c000 - Destroy "
                "COMPLETE\n")
          .is_start_open);
}

TEST(ForeignLines, NothingIsHealthyBesideAFailureOfAnotherProgram) {
  for (const char* line :
       {"[1591868130.001140] [n1:15407:0] mm_sysv.c:75 UCX  ERROR failed to allocate 262144 bytes",
        "libfabric:737:17474::efa:cq:efa_rdm_txe_handle_error():737<warn> err: 5, message: Invalid address",
        "slurmstepd: error: Failed to invoke spank plugin stack", "srun: error: n1: task 3: Killed",
        "b1275 [0] pmixp_coll.c:281 [pmixp_coll_log] mpi/pmix: ERROR: Dumping collective state",
        "[n1:9192] *** Process received signal ***",
        "RuntimeError: DataLoader worker (pid 37) is killed by signal: Terminated."}) {
    const Diagnosis diagnosis = diagnosed(std::string(kComplete) + line + "\n");
    EXPECT_FALSE(diagnosis.is_conclusive) << line;
    EXPECT_FALSE(diagnosis.has_fault) << line;
    ASSERT_NE(finding(diagnosis, "unexplained-failure"), nullptr) << line;
  }
}

TEST(ForeignLines, AJobThatWasEndedOnPurposeDidNotFail) {
  const Diagnosis cancelled =
      diagnosed(std::string(kComplete) +
                "slurmstepd: error: *** STEP 123.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***\n");
  EXPECT_EQ(finding(cancelled, "unexplained-failure"), nullptr);
  const Diagnosis killed = diagnosed(
      "slurmstepd: error: *** STEP 123.0 ON n1 CANCELLED AT 2026-01-01T00:00:00 ***\n"
      "api.py:869] failed (exitcode: -9) local_rank: 5 (pid: 26) of binary: python\n");
  EXPECT_FALSE(killed.has_fault) << "whoever does not end in time is killed";
}

TEST(ForeignLines, MoreWorkersThanTheWorldHoldsAreAMistakeAndFewerAreNot) {
  const std::string front = "Timed out initializing process group on rank: 0, for key: k:1 ";
  EXPECT_THAT(slugs(front + "(world_size=8, worker_count=16, timeout=0:30:00)\n"),
              testing::Contains("rank-count-mismatch"));
  EXPECT_THAT(slugs(front + "(world_size=8, worker_count=7, timeout=0:30:00)\n"),
              testing::Not(testing::Contains("rank-count-mismatch")));
}

}  // namespace
}  // namespace fabricheck::diagnose
