#include "topology/probe/nvml_unlisted.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using Node = UnlistedGpu::Node;

UnlistedGpu bound(Node node) { return {"0000:18:00.0", "nvidia", false, 3, node, "Input/output error"}; }

TEST(Unlisted, DeviceNodeDecides) {
  EXPECT_EQ(judge_unlisted(bound(Node::forbidden), {}, true).status, "hidden");
  EXPECT_EQ(judge_unlisted(bound(Node::absent), {}, true).status, "hidden");
  EXPECT_EQ(judge_unlisted(bound(Node::opens), {}, true).status, "not answering");
  EXPECT_EQ(judge_unlisted(bound(Node::fails), {}, true).status, "not answering");
  EXPECT_THAT(judge_unlisted(bound(Node::fails), {}, true).problem, HasSubstr("/dev/nvidia3: Input/output"));
  EXPECT_EQ(judge_unlisted(bound(Node::hangs), {}, true).status, "not answering");
  EXPECT_EQ(judge_unlisted(bound(Node::unknown), {}, true).status, "not answering");
}

TEST(Unlisted, NodeThatOpensIsNotHiddenByAContainer) {
  const ProcessView all{true, true, true};
  EXPECT_EQ(judge_unlisted(bound(Node::opens), all, true).status, "not answering");
  EXPECT_EQ(judge_unlisted(bound(Node::fails), all, true).status, "not answering");
}

TEST(Unlisted, MissingNodesOfABareMachineHideNothing) {
  EXPECT_EQ(judge_unlisted(bound(Node::absent), {}, false).status, "not answering");
  EXPECT_EQ(judge_unlisted(bound(Node::absent), {true, false, false}, false).status, "hidden");
  EXPECT_EQ(judge_unlisted(bound(Node::absent), {false, true, false}, false).status, "hidden");
  EXPECT_EQ(judge_unlisted(bound(Node::absent), {false, false, true}, false).status, "hidden");
}

TEST(Unlisted, WithoutEntryOfTheDriver) {
  UnlistedGpu gpu = bound(Node::unknown);
  gpu.minor.reset();
  EXPECT_EQ(judge_unlisted(gpu, {}, true).status, "not answering");
  EXPECT_EQ(judge_unlisted(gpu, {true, false, false}, true).status, "not answering");
  EXPECT_EQ(judge_unlisted(gpu, {false, true, false}, true).status, "hidden");
  EXPECT_THAT(judge_unlisted(gpu, {false, false, true}, true).problem, HasSubstr("NVIDIA_VISIBLE_DEVICES"));
}

TEST(Unlisted, DriverDecidesFirst) {
  const ProcessView all{true, true, true};
  UnlistedGpu gpu = bound(Node::forbidden);
  gpu.driver = "";
  EXPECT_EQ(judge_unlisted(gpu, all, true).status, "not answering");
  gpu.driver = "nouveau";
  EXPECT_EQ(judge_unlisted(gpu, all, true).status, "not answering");
  for (const char* const driver : {"vfio-pci", "nvgrace-gpu-vfio-pci", "pci-stub"}) {
    gpu.driver = driver;
    EXPECT_EQ(judge_unlisted(gpu, {}, false).status, "hidden") << driver;
    EXPECT_THAT(judge_unlisted(gpu, {}, false).problem, HasSubstr(driver));
  }
  gpu.driver = "nvidia";
  gpu.excluded = true;
  EXPECT_EQ(judge_unlisted(gpu, all, true).status, "not answering");
}

TEST(Unlisted, VisibleDevices) {
  EXPECT_FALSE(leaves_gpus_out(nullptr));
  EXPECT_FALSE(leaves_gpus_out(""));
  EXPECT_FALSE(leaves_gpus_out("all"));
  for (const char* const value : {"0,1", "none", "void", "GPU-00000000-0000-4000-8000-000000000000"}) {
    EXPECT_TRUE(leaves_gpus_out(value)) << value;
  }
}

}  // namespace
}  // namespace fabricheck::topology
