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

}  // namespace
}  // namespace fabricheck::diagnose
