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

constexpr const char* kJob =
    "4f1b2c3d4e5f:100:100 [0] NCCL INFO Bootstrap : Using eth0:172.17.0.2<0>\n"
    "4f1b2c3d4e5f:100:120 [0] NCCL INFO comm 0x7f rank 0 nranks 2 cudaDev 0 busId 1000 - Init COMPLETE\n"
    "4f1b2c3d4e5f:101:121 [1] NCCL INFO comm 0x7e rank 1 nranks 2 cudaDev 1 busId 2000 - Init COMPLETE\n";

TEST(KernelLogs, OfTheMachineBelowAContainerAreNoSecondNode) {
  const std::string xid =
      "Nov 28 10:00:00 gpu-07 kernel: NVRM: Xid (PCI:0000:01:00): 31, pid=4711, name=python\n";
  EXPECT_THAT(slugs(kJob + xid),
              testing::AllOf(Not(Contains("wrong-interface")), Not(Contains("net-socket-fallback"))));
}

TEST(KernelLogs, AreNotWhatLoggersAndStreamsWrite) {
  for (const char* line :
       {"ERROR: [2024-05-01 10:00:05,123] [trainer] CUDA error: an illegal memory access",
        "2026-05-01 10:00:00,123 ERROR failed in flash attention kernel: CUDA error: an illegal "
        "memory access",
        "stderr: [ 12.345678] NVRM: Xid (PCI:0000:01:00): 79, pid=1"})
    for (const Finding& one : diagnosed(std::string(line) + "\n").findings)
      EXPECT_EQ(one.component.host, "") << line;
}

TEST(KernelLogs, FaultsThatNoRuleKnowsMakeNothingHealthy) {
  for (const char* fault :
       {"Oops: 0000 [#1] PREEMPT SMP", "BUG: kernel NULL pointer dereference, address: 0",
        "{1}[Hardware Error]: event severity: fatal", "nvme nvme0: controller is down; will reset",
        "nfs: server 10.0.0.9 not responding, still trying",
        "python3[77]: segfault at 0 ip 0000 sp 0000 error 4"}) {
    const Diagnosis diagnosis = diagnosed(kJob + ("[ 1000.100000] " + std::string(fault)) + "\n");
    EXPECT_FALSE(diagnosis.is_conclusive) << fault;
  }
  EXPECT_TRUE(
      diagnosed(kJob + std::string("[ 1000.100000] snapd[77]: segfault at 0 ip 0000\n")).is_conclusive);
  EXPECT_TRUE(diagnosed(kJob + std::string("BUG: fix this before the release\n")).is_conclusive);
}

TEST(HostMemory, IsNotTheInvokersWhereTheVictimIsTold) {
  const Diagnosis diagnosis = diagnosed(
      "[ 1.000001] python3 invoked oom-killer: gfp_mask=0x1, order=0\n"
      "[ 1.000002] Out of memory: Killed process 999 (chrome) total-vm:1kB\n");
  EXPECT_FALSE(diagnosis.has_fault);
  EXPECT_EQ(finding(diagnosis, "host-out-of-memory")->component.name, "chrome");
}

TEST(HostMemory, OfAnotherContainerIsARemarkBesideAJobThatRan) {
  const std::string killed =
      "[ 1.000002] Memory cgroup out of memory: Killed process 31337 (python3) total-vm:1kB\n";
  EXPECT_FALSE(diagnosed(kJob + killed).has_fault);
  const std::string lost =
      "b1:10:20 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer n1<1>\n";
  EXPECT_TRUE(diagnosed(kJob + killed + lost).has_fault);
  EXPECT_TRUE(diagnosed(killed).has_fault);
}

TEST(Names, OfJobsAreWordsAndNoPartsOfThem) {
  for (const char* name : {"v2ray", "compiz", "perf"})
    EXPECT_FALSE(diagnosed("[ 1.000002] Out of memory: Killed process 9 (" + std::string(name) + ") total\n")
                     .has_fault)
        << name;
  for (const char* name : {"ray::IDLE", "VLLM::EngineCor", "all_reduce_perf", "mpirun", "pt_main_thread"})
    EXPECT_TRUE(diagnosed("[ 1.000002] Out of memory: Killed process 9 (" + std::string(name) + ") total\n")
                    .has_fault)
        << name;
}

TEST(Gpus, OfOneHostAreOneWhetherADmesgNamesItOrNot) {
  const std::string xid = "NVRM: Xid (PCI:0000:86:00): 79, pid=1, GPU has fallen off the bus.\n";
  const Diagnosis diagnosis = diagnosed("[ 12.345678] " + xid + "Nov 28 10:00:00 gpu-07 kernel: " + xid +
                                        "Nov 28 10:00:00 gpu-07.cluster.local kernel: " + xid);
  EXPECT_EQ(diagnosis.findings.size(), 1U);
}

}  // namespace
}  // namespace fabricheck::diagnose
