#include "app/verbs_loopback.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "support/verbs/stub_provider.hpp"

namespace fabricheck::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::SizeIs;

Host with_ports(std::initializer_list<const char*> devices) {
  Host host;
  host.name = "h7";
  for (const char* name : devices) {
    RdmaDevice device;
    device.name = name;
    device.ports = {test::stub_port(1)};
    host.rdma_devices.push_back(device);
  }
  return host;
}

std::vector<LoopbackEnd> loop(const Host& host, test::StubFaults* faults = nullptr) {
  const SteadyClock clock;
  test::StubDevice device;
  device.faults = faults;
  return loop_ports(
      host, [&](const std::string&) { return test::make_stub_device(device); }, clock,
      std::chrono::milliseconds(20));
}

TEST(VerbsLoopback, EveryActivePortByItself) {
  Host host = with_ports({"mlx5_0", "mlx5_1"});
  host.rdma_devices[1].ports[0].state = "DOWN";
  const auto ends = loop(host);
  ASSERT_THAT(ends, SizeIs(1));
  EXPECT_EQ(ends[0].port, "mlx5_0 port 1");
  EXPECT_GT(ends[0].GBps, 0.0) << ends[0].trouble;
  EXPECT_EQ(ends[0].wrong + ends[0].trouble, "");
  const auto outcome = judge_loopback(ends);
  EXPECT_EQ(outcome.verdict, Verdict::unchecked);
  EXPECT_EQ(outcome.value, ends[0].GBps);
}

TEST(VerbsLoopback, WrongDataIsAFaultOfThePort) {
  test::StubFaults faults;
  faults.flip_at = 60;  // among the last of the first batch
  const auto outcome = judge_loopback(loop(with_ports({"mlx5_0"}), &faults));
  EXPECT_EQ(outcome.verdict, Verdict::fail);
  ASSERT_THAT(outcome.faults, SizeIs(1));
  EXPECT_EQ(outcome.faults[0].part, "mlx5_0 port 1");
  EXPECT_TRUE(outcome.faults[0].deterministic);
}

TEST(VerbsLoopback, WhatCannotBeOpenedIsNotDecidedAndTheOthersAreMeasured) {
  const SteadyClock clock;
  const auto ends = loop_ports(
      with_ports({"mlx5_0", "mlx5_1"}),
      [&](const std::string& name) {
        if (name == "mlx5_0") throw Error("mlx5_0: /dev/infiniband/uverbs0 may not be opened");
        return test::make_stub_device();
      },
      clock, std::chrono::milliseconds(20));
  ASSERT_THAT(ends, SizeIs(2));
  EXPECT_THAT(ends[0].trouble, HasSubstr("may not be opened"));
  EXPECT_GT(ends[1].GBps, 0.0);
  const auto outcome = judge_loopback(ends);
  EXPECT_EQ(outcome.verdict, Verdict::inconclusive);
  EXPECT_THAT(outcome.reason, HasSubstr("may not be opened"));
}

TEST(VerbsLoopback, TravelsAsText) {
  const std::vector<LoopbackEnd> ends{{"mlx5_0 port 1", 12.5, "", ""}, {"mlx5_1 port 1", 0, "", "no answer"}};
  const auto back = loopback_from_text(loopback_to_text(ends));
  ASSERT_THAT(back, SizeIs(2));
  EXPECT_EQ(back[0].GBps, 12.5);
  EXPECT_EQ(back[1].trouble, "no answer");
  EXPECT_THROW(loopback_from_text("nonsense\n"), Error);
}

}  // namespace
}  // namespace fabricheck::app
