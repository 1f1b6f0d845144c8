// Checks that use a node's devices: when they are made, and what becomes of their outcome.
#include "node/active.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::node {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RunActive : public ::testing::Test {
 protected:
  RunActive() {
    RdmaDevice nic;
    nic.name = "mlx5_0";
    nic.status = "answers";
    RdmaPort port;
    port.state = "ACTIVE";
    nic.ports = {port};
    host_.rdma_devices = {nic};
    tree_.folder("proc");
  }

  Judgement run(const Outcome& outcome) {
    const auto row = std::find_if(catalog().begin(), catalog().end(), [](const NodeRow& one) {
      return std::string_view(one.id) == "node.verbs_loopback";
    });
    DeviceChecks checks;
    checks.verbs_loopback = [&](Isolation&, std::chrono::milliseconds) { return outcome; };
    Isolation isolation({}, 1000, Deadline(std::chrono::seconds(20)));
    return run_active({{&*row, ""}}, tree_.root(), host_, checks, isolation, "node7");
  }

  Host host_;
  topology::SysTree tree_;
};

TEST_F(RunActive, AFaultBelongsToItsCheckAndIsDrainedForItsTopic) {
  Outcome bad;
  bad.verdict = Verdict::fail;
  Fault fault;
  fault.part = "mlx5_0";
  fault.text = "mlx5_0 1 GB/s to itself";
  bad.faults = {fault};
  const Judgement judgement = run(bad);
  ASSERT_THAT(judgement.faults, SizeIs(1));
  EXPECT_EQ(judgement.faults[0].check, "node.verbs_loopback");
  EXPECT_EQ(judgement.faults[0].topic, "verbs");
  ASSERT_THAT(judgement.checks, SizeIs(1));
  EXPECT_EQ(judgement.checks[0].verdict, Verdict::fail);
}

TEST_F(RunActive, WhatCameToNothingIsUnclear) {
  Outcome unclear;
  unclear.verdict = Verdict::inconclusive;
  unclear.reason = "it did not end in time";
  EXPECT_THAT(run(unclear).unclear, ElementsAre("node.verbs_loopback: it did not end in time"));
}

TEST_F(RunActive, WhatSomebodyHasOpenIsLeftAlone) {
  tree_.file("proc/12/comm", "python3\n");
  tree_.link("proc/12/fd/7", "/dev/infiniband/uverbs0");
  const Judgement judgement = run({});
  EXPECT_THAT(judgement.checks, IsEmpty());
  ASSERT_THAT(judgement.not_tested, SizeIs(1));
  EXPECT_THAT(judgement.not_tested[0].reason, HasSubstr("python3 (process 12): it is left alone"));
}

TEST_F(RunActive, WithoutAnActivePortNothingIsTested) {
  host_.rdma_devices[0].ports[0].state = "DOWN";
  const Judgement judgement = run({});
  EXPECT_THAT(judgement.checks, IsEmpty());
  ASSERT_THAT(judgement.not_tested, SizeIs(1));
  EXPECT_EQ(judgement.not_tested[0].reason, "no active RDMA port");
}

}  // namespace
}  // namespace fabricheck::node
