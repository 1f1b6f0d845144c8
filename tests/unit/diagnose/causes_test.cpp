// Which of several words in a log is the cause, and what accuses nobody where the job went on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

std::string cuda_failure(const char* source, const char* error) {
  const std::string file = source;
  return "a1:10:20 [0] " + file + ":275 NCCL WARN Cuda failure " + error + "\na1:10:20 [0] NCCL INFO " +
         file + ":275 -> 1\na1:10:20 [0] NCCL INFO init.cc:1000 -> 1\n";
}

/// Four ranks on two nodes that were joined. `a1_front` is where control connections go.
std::string joined(const std::string& interface = "eth0:10.0.0.1<0>", const char* b1_hcas = "[0]mlx5_0:1/IB",
                   const char* comm = "0x77", const char* network = "IB") {
  std::string log;
  for (const char* host : {"a1", "b1"})
    for (const char* device : {"0", "1"}) {
      const std::string front =
          std::string(host) + ":10" + device + ":20" + device + " [" + device + "] NCCL INFO ";
      const int rank = (host[0] == 'b' ? 2 : 0) + (device[0] - '0');
      const std::string pointer = "0x" + std::to_string(rank + 1);
      log += front + "Bootstrap: Using " + interface + "\n";
      if (std::string_view(network) == "IB")
        log += front + "NET/IB : Using " + (host[0] == 'b' ? b1_hcas : "[0]mlx5_0:1/IB") +
               " [RO]; OOB eth0:10.0.0.1<0>\n";
      log += front + "Using network " + network + "\n";
      log += front + "comm " + pointer + " rank " + std::to_string(rank) +
             " nRanks 4 nNodes 2 localRanks 2 localRank " + device + " MNNVL 0\n";
      log += front + "Channel 00/0 : 0[0] -> 1[0] [send] via NET/" + network + "/0/GDRDMA\n";
      log += front + "ncclCommInitRank comm " + pointer + " rank " + std::to_string(rank) +
             " nranks 4 cudaDev " + device + " nvmlDev " + device + " busId 1b000 commId " + comm +
             " - Init COMPLETE\n";
    }
  return log;
}

TEST(CudaErrors, ThatSayWhatIsWrongDoSoWhereverTheyAreMet) {
  for (const char* source : {"transport/p2p.cc", "transport/nvls.cc", "transport/net.cc"})
    for (const auto& [error, slug] :
         {std::pair{"700 'an illegal memory access was encountered'", "program-fault"},
          {"719 'unspecified launch failure'", "program-fault"},
          {"'device-side assert triggered'", "program-fault"},
          {"214 'uncorrectable ECC error encountered'", "gpu-hardware-error"},
          {"220 'uncorrectable NVLink error detected during the execution'", "gpu-hardware-error"},
          {"2 'out of memory'", "gpu-out-of-memory"},
          {"802 'system not yet initialized'", "fabric-manager-down"}}) {
      const Diagnosis found = diagnosed(cuda_failure(source, error));
      ASSERT_FALSE(found.findings.empty());
      EXPECT_EQ(found.findings.front().slug, slug) << source << error;
      EXPECT_THAT(slugs(found), Not(Contains("p2p-failed-container"))) << source << error;
      EXPECT_THAT(slugs(found), Not(Contains("nvls-failed"))) << source << error;
    }
  EXPECT_EQ(
      finding(diagnosed(cuda_failure("transport/p2p.cc", "700 'an illegal memory access'")), "program-fault")
          ->confidence,
      "likely");
}

TEST(CudaErrors, OfSharingMemoryAreOfTheTransport) {
  for (const char* error :
       {"1 'invalid argument'", "101 'invalid device ordinal'", "801 'operation not supported'",
        "217 'peer access is not supported between these two devices'"})
    EXPECT_THAT(slugs(cuda_failure("transport/p2p.cc", error)), Contains("p2p-failed-container")) << error;
}

TEST(CudaErrors, OfUnknownKindAccuseNoContainer) {
  const auto found = slugs(cuda_failure("transport/p2p.cc", "999 'unknown error'"));
  EXPECT_EQ(found.front(), "cuda-error");
  EXPECT_THAT(found, Not(Contains("p2p-failed-container")));
}

TEST(CudaErrors, TheLimitOfPeersIsNamed) {
  const Diagnosis found =
      diagnosed(cuda_failure("transport/p2p.cc", "711 'peer mapping resources exhausted'"));
  EXPECT_EQ(found.findings.front().slug, "cuda-error");
  EXPECT_THAT(found.findings.front().advice, HasSubstr("peers only up to a limit"));
}

TEST(ProgramFaults, FollowFromAGpuThatTheDriverAccuses) {
  const std::string fault = "[rank3]: RuntimeError: CUDA error: unspecified launch failure\n";
  for (const char* xid : {"48", "95", "74", "79"}) {
    const Diagnosis found =
        diagnosed(fault + "[ 9.0] NVRM: Xid (PCI:0000:9b:00): " + xid + ", pid=1, An error\n");
    EXPECT_EQ(found.findings.front().slug, "gpu-xid") << xid;
    ASSERT_NE(finding(found, "program-fault"), nullptr);
    EXPECT_EQ(finding(found, "program-fault")->caused_by, "gpu-xid") << xid;
  }
}

TEST(ProgramFaults, AreTheRootOfTheXidsThatTheyCause) {
  const Diagnosis found = diagnosed(
      "[rank3]: RuntimeError: CUDA error: an illegal memory access was encountered\n"
      "[ 9.0] NVRM: Xid (PCI:0000:9b:00): 31, pid=1, MMU Fault\n");
  EXPECT_EQ(found.findings.front().slug, "program-fault");
  EXPECT_EQ(found.findings.front().confidence, "certain");
}

TEST(ProgramFaults, OfAnUnspecificErrorAreOnlyLikely) {
  EXPECT_EQ(finding(diagnosed("RuntimeError: CUDA error: unspecified launch failure\n"), "program-fault")
                ->confidence,
            "likely");
}

TEST(Iommu, WithoutPassthroughIsARemarkWhereTheJobRan) {
  const std::string warning =
      "a1:10:20 [0] init.cc:179 NCCL WARN Missing \"iommu=pt\" from kernel command line which can lead to "
      "hang!\n";
  EXPECT_TRUE(diagnosed(warning).has_fault);
  EXPECT_EQ(finding(diagnosed(warning), "iommu-not-passthrough")->confidence, "likely");
  EXPECT_FALSE(diagnosed(joined() + warning).has_fault);
}

TEST(Interfaces, ThatJoinedTheNodesAreNotWrong) {
  for (const char* interface : {"ib0:172.17.10.1<0>", "br-ex:10.0.0.1<0>", "br-bond0:10.0.0.1<0>"}) {
    EXPECT_THAT(slugs(joined(interface)), Not(Contains("wrong-interface"))) << interface;
    const std::string whole = joined(interface);
    const std::string cut = whole.substr(0, whole.find("ncclCommInitRank"));
    EXPECT_THAT(slugs(cut + "b1:10:20 [0] NCCL INFO Bootstrap: Using " + interface + "\n"),
                Contains("wrong-interface"))
        << interface;
  }
}

TEST(Hcas, OfDifferentNumbersAreARemarkWhereTheJobStarted) {
  const Diagnosis found = diagnosed(joined("eth0:10.0.0.1<0>", "[0]mlx5_0:1/IB [1]mlx5_1:1/IB"));
  ASSERT_NE(finding(found, "hca-mismatch-between-ranks"), nullptr);
  EXPECT_EQ(finding(found, "hca-mismatch-between-ranks")->severity, Severity::info);
  EXPECT_FALSE(found.has_fault);
}

TEST(Ras, IsNotReadFromOtherProgramsCounts) {
  for (const char* line :
       {"GPU util 97%, operation counts: fwd=10 bwd=10", "INFO: 3 experts considered dead (usage < 0.1%)",
        "Worker heartbeat older than 30 s is considered dead and restarted."})
    EXPECT_FALSE(diagnosed(joined() + line + "\n").has_fault) << line;
  EXPECT_EQ(first("#0-0 (fa93daea854b060b) MISMATCH\n  Communicator ranks have different AllGather operation "
                  "counts\n"),
            "ras-mismatch-straggler");
  EXPECT_EQ(first("DEAD\n  1 job process is considered dead (unreachable via the RAS network)\n"),
            "remote-peer-lost");
}

TEST(Ofi, WarningsOfAPluginThatIsUsedAreRemarks) {
  const std::string warning =
      "a1:10:20 [0] nccl_ofi_freelist_fini:200 NCCL WARN NET/OFI freelist: 3 in-use entries were leaked\n";
  const std::string job = joined("eth0:10.0.0.1<0>", "", "0x77", "Libfabric");
  EXPECT_FALSE(diagnosed(job + warning).has_fault);
  const Diagnosis failed = diagnosed(job + warning + "srun: error: n1: task 3: Exited with exit code 1\n");
  ASSERT_NE(finding(failed, "ofi-call-failed"), nullptr);
  EXPECT_EQ(finding(failed, "ofi-call-failed")->severity, Severity::fatal);
}

TEST(HostMemory, OfTheExternStepIsNotTheJobs) {
  const auto line = [](const char* step) {
    return "Training completed.\nslurmstepd: error: Detected 1 oom_kill event in StepId=812." +
           std::string(step) + ". Some of the step tasks have been OOM Killed.\n";
  };
  const Diagnosis beside = diagnosed(joined() + line("extern"));
  EXPECT_FALSE(beside.has_fault);
  EXPECT_THAT(slugs(beside), Not(Contains("unexplained-failure")));
  EXPECT_TRUE(diagnosed(joined() + line("0")).has_fault);
}

TEST(Rccl, ItsWarningsAtTheStartAreNoCause) {
  const std::string missing =
      "a1:10:20 [0] init.cc:132 NCCL WARN Missing \"HSA_FORCE_FINE_GRAIN_PCIE=1\" from environment\n";
  EXPECT_EQ(first(missing +
                  "a1:10:20 [0] transport/p2p.cc:220 NCCL WARN hipIpcGetMemHandle failed : invalid argument\n"
                  "a1:10:20 [0] NCCL INFO transport.cc:38 -> 1\n"),
            "p2p-failed-container");
  const Diagnosis found = diagnosed(missing +
                                    "a1:10:20 [0] one.cc:1 NCCL WARN Something odd is noted\n"
                                    "a1:10:20 [0] two.cc:9 NCCL WARN The deeper reason\n"
                                    "a1:10:20 [0] NCCL INFO init.cc:38 -> 3\n");
  EXPECT_THAT(finding(found, "nccl-call-failed")->meaning, HasSubstr("The deeper reason"));
  EXPECT_THAT(finding(found, "nccl-call-failed")->evidence.front().text, HasSubstr("The deeper reason"));
}

constexpr const char* kLost =
    "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting "
    "prematurely.\n";

TEST(Recovery, IsSeenWhereAllRanksCompleteAnew) {
  const std::string again = joined("eth0:10.0.0.1<0>", "[0]mlx5_0:1/IB", "0x78");
  const Diagnosis found = diagnosed(joined() + kLost + again + "step 2000 loss 1.9\n");
  EXPECT_FALSE(found.has_fault);
  EXPECT_NE(finding(found, "job-recovered"), nullptr);
  EXPECT_TRUE(diagnosed(joined() + kLost + again.substr(0, again.rfind("b1:101"))).has_fault)
      << "one rank did not come back";
  EXPECT_TRUE(diagnosed(joined() + kLost + again + kLost).has_fault) << "it was lost again";
}

TEST(Recovery, FromALackOfGpuMemoryIsSeenByLaterSteps) {
  for (const char* lack :
       {"Auto batch size: trying 64 ... CUDA out of memory. Tried to allocate 3.00 GiB. failed\n",
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.00 GiB (caught)\n"}) {
    EXPECT_FALSE(diagnosed(joined() + lack + "step 2000 loss 1.9\n").has_fault) << lack;
    EXPECT_TRUE(diagnosed(joined() + "step 2000 loss 1.9\n" + lack).has_fault) << lack;
    EXPECT_TRUE(diagnosed(joined() + lack + "step 2000 loss nan\n").has_fault) << lack;
    EXPECT_TRUE(diagnosed(joined() + "Traceback (most recent call last):\n" + lack + "step 2000 loss 1.9\n")
                    .has_fault)
        << "other ranks may still tell their last step" << lack;
  }
}

TEST(Boots, WhatStandsBeforeTheLastOneIsARemark) {
  const std::string xid =
      "Oct  1 03:00:00 node1 kernel: NVRM: Xid (PCI:0000:1b:00): 79, pid=1, GPU has fallen\n";
  const std::string boot = "Oct  1 03:30:00 node1 kernel: Linux version 5.15.0-100-generic (buildd@lcy02)\n";
  const Diagnosis found = diagnosed(xid + boot);
  EXPECT_FALSE(found.has_fault);
  ASSERT_NE(finding(found, "errors-before-boot"), nullptr);
  EXPECT_EQ(finding(found, "errors-before-boot")->component.host, "node1");
  EXPECT_TRUE(diagnosed(boot + xid).has_fault);
  EXPECT_TRUE(diagnosed(xid + boot + xid).has_fault) << "it came again";
  EXPECT_TRUE(diagnosed(xid + "Oct  1 03:30:00 node2 kernel: Linux version 5.15.0 (buildd)\n").has_fault)
      << "another host was started";
  EXPECT_EQ(first(xid + boot + "srun: error: node1: task 3: Exited with exit code 1\n"), "gpu-xid")
      << "the job may have ended by it";
}

TEST(Teardown, OfACommunicatorThatWentWrongBehindTheWorkAccusesNobody) {
  const std::string start =
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nRanks 1 nNodes 1 localRanks 1 localRank 0 MNNVL 0\n"
      "a1:10:20 [0] NCCL INFO comm 0x5 rank 0 nranks 1 cudaDev 0 nvmlDev 0 busId 1c000 commId 0x65 - Init "
      "COMPLETE\n";
  const std::string failure =
      "[2025-06-17 21:49:04] a1:10:10 [0] transport/p2p.cc:1128 NCCL WARN Cuda failure 1 'invalid "
      "argument'\n";
  const std::string teardown =
      "[2025-06-17 21:49:04] a1:10:10 [0] init.cc:2143 NCCL WARN commReclaim: cleanup comm 0x9801e10 rank 0 "
      "failed in destroy/abort, error 1\n";
  const Diagnosis found = diagnosed(start + failure + teardown);
  EXPECT_FALSE(found.has_fault || found.is_conclusive);
  EXPECT_EQ(slugs(found), std::vector<std::string>{"unexplained-failure"});
  EXPECT_TRUE(diagnosed(start + failure).has_fault) << "nothing tells that it was about to end";
  EXPECT_TRUE(diagnosed(failure + start + teardown).has_fault) << "it began to fail before";
  EXPECT_TRUE(
      diagnosed(start + failure + teardown + "srun: error: n1: task 3: Exited with exit code 1\n").has_fault);
}

TEST(ProgramFaults, OfWhichCudaTellsNoReasonMayBeAnothers) {
  const Diagnosis found = diagnosed(
      "[1,4]<stdout>:[2026-03-19 19:40:08] w1:146:146 [0] enqueue.cc:1672 NCCL WARN Cuda failure "
      "'unspecified launch failure'\n");
  ASSERT_EQ(found.findings.front().slug, "program-fault");
  EXPECT_THAT(found.findings.front().meaning, testing::HasSubstr("over NVLink"));
}

TEST(ProgramFaults, InTheWordsOfOtherRuntimesAreTheSame) {
  for (const char* error : {"HIP error: an illegal memory access was encountered",
                            "CUDA driver error: an illegal memory access was encountered",
                            "CUDA error: device-side assert triggered"})
    EXPECT_EQ(first(std::string("RuntimeError: ") + error + "\n"), "program-fault") << error;
}

}  // namespace
}  // namespace fabricheck::diagnose
