// The forms that a kernel's log has, and what it says of a part of a GPU.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "diagnose/text_line.hpp"
#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

TEST(KernelLines, OfDecodedDmesgAndOfKmsgAreKnown) {
  for (const char* line :
       {"kern  :warn  : 2025-01-21T04:41:44,285060+00:00 pt_main_thread[2536443]: segfault at 7f79",
        "kern  :info  : [ 1234.567890] mlx5_core 0000:18:00.0: Link up",
        "kern  :err   : [Sat Nov 28 10:00:00 2026] x",
        "6,3997,206764307,-;nvidia-nvswitch2: open (major=510)", "4,12,34,c;a line that goes on"})
    EXPECT_TRUE(is_kernel_line(line)) << line;
  for (const char* line : {"kern: a word", "kernels :warn : x", "kern :loud : x", "6,3997,206764307: rows",
                           "6,7,8,9;10", "1,2,3"})
    EXPECT_FALSE(is_kernel_line(line)) << line;
  EXPECT_EQ(kernel_log_host("node7: kern  :warn  : 2025-01-21T04:41:44,285060+00:00 x"), "node7");
  EXPECT_EQ(kernel_log_host("kern  :warn  : [ 1.000000] x"), "");
}

TEST(KernelLines, OfACrashInALibraryLeaveTheJobOpenInEveryForm) {
  for (const char* front :
       {"[ 1234.567890] ", "kern  :warn  : 2025-01-21T04:41:44,285060+00:00 ", "4,7,8,-;"})
    EXPECT_EQ(first(std::string(front) + "pt_main_thread[25]: segfault at 7f7 ip 00007f sp 00007f error 4 in "
                                         "libnccl.so.2[7f7c7ac00000+d3d3000]\n"),
              "unexplained-failure")
        << front;
}

TEST(Xids, OfAPartOfAGpuNameTheGpu) {
  const Diagnosis found = diagnosed(
      "Nov 28 10:00:00 node1 kernel: NVRM: Xid (PCI:0000:1b:00 GPU-I:05 GPU-CI:01): 95, pid=7194, "
      "name=python, Uncontained: FBHUB (0x1). RST: Yes, D-RST: No\n");
  ASSERT_NE(finding(found, "gpu-xid"), nullptr);
  EXPECT_EQ(finding(found, "gpu-xid")->component.name, "0000:1b:00");
  EXPECT_TRUE(found.has_fault);
}

TEST(Xids, OfRecoveryAndPowerSayWhatIsToBeDone) {
  const std::string front = "[ 1234.567890] NVRM: Xid (PCI:0000:9b:00): ";
  const auto meaning = [&](const std::string& rest) {
    const Diagnosis found = diagnosed(front + rest + "\n");
    const Finding* xid = finding(found, "gpu-xid");
    return xid == nullptr ? std::string() : xid->meaning;
  };
  EXPECT_THAT(meaning("154, GPU recovery action changed from 0x0 (None) to 0x2 (Node Reboot Required)"),
              testing::HasSubstr("Node Reboot Required"));
  EXPECT_THAT(meaning("54, Auxiliary power not connected"), testing::HasSubstr("power"));
  EXPECT_THAT(meaning("46, pid=1234, name=python, GPU stopped processing"), testing::HasSubstr("stopped"));
}

TEST(Builds, WithoutCodeForAGpuAreNotCalledADriverThatIsTooOld) {
  const Diagnosis found = diagnosed(
      "[rank6]: RuntimeError: CUDA error: no kernel image is available for execution on the device\n");
  ASSERT_NE(finding(found, "driver-too-old"), nullptr);
  EXPECT_THAT(finding(found, "driver-too-old")->meaning,
              testing::HasSubstr("has no code for this kind of GPU"));
  EXPECT_THAT(finding(found, "driver-too-old")->advice,
              testing::Not(testing::HasSubstr("update the driver")));
}

}  // namespace
}  // namespace fabricheck::diagnose
