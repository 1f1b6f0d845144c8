// Ports of RDMA devices, held against their like on the same host.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "logs.hpp"

namespace fabricheck::diagnose {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Not;

struct Port {
  std::string device;
  std::string state = "Active", physical = "LinkUp", lid = "101", rate = "400";
  std::string type = "MT4129", image = {};
};

std::string ibstat(const Port& port) {
  std::string text = "CA '" + port.device + "'\n\tCA type: " + port.type + "\n\tNumber of ports: 1\n";
  if (!port.image.empty()) text += "\tSystem image GUID: " + port.image + "\n";
  return text + "\tPort 1:\n\t\tState: " + port.state + "\n\t\tPhysical state: " + port.physical +
         "\n\t\tRate: " + port.rate + "\n\t\tBase lid: " + port.lid + "\n\t\tLink layer: InfiniBand\n";
}

std::string up(int count, const char* rate = "400") {
  std::string text;
  for (int i = 0; i < count; ++i) {
    Port port;
    port.device = "mlx5_" + std::to_string(i);
    port.rate = rate;
    text += ibstat(port);
  }
  return text;
}

Port down(const char* device, const char* physical = "Polling") {
  Port port;
  port.device = device;
  port.state = "Down";
  port.physical = physical;
  port.lid = "65535";
  port.rate = "10";
  return port;
}

TEST(Ports, ThatAloneOfTheirKindAreDownAreLikelyAFault) {
  for (const char* physical : {"Polling", "Disabled"}) {
    const Diagnosis found = diagnosed(up(7) + ibstat(down("mlx5_9", physical)));
    ASSERT_NE(finding(found, "port-down"), nullptr);
    EXPECT_EQ(finding(found, "port-down")->severity, Severity::bad) << physical;
    EXPECT_EQ(finding(found, "port-down")->confidence, "likely");
    EXPECT_EQ(finding(found, "port-down")->component.name, "mlx5_9");
  }
}

TEST(Ports, AreNotExcusedByThoseOfAnotherHost) {
  Port third = down("mlx5_2");
  EXPECT_TRUE(diagnosed(up(3) + up(2) + ibstat(third)).has_fault)
      << "a device that comes again begins a host";
  Observations seen;
  read_text(up(3), seen);
  read_text(up(2) + ibstat(third), seen);
  EXPECT_TRUE(diagnose(seen).has_fault);
}

TEST(Ports, OfASecondConnectorMayBeUnused) {
  Port second = down("mlx5_9");
  EXPECT_FALSE(diagnosed(up(1) + ibstat(second)).has_fault);
  Port first;
  first.device = "mlx5_8";
  first.image = second.image = "0x946dae0300a0b0";
  const Diagnosis found = diagnosed(up(6) + ibstat(first) + ibstat(second));
  EXPECT_FALSE(found.has_fault) << "both are of one card";
  EXPECT_NE(finding(found, "port-down"), nullptr);
  second = down("mlx5_9");
  second.type = "MT4119";
  EXPECT_FALSE(diagnosed(up(6) + ibstat(second)).has_fault) << "another card's kind";
}

TEST(Ports, ThatNoRankUsesAndNobodyNamesTheHostOfAreARemark) {
  const std::string job =
      "a1:10:20 [0] NCCL INFO NET/IB : Using [0]mlx5_0:1/IB [1]mlx5_1:1/IB [RO]; OOB eth0\n";
  EXPECT_FALSE(diagnosed(job + ibstat(down("mlx5_3"))).has_fault);
  EXPECT_TRUE(diagnosed(job + ibstat(down("mlx5_1"))).has_fault);
  EXPECT_TRUE(diagnosed(ibstat(down("mlx5_3"))).has_fault);
}

TEST(Ports, ThatWaitForASubnetManagerAreAFault) {
  Port waiting = down("mlx5_7");
  waiting.state = "Initializing";
  waiting.physical = "LinkUp";
  const Diagnosis one = diagnosed(up(4) + ibstat(waiting));
  ASSERT_NE(finding(one, "ib-no-subnet-manager"), nullptr);
  EXPECT_EQ(finding(one, "ib-no-subnet-manager")->confidence, "likely");
  EXPECT_TRUE(one.has_fault);
  EXPECT_EQ(finding(diagnosed(ibstat(waiting)), "ib-no-subnet-manager")->confidence, "certain");
}

TEST(Rates, OfTheOddOneAmongEqualsAreAFault) {
  Port slow;
  slow.device = "mlx5_9";
  slow.rate = "100";
  const Diagnosis found = diagnosed(up(5) + ibstat(slow));
  ASSERT_NE(finding(found, "nic-rate-reduced"), nullptr);
  EXPECT_EQ(finding(found, "nic-rate-reduced")->severity, Severity::bad);
  EXPECT_EQ(finding(found, "nic-rate-reduced")->confidence, "likely");
  EXPECT_EQ(finding(found, "nic-rate-reduced")->component.name, "mlx5_9");
  EXPECT_THAT(finding(found, "nic-rate-reduced")->meaning, HasSubstr("100 Gb/s, the others at 400"));
}

TEST(Rates, OfOthersAccuseNobody) {
  Port other;
  other.device = "mlx5_9";
  other.rate = "100";
  other.type = "MT41692";
  EXPECT_THAT(slugs(up(5) + ibstat(other)), Not(Contains("nic-rate-reduced"))) << "another kind of card";
  EXPECT_FALSE(diagnosed(up(1) + ibstat(down("mlx5_9"))).has_fault) << "a port that is down has no rate";
  std::string two;
  for (const char* name : {"mlx5_8", "mlx5_9"}) {
    Port storage;
    storage.device = name;
    storage.rate = "200";
    two += ibstat(storage);
  }
  EXPECT_FALSE(diagnosed(up(8) + two).has_fault) << "two may be of another network";
  EXPECT_THAT(slugs(up(3) + up(3, "200")), Not(Contains("nic-rate-reduced"))) << "each host by itself";
}

TEST(Widths, OfOneLaneAreAFaultOfInfiniBandOnly) {
  const auto port = [](const char* rate, const char* layer) {
    return "Infiniband device 'mlx5_1' port 1 status:\n\tstate:\t\t 4: ACTIVE\n\trate:\t\t " +
           std::string(rate) + "\n\tlink_layer:\t " + layer + "\n";
  };
  EXPECT_TRUE(diagnosed(port("50 Gb/sec (1X HDR)", "InfiniBand")).has_fault);
  EXPECT_FALSE(diagnosed(port("25 Gb/sec (1X EDR)", "Ethernet")).has_fault);
  EXPECT_FALSE(diagnosed(port("100 Gb/sec (2X HDR)", "InfiniBand")).has_fault) << "half a split cable";
}

}  // namespace
}  // namespace fabricheck::diagnose
