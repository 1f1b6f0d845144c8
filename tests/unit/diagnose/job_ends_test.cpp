// How jobs and their processes end, and what only looks like it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(Daemons, OfMpirunThatWereLostNameTheirNode) {
  const Diagnosis diagnosis = diagnosed(
      " ORTE has lost communication with a remote daemon.\n\n  HNP daemon   : [[53923,0],0] on node b4109\n"
      "  Remote daemon: [[53923,0],14] on node b4124\n");
  ASSERT_NE(finding(diagnosis, "mpi-daemon-lost"), nullptr);
  EXPECT_EQ(finding(diagnosis, "mpi-daemon-lost")->component.host, "b4124");
  EXPECT_EQ(finding(diagnosis, "mpi-daemon-lost")->confidence, "likely") << "it may be the network";
}

TEST(LockedMemory, ThatUcxLacksIsNoEndOfTheJob) {
  const Diagnosis diagnosis = diagnosed(
      "[166:1188443:0] ib_log.c:246  UCX  ERROR mlx5_0: ibv_create_cq() failed: Cannot allocate memory. "
      "Please set "
      "max locked memory (ulimit -l) to 'unlimited' (current: 64 kbytes)\n");
  ASSERT_NE(finding(diagnosis, "memlock"), nullptr);
  EXPECT_EQ(finding(diagnosis, "memlock")->severity, Severity::bad);
}

TEST(Processes, ThatWereKilledBeforeTheJobWasCancelledWereNotKilledForIt) {
  const std::string killed = "api.py:869] failed (exitcode: -9) local_rank: 5 (pid: 26) of binary: python\n";
  const std::string end = "slurmstepd: error: *** STEP 5.0 ON gpu-07 CANCELLED AT 2026-01-01T00:00:00 ***\n";
  EXPECT_TRUE(diagnosed(killed + end).has_fault) << "Slurm ends a step because a task has died";
  EXPECT_FALSE(diagnosed(end + killed).has_fault);
  EXPECT_FALSE(diagnosed(end + "srun: error: n1: task 3: Exited with exit code 1\n").has_fault);
}

TEST(Processes, ThatAbortFollowFromTheTimeOut) {
  const std::string timeout =
      "[E ProcessGroupNCCL.cpp:481] [Rank 65] Watchdog caught collective operation timeout: "
      "WorkNCCL(SeqNum=15, "
      "OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800441 milliseconds before timing out.\n";
  const std::string abort =
      "terminate called after throwing an instance of 'c10::DistBackendError'\nFatal Python error: Aborted\n";
  EXPECT_EQ(diagnosed(timeout + abort).findings.front().slug, "collective-timeout");
  EXPECT_EQ(diagnosed(abort).findings.front().slug, "process-crashed") << "nothing else tells why";
  EXPECT_EQ(diagnosed(timeout + "Fatal Python error: Segmentation fault\n").findings.front().slug,
            "process-crashed");
  EXPECT_FALSE(
      diagnosed(
          "Fatal Python error: _enter_buffered_busy: could not acquire lock for <_io.BufferedWriter> at "
          "interpreter shutdown, possibly due to daemon threads\n")
          .has_fault);
}

TEST(Processes, ThatTheLauncherKilledAreNotTheCause) {
  const std::string killed =
      "mpirun noticed that process rank 1 with PID 7 on node n1 exited on signal 9 (Killed).\n";
  const std::string abort =
      "MPI_ABORT was invoked on rank 3 in communicator MPI_COMM_WORLD with errorcode 1.\n";
  EXPECT_EQ(diagnosed(abort + killed).findings.front().confidence, "possible");
  EXPECT_THAT(diagnosed(abort + killed).findings.front().meaning, Not(HasSubstr("memory")));
  EXPECT_THAT(slugs(abort + "Fatal Python error: Segmentation fault\n" + killed),
              Not(Contains("process-killed")));
}

TEST(Words, InQuotesAreOfDocumentationOrCode) {
  for (const char* line :
       {"see **`nvidia-container-cli: requirement error`** below",
        "PATTERNS = [\"Segmentation fault (core dumped)\",", "Checking EDAC MC0: 0 CE, 0 UE of mc0"})
    EXPECT_FALSE(diagnosed(std::string(line) + "\n").has_fault) << line;
}

constexpr const char* kStart =
    "gpu-07:100:120 [0] NCCL INFO comm 0x7f rank 0 nranks 1 cudaDev 0 busId 1000 - Init COMPLETE\n";
constexpr const char* kPreempted =
    "slurmstepd: error: *** JOB 991 ON gpu-07 CANCELLED AT 2026-01-01T00:00:00 DUE TO PREEMPTION ***\n";
constexpr const char* kExit = "srun: error: gpu-07: task 3: Exited with exit code 1\n";

TEST(JobEnds, AScriptThatSaysFinishedWhateverCameOfItClearsNothing) {
  const std::string fault = "RuntimeError: CUDA error: an illegal memory access was encountered\n";
  EXPECT_TRUE(diagnosed(kStart + fault + "Training completed.\n").has_fault);
  EXPECT_TRUE(diagnosed(kStart + std::string(kExit) + "Training finished or stopped!\n").has_fault);
  EXPECT_FALSE(diagnosed(fault + kStart + "Training completed.\n").has_fault) << "NCCL has started anew";
  const Diagnosis out_of_memory = diagnosed(
      kStart + std::string("CUDA out of memory. Tried to allocate 2 GiB\n") + "Training completed.\n");
  EXPECT_FALSE(out_of_memory.has_fault) << "programs skip a batch for it";
  EXPECT_FALSE(out_of_memory.is_conclusive);
}

TEST(JobEnds, BeforeTheyBeganNameTheNodeThatRefused) {
  const std::string slurmd =
      "[2026-11-28T10:00:00.123] error: prolog failed: rc:1 output:fabricheck: draining node3: fabricheck: "
      "nvlink: GPU3 has 2 of 4 links\n";
  const Diagnosis found = diagnosed("srun: Prolog failure on node node3\n" + slurmd);
  ASSERT_EQ(found.findings.front().slug, "node-refused-job") << testing::PrintToString(slugs(found));
  EXPECT_EQ(found.findings.front().component.host, "node3");
  EXPECT_THAT(found.findings.front().meaning, HasSubstr("GPU3 has 2 of 4 links"));
  EXPECT_FALSE(diagnosed("srun: Prolog failure on node node3\n" + std::string(kStart)).has_fault)
      << "it was started elsewhere";
  EXPECT_FALSE(diagnosed("fabricheck: NOT draining node3: fabricheck has no right; it would be for 'x'\n"
                         "  --draining  how: draining nodes: by hand\n")
                   .has_fault);
}

TEST(JobEnds, ThatMpirunDidNotBeginAreOnesOfTheLastCommandAlone) {
  const std::string slots = "There are not enough slots available in the system to satisfy the 16\n";
  EXPECT_EQ(first(kStart + slots), "mpi-job-not-started");
  EXPECT_FALSE(diagnosed(slots + kStart).has_fault) << "it was started by another command";
  EXPECT_FALSE(diagnosed(slots + "step 100 loss 2.1\n").has_fault);
  EXPECT_FALSE(
      diagnosed("  --oversubscribe  when \"" + slots.substr(0, slots.size() - 1) + "\" is said\n").has_fault);
}

TEST(JobEnds, BySlurmAreLedByItsReason) {
  const std::string aborted = "srun: Job step aborted: Waiting up to 32 seconds for job step to finish.\n";
  const std::string at = "slurmstepd: error: *** JOB 12 ON node3 CANCELLED AT 2026-11-28T10:00:00 ";
  const std::string after =
      "srun: error: node3: task 0: Terminated\n[rank0]: Traceback (most recent call last):\n";
  const std::pair<const char*, const char*> reasons[] = {{"DUE TO TIME LIMIT ***\n", "time-limit"},
                                                         {"DUE TO PREEMPTION ***\n", "preempted"},
                                                         {"***\n", "job-cancelled"}};
  for (const auto& [reason, slug] : reasons)
    for (const std::string& log : {at + reason + aborted + after, aborted + at + reason + after}) {
      const Diagnosis found = diagnosed(kStart + log);
      EXPECT_NE(finding(found, slug), nullptr) << log;
      EXPECT_EQ(finding(found, "unexplained-failure"), nullptr) << log;
      EXPECT_EQ(found.is_conclusive, slug == std::string_view("preempted")) << log;
    }
  EXPECT_EQ(first(kStart + aborted), "unexplained-failure") << "nothing tells why";
  EXPECT_EQ(first(kStart + std::string("Aborted (core dumped)\n") + at + "***\n" + aborted),
            "unexplained-failure")
      << "it had failed before";
}

TEST(JobEnds, ByAnExceptionOfOneRankNameItAndTheRestFollows) {
  const std::string thrown =
      "[rank2]: Traceback (most recent call last):\n[rank2]:     out = model(x)\n"
      "[rank2]: RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x1024 and 2048x512)\n";
  const Diagnosis torchrun =
      diagnosed(kStart + thrown + "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: \n");
  ASSERT_EQ(torchrun.findings.front().slug, "program-exception") << testing::PrintToString(slugs(torchrun));
  EXPECT_THAT(torchrun.findings.front().meaning, HasSubstr("rank 2 ended with RuntimeError"));
  EXPECT_EQ(torchrun.findings.front().component.name, "rank 2");
  ASSERT_NE(finding(torchrun, "job-failed"), nullptr);
  EXPECT_EQ(finding(torchrun, "job-failed")->caused_by, "program-exception");
  EXPECT_THAT(finding(torchrun, "job-failed")->meaning, Not(HasSubstr("does not say why")));
  const Diagnosis peers = diagnosed(
      kStart + std::string("[rank2]: KeyError: 'input_ids'\n") +
      "gpu-07:100:120 [1] misc/socket.cc:58 NCCL WARN socketProgress: Connection closed by remote peer "
      "node2<41000>\n"
      "[rank1]: torch.distributed.DistBackendError: NCCL error in: x.cpp:2027, remote process exited or "
      "there "
      "was a network error, NCCL version 2.21.5\n");
  EXPECT_EQ(peers.findings.front().slug, "program-exception") << testing::PrintToString(slugs(peers));
  EXPECT_EQ(finding(peers, "remote-peer-lost")->caused_by, "program-exception");
}

TEST(JobEnds, ByExceptionsThatFollowOrWereGoneOnFromAccuseNoProgram) {
  for (const std::string log :
       {"[rank1]: torch.distributed.DistBackendError: NCCL error in: x.cpp:1, remote process exited\n",
        "[rank1]: ConnectionResetError: [Errno 104] Connection reset by peer\n",
        "[rank1]: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n",
        "[rank1]: RuntimeError: CUDA error: uncorrectable ECC error encountered\n",
        "[rank1]: KeyError: 'a'\ngpu-07:1:2 [0] NCCL INFO comm 0x7f rank 0 nranks 1 cudaDev 0 busId 1000 - "
        "Init "
        "COMPLETE\n",
        "[rank1]: KeyError: 'a'\nTraining finished\n"})
    EXPECT_THAT(slugs(kStart + log), Not(Contains("program-exception"))) << log;
}

TEST(JobEnds, AnEarlierEndIsNotThatOfTheNextAttempt) {
  EXPECT_TRUE(diagnosed(kPreempted + std::string(kStart) + kExit).has_fault);
  EXPECT_FALSE(diagnosed(kStart + std::string(kPreempted) + kExit).has_fault);
}

TEST(JobEnds, OfAJobThatSomebodyEndedAreOpen) {
  const Diagnosis diagnosis = diagnosed(
      kStart +
      std::string("slurmstepd: error: *** STEP 5.0 ON gpu-07 CANCELLED AT 2026-01-01T00:00:00 ***\n"));
  EXPECT_FALSE(diagnosis.has_fault);
  EXPECT_FALSE(diagnosis.is_conclusive) << "people end jobs that hang";
}

TEST(JobEnds, InTheWordsOfOtherProgramsMakeNothingHealthy) {
  for (const char* line :
       {"[2024-03-20] [ERROR] [launch.py:434:sigkill_handler] ['python'] exits with return code = 1",
        "mpirun detected that one or more processes exited with non-zero status, thus causing",
        "RuntimeError: CUDA "
        "error: operation not permitted when stream is capturing",
        "RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED",
        "=   BAD TERMINATION OF ONE OF YOUR APPLICATION PROCESSES", "    Reason:       OOMKilled",
        "##[error]Process completed with exit code 137.",
        "[1667117403.755480] [n1:1:0] ucc.c:1 UCC  ERROR no CL",
        "[rank1]: OSError: [Errno 116] Stale file handle",
        "train.sh: line 22: 1234 Bus error               (core dumped)",
        "Horovod has been shut down. This was caused by an exception", "iteration 5 | lm loss: nan |"}) {
    const Diagnosis found = diagnosed(kStart + std::string(line) + "\n");
    EXPECT_TRUE(found.has_fault || !found.is_conclusive) << line;
  }
  EXPECT_TRUE(diagnosed(kStart + std::string("iteration 5 | lm loss: 1.9 |\n")).is_conclusive);
}

TEST(Words, BehindANumberSignOrAQuestionCount) {
  for (const char* line : {"##[error]RuntimeError: CUDA error: an illegal memory access was encountered",
                           "[epoch #3] RuntimeError: CUDA error: an illegal memory access was encountered"})
    EXPECT_TRUE(diagnosed(std::string(line) + "\n").has_fault) << line;
  EXPECT_FALSE(diagnosed("# CUDA error: an illegal memory access\n").has_fault) << "a comment";
}

TEST(OtherHosts, AreNotTheCauseOfWhatHappenedToTheJob) {
  const std::string job =
      "gpu-07:100:120 [0] NCCL INFO comm 0x7f rank 0 nranks 2 nNodes 2 localRanks 1 localRank 0\n"
      "gpu-08:100:120 [0] NCCL INFO comm 0x7f rank 1 nranks 2 nNodes 2 localRanks 1 localRank 0\n"
      "gpu-07:100:130 [0] net_ib.cc:1007 NCCL WARN NET/IB : Got completion from peer 10.1.2.8<4> "
      "with error 12, opcode 0, len 0\n";
  const std::string fault =
      " kernel: mlx5_core 0000:18:00.0: device's health compromised - reached miss count\n";
  const Diagnosis elsewhere = diagnosed(job + "Nov 28 10:00:00 login01" + fault);
  EXPECT_EQ(elsewhere.findings.front().slug, "ib-retry-exceeded");
  EXPECT_EQ(finding(elsewhere, "ib-device-fatal")->confidence, "possible");
  EXPECT_THAT(finding(elsewhere, "ib-device-fatal")->meaning,
              HasSubstr("none of those that NCCL's lines name"));
  const std::string panic = " kernel: Kernel panic - not syncing: Fatal exception\n";
  const Diagnosis both =
      diagnosed(job + "Nov 28 10:00:00 login01" + panic + "Nov 28 10:00:00 gpu-08" + panic +
                "Nov 28 10:00:01 login02 kernel: Kernel panic - not syncing: hung_task\n");
  EXPECT_EQ(finding(both, "kernel-panic")->component.host.find("login02"), std::string::npos);
  const Diagnosis own = diagnosed(job + "Nov 28 10:00:00 gpu-08.cluster.local" + fault);
  EXPECT_EQ(own.findings.front().slug, "ib-device-fatal");
  EXPECT_EQ(own.findings.front().component.host, "gpu-08.cluster.local");
}

}  // namespace
}  // namespace fabricheck::diagnose
