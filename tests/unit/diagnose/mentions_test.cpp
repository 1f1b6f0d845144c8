// Words of failures in lines that only speak of them, and the same words where something failed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr const char* kComplete =
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 1 nNodes 1 localRanks 1 localRank 0 MNNVL 0\n"
    "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 1 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
    "COMPLETE\n";

TEST(Mentions, OfFailuresThatNobodyHadLeaveAJobHealthy) {
  for (const char* line :
       {// Checks that found nothing.
        "preflight: checking for Xid errors ... none", "preflight: dmesg | grep -c 'fallen off the bus' -> 0",
        "preflight: CUDA error: none", "preflight: GPU is lost: no",
        "[healthcheck] nvidia-smi: OK (no 'GPU is lost')", "[healthcheck] ECC: OK, NVRM: Xid (none)",
        "[healthcheck] checked 24 patterns: Out of memory: Killed process, soft lockup - CPU#, Kernel panic "
        "- "
        "not syncing: all absent",
        // Settings.
        "  restart_on: [RendezvousTimeoutError, ChildFailedError, NCCL]", "  - RendezvousTimeoutError",
        "  - 'GPU is lost'",
        "  patterns: ['GPU is lost', 'fallen off the bus', 'CUDA error: uncorrectable ECC error', 'exited on "
        "signal 9']",
        R"(config: {"on_error": "CUDA error: out of memory", "retries": 3})",
        // Help and prose.
        "  --nccl-watchdog  abort when the watchdog thread terminated with exception or Your program may be "
        "hanging (default: off)",
        "usage: train.py [--resume]  abort on 'CUDA out of memory. Tried to allocate' errors",
        R"(INFO: If you see "CUDA error: device-side assert triggered" set CUDA_LAUNCH_BLOCKING=1.)",
        "Tip: GPU is lost errors (fallen off the bus) need a reboot, see docs",
        R"(sample[3] text: "I got RuntimeError: CUDA error: an illegal memory access was encountered")",
        "sample[5] text: dmesg: NVRM: Xid (PCI:0000:9b:00): 79, GPU has fallen off the bus.",
        // Code.
        "    raise RuntimeError(\"Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1b000\")",
        "        if \"system not yet initialized\" in str(e): restart()",
        "[rank0]:     raise RuntimeError(\"No transport found\")"})
    EXPECT_EQ(first(std::string(kComplete) + line + "\n"), "healthy") << line;
}

TEST(Mentions, AreNoneWhereSomethingFailed) {
  for (const char* line :
       {"a1: Test CUDA failure common.cu:891 'system not yet initialized'",
        "RuntimeError: 'CUDA error: an illegal memory access was encountered'",
        R"(2026-11-28 {"level": "error", "msg": "CUDA error: an illegal memory access was encountered"})",
        "Unable to determine the device handle for GPU 0000:3D:00.0: GPU is lost.  Reboot the system",
        "NVRM: GPU at PCI:0000:9b:00: GPU has fallen off the bus.",
        "[ 12.345678] Kernel panic - not syncing: Fatal exception",
        "[ 12.345678] watchdog: BUG: soft lockup - CPU#5 stuck for 22s! [python:1234]",
        "Out of memory: Killed process 123 (python)", "[RendezvousTimeoutError] the ranks did not meet",
        "torch.distributed.elastic.rendezvous.api.RendezvousTimeoutError",
        "[rank3]: torch.distributed.elastic.rendezvous.api.RendezvousTimeoutError",
        "RuntimeError: Duplicate GPU detected : rank 0 and rank 1 both on CUDA device 1b000"})
    EXPECT_TRUE(diagnosed(std::string(line) + "\n").has_fault) << line;
}

TEST(Mentions, OfNcclsLinesInProseAndChatsAreNoLog) {
  for (const char* line :
       {"[10:04] alice: we see NCCL WARN NET/IB : Got completion from peer 10.1.2.3<4791> with error 12, "
        "opcode "
        "0, len 0, vendor err 129 in a few of them",
        "[10:05] bob: last time `NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory` was "
        "it",
        "[10:06] bob: you would get \"NCCL WARN Cuda failure 802 'system not yet initialized'\" without it",
        "A line such as NCCL WARN Connect to 10.0.0.1<1234> failed : Connection refused tells of it.",
        "When memory cannot be registered, NCCL prints NCCL WARN Call to ibv_reg_mr failed.",
        "训练时报错NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory",
        "训练时报错 NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory",
        "**Q: My job hangs with `socketStartConnect: Connect to 10.0.0.2<40123> failed : Connection "
        "refused`?**",
        "**Q: I get `RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:1269, internal error`.**",
        "Then you get ncclSystemError: System call (e.g. socket, malloc) or external library call failed",
        "- `Watchdog caught collective operation timeout: WorkNCCL(SeqNum=15, OpType=ALLREDUCE)` means that"})
    EXPECT_TRUE(slugs(std::string(line) + "\n").empty()) << line;
}

TEST(Mentions, AreNoneWhereALauncherOrALogQuotesNccl) {
  constexpr const char* kWarning = "NCCL WARN Call to ibv_reg_mr failed with error Cannot allocate memory";
  for (const char* before :
       {"", "a1:10:20 [0] ", "a1:10:20 [0] misc/ibvwrap.cc:182 ",
        "a1:10:20 [0] ibvwrap.cc:182 (wrap_ibv_reg_mr) ", "misc/ibvwrap.cc:182 ",
        "[1,3]<stdout>:", "trainer-1  | ", "worker-0: ", "{\"log\":\"", "\"message\": \"",
        "(Worker pid=7, ip=10.0.0.1) ", "> ", "│ ", "2026-11-28T10:00:00Z stderr F ", "  what():  ",
        "[10:04] alice: a1:10:20 [0] misc/ibvwrap.cc:182 ", "a1:10:20 [0] nccl_net_ofi_reg(void*):969 "})
    EXPECT_TRUE(diagnosed(std::string(before) + kWarning + "\n").has_fault) << before;
}

TEST(Mentions, InAFileThatHasAKernelLogAreNoKernelLines) {
  std::string log;
  for (int i = 0; i < 6; ++i) log += "[ 12.34567" + std::to_string(i) + "] usb 1-1: new device\n";
  EXPECT_FALSE(diagnosed(log + "alert rule: Kernel panic - not syncing: Fatal exception\n").has_fault);
  EXPECT_TRUE(diagnosed(log + "[ 13.000000] Kernel panic - not syncing: Fatal exception\n").has_fault);
}

}  // namespace
}  // namespace fabricheck::diagnose
