// Errors that loggers and shells write: a job may end with them, and go on after them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "diagnose/end_words.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

std::string line_of(const char* what, int rank) {
  return "a1:1" + std::to_string(rank) + ":20 [" + std::to_string(rank) + "] NCCL INFO comm 0x5 rank " +
         std::to_string(rank) + what;
}

/// A start of two ranks on one node.
std::string start() {
  std::string log;
  for (int rank = 0; rank < 2; ++rank)
    log += line_of(" nRanks 2 nNodes 1 localRanks 2 localRank 0 MNNVL 0\n", rank) + "a1:1" +
           std::to_string(rank) + ":20 [" + std::to_string(rank) +
           "] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/IPC\n" +
           line_of(" nranks 2 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init COMPLETE\n", rank);
  return log;
}

constexpr const char* kComplaints[] = {
    "ERROR:__main__:dataset /data/train is empty, giving up",
    "CRITICAL:root:cannot go on",
    "2026-11-28 10:00:00,123 - trainer - ERROR - Training failed: dataset not found",
    "2026-11-28 10:00:00.123 | ERROR    | __main__:main:33 - An error has been caught in function '<module>'",
    "[2026-11-28 10:00:00,123][__main__][ERROR] - training failed",
    "time=\"2026-11-28T10:00:00Z\" level=error msg=\"step failed\"",
    "ERROR 03-27 22:19:40 [core.py:367] EngineCore failed to start.",
    "(EngineCore pid=7) ERROR 03-27 22:19:40 [core.py:367] EngineCore failed to start.",
    "E1128 10:00:00.123456 140641718562816 trainer.py:88] giving up after 3 tries",
    "2026-11-28 10:00:00 [error    ] training aborted              rank=3",
    "10:00:00 ERROR trainer: no batches left in /data",
    "[ERROR] trainer: could not read /data",
    "[rank1]:[E909 08:45:30.126335825 ProcessGroupGloo.cpp:138] Rank 2 failed to pass monitoredBarrier",
    "[E ProcessGroupGloo.cpp:138] Rank 2 failed to pass monitoredBarrier in 1800000 ms",
    "2026-11-28 15:47:38.568412: E external/xla/service.cc:1170] task 3 has been set to ERROR",
    // Of shells, loaders and ssh.
    "Host key verification failed.",
    "root@10.0.0.2: Permission denied (publickey,password).",
    "ssh: Could not resolve hostname worker-3.default.svc: Name or service not known",
    "Connection to 10.0.0.2 closed by remote host.",
    "client_loop: send disconnect: Broken pipe",
    "bash: line 1: torchrun: command not found",
    "/bin/bash: line 1: /usr/sbin/sshd: No such file or directory",
    "run.sh: line 12: ./train: Permission denied",
    "./all_reduce_perf: error while loading shared libraries: libmpi.so.40: cannot open shared object file",
    "/lib64/libstdc++.so.6: version `GLIBCXX_3.4.30' not found (required by ./all_reduce_perf)",
    "python: can't open file '/home/me/train.py': [Errno 2] No such file or directory",
    "/usr/bin/python: No module named megatron",
    "train.py: error: unrecognized arguments: --foo",
    "cp: error writing '/ckpt/x': Disk quota exceeded",
    "NVIDIA H100 80GB HBM3 with CUDA capability sm_90 is not compatible with the current PyTorch "
    "installation.",
    "Warning  BackOff  2m49s  kubelet  Back-off restarting failed container trainer in pod "
    "worker-0_ml(8d68)",
    "worker-1   0/1     ImagePullBackOff   0   12m",
};

constexpr const char* kHarmless[] = {
    "log_level: ERROR",
    "  --log-level ERROR  what is written (default: INFO)",
    "logging.level=ERROR",
    "{'log_level': 'ERROR'}",
    "PASSED 12  ERROR 0  FAILED 0",
    "3 passed, 0 ERROR",
    "ERROR: 0",
    "ERROR-free run of 200 steps",
    "ERROR:wandb.sdk.internal:network error (ReadTimeout), entering retry loop",
    "E0000 00:00:1764324000.123456    1234 cuda_dnn.cc:8310] Unable to register cuDNN factory",
    "    raise ValueError(\"ERROR: wrong\")",
    "Energy 1128 10:00:00 [J]",
    "severity=Corrected, type=Physical Layer",
    "cat: /proc/driver/nvidia/version: No such file or directory",
    "libtpu.so: cannot open shared object file: No such file or directory",
    "srun: error: n1: task 3: Exited with exit code 143",
    "which: no ibstat in (/usr/bin); command not found is handled",
};

TEST(Complaints, AreSeenWhereALoggerPutsTheLevel) {
  for (const char* line : kComplaints) EXPECT_EQ(last_words_of(line), LastWords::complaint) << line;
  for (const char* line : kHarmless) EXPECT_EQ(last_words_of(line), LastWords::none) << line;
}

TEST(Complaints, ThatEndALogLeaveItOpenAndAreQuoted) {
  ASSERT_EQ(first(start()), "healthy");
  for (const char* line : kComplaints) {
    const Diagnosis found = diagnosed(start() + line + "\n");
    EXPECT_FALSE(found.has_fault || found.is_conclusive) << line;
    ASSERT_NE(finding(found, "unexplained-failure"), nullptr) << line;
    EXPECT_EQ(finding(found, "unexplained-failure")->evidence.front().text, line);
  }
  for (const char* line : kHarmless) EXPECT_EQ(first(start() + line + "\n"), "healthy") << line;
}

TEST(Complaints, ThatAJobWentOnAfterLeaveItHealthy) {
  const std::string complaint = "ERROR:__main__:shard 17 cannot be read, trying again\n";
  EXPECT_EQ(first(start() + complaint + "iteration 100/ 500 | lm loss: 2.1 |\n"), "healthy");
  EXPECT_EQ(first(start() + complaint + "Training finished\n"), "healthy");
  EXPECT_EQ(first(complaint + start()), "healthy");
  EXPECT_EQ(first(start() + complaint +
                  "     8388608       2097152     float     sum      -1    131.3   63.90   95.85      0    "
                  "130.1   64.48   96.72      0\n"),
            "healthy");
  EXPECT_EQ(first(start() + complaint + "iteration 100/ 500 | lm loss: 2.1 |\nERROR:__main__:no more\n"),
            "unexplained-failure");
}

TEST(Complaints, OfARankBeforeAllHaveStartedAreNotGoneOnFrom) {
  const std::string both = start();
  const std::size_t last = both.rfind("a1:11:20 [1] NCCL INFO comm");
  const std::string log = both.substr(0, last) + "ERROR:__main__:rank 0 gives up\n" + both.substr(last);
  EXPECT_EQ(first(log), "unexplained-failure") << "rank 0 had completed before and does not again";
}

TEST(Complaints, OfEachFileStandByThemselves) {
  Observations seen;
  read_text(start() + "ERROR:__main__:dataset is empty\n", seen);
  read_text("ERROR:__main__:trying again\niteration 100/ 500 | lm loss: 2.1 |\n", seen);
  set_recovered_apart(seen);
  const Diagnosis found = diagnose(seen);
  ASSERT_NE(finding(found, "unexplained-failure"), nullptr);
  EXPECT_EQ(finding(found, "unexplained-failure")->evidence.size(), 1U);
}

}  // namespace
}  // namespace fabricheck::diagnose
