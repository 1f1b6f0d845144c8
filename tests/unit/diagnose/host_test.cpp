// What the kernel says of the host itself: memory, processors, processes that wait in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

TEST(HostMemory, TheModuleOfAnUncorrectedErrorIsNamed) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.0] Memory failure: 0x4d1f: Sending SIGBUS to python3:8123 due to hardware memory corruption\n"
      "[ 9.1] EDAC MC1: 1 UE memory read error on CPU_SrcID#0_MC#1_Chan#0_DIMM#0 (channel:0 slot:0)\n");
  const Finding* found = finding(diagnosis, "host-memory-error");
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(found->component.kind, "memory");
  EXPECT_EQ(found->component.name, "CPU_SrcID#0_MC#1_Chan#0_DIMM#0");
  EXPECT_EQ(found->evidence.size(), 2U);
}

TEST(HostMemory, CorrectedErrorsAndDriversThatLoadAccuseNobody) {
  for (const char* line :
       {"EDAC MC1: 1 CE memory read error on CPU_SrcID#0_MC#1_Chan#0_DIMM#0 (channel:0 slot:0)",
        "EDAC MC0: Giving out device to module skx_edac controller Skylake Socket#0 IMC#0",
        "mce: [Hardware Error]: Machine check events logged",
        "{1}[Hardware Error]: event severity: corrected"})
    EXPECT_FALSE(diagnosed(std::string(line) + "\n").has_fault) << line;
}

TEST(KernelPanics, AreOneFindingAndFollowFromTheMemory) {
  const Diagnosis diagnosis = diagnosed(
      "[ 9.0] EDAC MC1: 1 UE memory read error on DIMM_A1 (channel:0)\n"
      "[ 9.1] Kernel panic - not syncing: Fatal machine check\n"
      "[ 9.2] ---[ end Kernel panic - not syncing: Fatal machine check ]---\n");
  EXPECT_EQ(diagnosis.findings.front().slug, "host-memory-error");
  ASSERT_NE(finding(diagnosis, "kernel-panic"), nullptr);
  EXPECT_EQ(finding(diagnosis, "kernel-panic")->caused_by, "host-memory-error");
}

TEST(StuckProcessors, AreLikelyWhatStoppedTheJob) {
  const Diagnosis diagnosis = diagnosed(
      "kernel:[ 5508.49] watchdog: BUG: soft lockup - CPU#72 stuck for 23s! [cuda-EvtHandlr:4856]\n"
      "kernel:[ 5536.49] watchdog: BUG: soft lockup - CPU#72 stuck for 49s! [cuda-EvtHandlr:4856]\n");
  ASSERT_NE(finding(diagnosis, "cpu-stuck"), nullptr);
  EXPECT_EQ(finding(diagnosis, "cpu-stuck")->confidence, "likely");
  EXPECT_EQ(finding(diagnosis, "cpu-stuck")->component.kind, "host");
}

TEST(StuckProcessors, AreNotThoseThatSomebodySpeaksOf) {
  EXPECT_FALSE(diagnosed("dmesg | grep 'soft lockup - CPU#'\n").has_fault);
  EXPECT_FALSE(diagnosed("watchdog: Enabled. Soft lockup and hard lockup detectors run\n").has_fault);
}

TEST(BlockedTasks, OfTheJobAreAFaultAndOthersARemark) {
  const Diagnosis job =
      diagnosed("[ 9.1] INFO: task pt_data_worker:8123 blocked for more than 122 seconds.\n");
  ASSERT_NE(finding(job, "task-blocked"), nullptr);
  EXPECT_EQ(finding(job, "task-blocked")->severity, Severity::bad);
  EXPECT_EQ(finding(job, "task-blocked")->component.name, "pt_data_worker");

  const Diagnosis other =
      diagnosed("kernel: INFO: task kworker/u256:2:4711 blocked for more than 120 seconds.\n");
  EXPECT_FALSE(other.has_fault);
  ASSERT_NE(finding(other, "task-blocked"), nullptr);
  EXPECT_EQ(finding(other, "task-blocked")->component.name, "kworker/u256:2");
}

TEST(BlockedTasks, ThatAnotherProgramTellsOfAreNone) {
  EXPECT_THAT(slugs("the request was blocked for more than 30 seconds by the proxy\n"),
              Not(Contains("task-blocked")));
  EXPECT_THAT(slugs("INFO: task queue is blocked for more than a day\n"), Not(Contains("task-blocked")));
}

TEST(KernelLogs, TellTheirHost) {
  const std::string xid = "NVRM: Xid (PCI:0000:86:00): 79, pid=1, GPU has fallen off the bus.\n";
  for (const char* front : {"Nov 28 10:00:00 node7 kernel: ", "Nov  2 10:00:00 node7 kernel: [ 12.345678] ",
                            "2026-11-28T10:00:00.123456+00:00 node7 kernel: ", "node7: [   12.345678] ",
                            "node7: [Sat Nov 28 10:00:00 2026] "}) {
    const Diagnosis diagnosis = diagnosed(front + xid);
    ASSERT_NE(finding(diagnosis, "gpu-xid"), nullptr) << front;
    EXPECT_EQ(finding(diagnosis, "gpu-xid")->component.host, "node7") << front;
  }
  for (const char* front : {"[ 12.345678] ", "kernel: [ 12.345678] ", "2026-11-28 10:00:00 - INFO - kernel: ",
                            "I was told by node7 kernel: ", "[Sat Nov 28 10:00:00 2026] "}) {
    const Diagnosis diagnosis = diagnosed(front + xid);
    ASSERT_NE(finding(diagnosis, "gpu-xid"), nullptr) << front;
    EXPECT_EQ(finding(diagnosis, "gpu-xid")->component.host, "") << front;
  }
}

TEST(KernelLogs, OfSeveralHostsNameAllGpusToMend) {
  std::string log;
  for (const char* host : {"node7", "node8"})
    log += std::string("Nov 28 10:00:00 ") + host +
           " kernel: NVRM: Xid (PCI:0000:86:00): 79, pid=1, off the bus\n";
  log += "Nov 28 10:00:00 node3 kernel: NVRM: Xid (PCI:0000:1a:00): 48, pid=1, DBE\n";
  log += "Nov 28 10:00:00 node4 kernel: NVRM: Xid (PCI:0000:1a:00): 13, pid=1, Graphics Exception\n";
  std::vector<std::string> accused;
  for (const Finding& one : diagnosed(log).findings)
    if (one.severity != Severity::info) accused.push_back(one.component.name + " " + one.component.host);
  EXPECT_THAT(accused, testing::ElementsAre("0000:86:00 node7", "0000:86:00 node8", "0000:1a:00 node3"))
      << "XID 13 is most often the program's";
}

TEST(KernelLogs, OfSeveralHostsInOneFileAreKeptApart) {
  const std::string device = "kernel: mlx5_core 0000:18:00.0 ens1np0: Link ";
  const Diagnosis diagnosis = diagnosed("Nov 28 10:00:00 node7 " + device + "up\nNov 28 10:00:01 node7 " +
                                        device + "down\nNov 28 10:00:02 node8 " + device + "up\n");
  ASSERT_NE(finding(diagnosis, "link-flap"), nullptr);
  EXPECT_EQ(finding(diagnosis, "link-flap")->component.host, "node7");
  EXPECT_THAT(finding(diagnosis, "link-flap")->meaning, HasSubstr("did not come back"));
}

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

}  // namespace
}  // namespace fabricheck::diagnose
