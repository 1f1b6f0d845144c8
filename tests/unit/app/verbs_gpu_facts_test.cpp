#include "app/verbs_gpu_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/verbs_findings.hpp"
#include "core/check.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// A GPU and two NICs: mlx5_0 behind the same bridge, mlx5_1 of the other NUMA node.
Host host_of(const std::string& name) {
  Host host;
  host.name = name;
  host.gpus.resize(1);
  host.gpus[0].pci_address = "0000:5d:00.0";
  host.rdma_devices.resize(2);
  host.rdma_devices[0].name = "mlx5_0";
  host.rdma_devices[0].pci_address = "0000:5e:00.0";
  host.rdma_devices[1].name = "mlx5_1";
  host.rdma_devices[1].pci_address = "0000:9e:00.0";
  host.given_paths = GivenPaths{{"GPU0", "mlx5_0", "mlx5_1"},
                                {{"X", "PIX", "SYS"}, {"PIX", "X", "SYS"}, {"SYS", "SYS", "X"}}};
  return host;
}

ClusterTopology two_hosts() { return topology::merge_hosts({host_of("n0"), host_of("n1")}); }

CheckRecord latency(const std::string& id, double us, double half_width_us = 0.1, std::int64_t bytes = 8) {
  CheckRecord check;
  check.id = id;
  check.scope = scope_name(Scope::pair);
  check.unit = "us";
  check.parameters = {{"bytes", bytes}};
  check.participants = {"n0", "n1"};
  check.value = us;
  check.ci95 = Interval{us - half_width_us, us + half_width_us};
  check.path = {{"from_port", std::string("mlx5_0 port 1")}, {"to_port", std::string("mlx5_1 port 1")}};
  if (id.find("gpu_") == std::string::npos) {
    (*check.path)["inline"] = std::string("yes");
    return check;
  }
  (*check.path)["memory"] = std::string("GPU 0 (0000:5d:00.0)");
  (*check.path)["peer_memory"] = std::string("GPU 0 (0000:5d:00.0)");
  return check;
}

TEST(VerbsGpuFacts, HowNearEachEndsGpuIsToItsNic) {
  const std::vector<CheckRecord> checks{latency("verbs.gpu_write.bandwidth", 20),
                                        latency("verbs.write.latency", 2)};
  const auto noted = with_gpu_facts(checks, two_hosts());
  ASSERT_EQ(noted.size(), 1U) << "host memory has no GPU";
  EXPECT_EQ(path_text(noted[0], "gpu_to_nic"), "PIX");
  EXPECT_EQ(path_text(noted[0], "peer_gpu_to_nic"), "SYS");
}

TEST(VerbsGpuFacts, ADeviceThatIsNotInTheTopologyHasNoDistance) {
  CheckRecord check = latency("verbs.gpu_write.latency", 4);
  (*check.path)["memory"] = std::string("GPU 0 (0000:11:00.0)");
  check.participants = {"n0", "elsewhere"};
  EXPECT_TRUE(with_gpu_facts(std::vector{check}, two_hosts()).empty());
  check.path.reset();
  EXPECT_TRUE(with_gpu_facts(std::vector{check}, two_hosts()).empty());
}

TEST(VerbsGpuFacts, WhatGpuMemoryAddsIsOfTheSameOperationBytesAndPorts) {
  CheckRecord other_port = latency("verbs.send.latency", 9);
  (*other_port.path)["to_port"] = std::string("mlx5_0 port 1");
  const std::vector<CheckRecord> checks{latency("verbs.send.latency", 7, 0.1, 64), other_port,
                                        latency("verbs.read.latency", 5), latency("verbs.send.latency", 2.0),
                                        latency("verbs.gpu_send.latency", 3.2, 0.2)};
  const auto noted = with_gpu_facts(checks, two_hosts());
  ASSERT_EQ(noted.size(), 1U);
  EXPECT_NEAR(path_number(noted[0], "over_host_memory_us").value_or(0), 1.2, 1e-9);
  EXPECT_NEAR(path_number(noted[0], "over_host_memory_from_us").value_or(0), 0.9, 1e-9);
  EXPECT_NEAR(path_number(noted[0], "over_host_memory_to_us").value_or(0), 1.5, 1e-9);
  EXPECT_EQ(path_text(noted[0], "host_memory_inline"), "yes");
}

TEST(VerbsGpuFacts, AWriteWithImmediateIsNotHeldAgainstOneWithout) {
  const std::vector<CheckRecord> checks{latency("verbs.write.latency", 2),
                                        latency("verbs.gpu_write.latency", 3)};
  const auto noted = with_gpu_facts(checks, two_hosts());
  ASSERT_EQ(noted.size(), 1U);
  EXPECT_FALSE(path_number(noted[0], "over_host_memory_us"));
}

TEST(VerbsGpuFacts, NoFigureNoDifference) {
  CheckRecord none = latency("verbs.read.latency", 2);
  none.value.reset();
  const std::vector<CheckRecord> checks{none, latency("verbs.gpu_read.latency", 3)};
  EXPECT_FALSE(path_number(with_gpu_facts(checks, two_hosts()).at(0), "over_host_memory_us"));
}

TEST(VerbsFindings, LatencyInMemoryThatTheNicWasRefusedIsExplainedByTheHostAsBandwidthIs) {
  Host host = host_of("n1");
  host.environment.dmabuf = false;
  host.environment.iommu = "translated";
  RunRecord run;
  run.topology = topology::merge_hosts({host_of("n0"), host});
  for (const char* id : {"verbs.gpu_write.bandwidth", "verbs.gpu_send.latency", "verbs.gpu_send.latency"}) {
    CheckRecord check = latency(id, 0);
    check.verdict = Verdict::error;
    check.reason =
        "rank 1 on n1: memory of GPU 0 (0000:5d:00.0) on n1 cannot be registered with mlx5_1, and no dmabuf "
        "of it could be exported: Bad address";
    run.checks.push_back(check);
  }
  const auto findings = verbs_findings(run);
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "mr-registration-failed");
  EXPECT_EQ(findings[0].component.host, "n1");
  EXPECT_THAT(findings[0].advice, HasSubstr("nvidia_peermem"));
  EXPECT_THAT(findings[0].explains, ElementsAre("verbs.gpu_write.bandwidth", "verbs.gpu_send.latency"));
  ASSERT_EQ(findings[0].evidence.size(), 3U);
  EXPECT_THAT(findings[0].evidence[2].text, AllOf(HasSubstr("IOMMU"), HasSubstr("iommu=pt")));
}

}  // namespace
}  // namespace fabricheck::app
