#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

PortClasses good_classes() {
  PortClasses classes;
  classes.trust = "dscp";
  classes.pfc = std::vector<int>{3};
  classes.dscp_priority = std::vector<int>(64, 0);
  for (int dscp = 24; dscp < 32; ++dscp) (*classes.dscp_priority)[static_cast<std::size_t>(dscp)] = 3;
  classes.ecn_answers = classes.ecn_slows = std::vector<int>{3};
  classes.pause_receive = classes.pause_send = false;
  return classes;
}

std::vector<Host> roce_hosts(int count) {
  std::vector<Host> hosts = sample::hosts(count);
  for (Host& host : hosts)
    for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].classes = good_classes();
  return hosts;
}

std::vector<Host> infiniband_hosts(int count) {
  std::vector<Host> hosts = sample::hosts(count);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    for (RdmaDevice& nic : hosts[i].rdma_devices) {
      RdmaPort& port = nic.ports[0];
      port.link_layer = "InfiniBand";
      port.gids.resize(1);
      port.lid = static_cast<int>(i) + 2;
      port.sm_lid = 1;
      port.link_width = "4X";
      port.pkeys = std::vector<std::string>{"0xffff"};
    }
  }
  return hosts;
}

RdmaPort& port_of(std::vector<Host>& hosts, std::size_t host, std::size_t nic = 2) {
  return hosts[host].rdma_devices[nic].ports[0];
}

const JobNetwork job{104, std::nullopt, std::nullopt};  // DSCP 26

const Finding* find(const Judged& judged, const std::string& slug) {
  const auto found = std::find_if(judged.findings.begin(), judged.findings.end(),
                                  [&](const Finding& one) { return one.slug == slug; });
  return found == judged.findings.end() ? nullptr : &*found;
}

/// The only finding, on mlx5_2 of node1.
void expect_alone(const Judged& judged, const std::string& slug, Severity severity) {
  const bool bad = severity != Severity::info;
  EXPECT_EQ(judged.check.verdict, bad ? Verdict::fail : Verdict::pass) << judged.check.reason;
  ASSERT_EQ(judged.findings.size(), 1U) << judged.check.reason;
  const Finding& finding = judged.findings[0];
  EXPECT_EQ(finding.slug, slug);
  EXPECT_EQ(finding.severity, severity);
  EXPECT_THAT(finding.component.name, HasSubstr("mlx5_2"));
  EXPECT_EQ(finding.component.host, "node1");
  EXPECT_FALSE(finding.meaning.empty() || finding.advice.empty() || finding.confirm.empty());
}

TEST(RoceConfig, HostsThatAreSetUpWellPass) {
  const Judged judged = judge_roce_config(merge_hosts(roce_hosts(4)), job);
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_EQ(judged.check.reason, "");
  EXPECT_THAT(judged.findings, IsEmpty());
  EXPECT_EQ(judge_ib_config(merge_hosts(roce_hosts(2)), job).check.verdict, Verdict::skipped);
}

struct Planted {
  const char* slug;
  Severity severity;
  void (*plant)(RdmaPort& port);
};

class OddPort : public testing::TestWithParam<Planted> {};

TEST_P(OddPort, IsNamedAlone) {
  std::vector<Host> hosts = roce_hosts(4);
  GetParam().plant(port_of(hosts, 1));
  expect_alone(judge_roce_config(merge_hosts(std::move(hosts)), job), GetParam().slug, GetParam().severity);
}

INSTANTIATE_TEST_SUITE_P(
    RoceConfig, OddPort,
    testing::Values(
        Planted{"roce-pause-mismatch", Severity::bad,
                [](RdmaPort& port) { port.classes->pause_send = true; }},
        Planted{"nic-rate-reduced", Severity::info, [](RdmaPort& port) { port.max_rate_Gbps = 800; }},
        Planted{"port-down", Severity::bad, [](RdmaPort& port) { port.state = "DOWN"; }},
        Planted{"nic-rate-mismatch", Severity::bad, [](RdmaPort& port) { port.rate_Gbps = 200; }},
        Planted{"mtu-mismatch", Severity::bad, [](RdmaPort& port) { port.net_mtu_bytes = 1500; }}));

TEST(RoceConfig, PfcThatIsOffOnOneHostIsBothOddAndWrong) {
  std::vector<Host> hosts = roce_hosts(4);
  port_of(hosts, 1).classes->pfc = std::vector<int>{0};
  const Judged judged = judge_roce_config(merge_hosts(hosts), job);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  const Finding* odd = find(judged, "roce-pfc-mismatch");
  ASSERT_NE(odd, nullptr);
  EXPECT_EQ(odd->component.host, "node1");
  const Finding* lossy = find(judged, "roce-class-not-lossless");
  ASSERT_NE(lossy, nullptr);
  EXPECT_EQ(lossy->severity, Severity::bad);
  EXPECT_THAT(lossy->evidence.at(0).text, AllOf(HasSubstr("priority 3"), HasSubstr("PFC is on for 0")));
}

TEST(RoceConfig, AClassThatNobodyToldIsARemark) {
  const Judged judged = judge_roce_config(merge_hosts(roce_hosts(2)), {});
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  const Finding* lossy = find(judged, "roce-class-not-lossless");
  ASSERT_NE(lossy, nullptr);
  EXPECT_EQ(lossy->severity, Severity::info);
}

TEST(RoceConfig, WhatTheNicForcesCounts) {
  RdmaPort port;
  port.classes = good_classes();
  EXPECT_EQ(priority_of(port, job), 3);
  EXPECT_EQ(priority_of(port, {}), 0);
  port.classes->forced_traffic_class = 104;
  EXPECT_EQ(priority_of(port, {}), 3);
  port.classes->trust.reset();
  EXPECT_EQ(priority_of(port, job), std::nullopt);
  EXPECT_EQ(priority_of({}, job), std::nullopt);
}

TEST(RoceConfig, WhatIsNotToldIsNotKnownAndNoFault) {
  std::vector<Host> hosts = sample::hosts(2);
  const Judged judged = judge_roce_config(merge_hosts(hosts), job);
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_THAT(judged.check.reason,
              AllOf(HasSubstr("not known"), HasSubstr("PFC"), HasSubstr("trust"), HasSubstr("ECN")));
  EXPECT_THAT(judged.findings, IsEmpty());
}

TEST(RoceConfig, AGidIndexThatMeansSomethingElse) {
  const ClusterTopology cluster = merge_hosts(roce_hosts(2));
  EXPECT_THAT(judge_roce_config(cluster, {104, 3, {}}).findings, IsEmpty());
  for (const int index : {0, 1, 9}) {
    const Judged judged = judge_roce_config(cluster, {104, index, {}});
    EXPECT_EQ(judged.check.verdict, Verdict::fail) << index;
    const Finding* wrong = find(judged, "roce-wrong-gid");
    ASSERT_NE(wrong, nullptr);
    EXPECT_THAT(wrong->evidence.at(0).text, HasSubstr("3 would do"));
  }
}

TEST(RoceConfig, APortWithoutAddressIsARemark) {
  std::vector<Host> hosts = roce_hosts(1);
  port_of(hosts, 0).gids.resize(2);
  EXPECT_NE(find(judge_roce_config(merge_hosts(hosts), job), "roce-link-local"), nullptr);
  port_of(hosts, 0).gids.resize(1);
  EXPECT_NE(find(judge_roce_config(merge_hosts(hosts), job), "roce-v1-only"), nullptr);
}

TEST(RoceConfig, MemlockOf64KiB) {
  std::vector<Host> hosts = roce_hosts(1);
  hosts[0].environment.memlock_bytes = 65536;
  const Judged judged = judge_roce_config(merge_hosts(hosts), job);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  const Finding* memlock = find(judged, "memlock");
  ASSERT_NE(memlock, nullptr);
  EXPECT_THAT(memlock->evidence.at(0).text, HasSubstr("64 KiB"));
  EXPECT_THAT(memlock->advice, HasSubstr("ulimit -l unlimited"));
}

TEST(RoceConfig, ATieAccusesNobody) {
  std::vector<Host> hosts = roce_hosts(2);
  port_of(hosts, 1).classes->ecn_slows = std::vector<int>{3, 4};
  const Judged judged = judge_roce_config(merge_hosts(hosts), job);
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("tie"));
}

TEST(IbConfig, GoodHostsPassAndPartitionsAndManagersAreJudged) {
  std::vector<Host> hosts = infiniband_hosts(3);
  EXPECT_EQ(judge_ib_config(merge_hosts(hosts), {}).check.verdict, Verdict::pass);
  EXPECT_EQ(judge_roce_config(merge_hosts(hosts), {}).check.verdict, Verdict::skipped);
  port_of(hosts, 1).pkeys = std::vector<std::string>{"0x7fff", "0x8001"};
  const Judged limited = judge_ib_config(merge_hosts(hosts), {});
  EXPECT_EQ(limited.check.verdict, Verdict::fail);
  ASSERT_NE(find(limited, "ib-pkey"), nullptr);
  EXPECT_NE(find(limited, "ib-pkey-mismatch"), nullptr);
  JobNetwork second;
  second.pkey_index = 1;
  for (std::size_t host : {0U, 1U, 2U})
    for (RdmaDevice& nic : hosts[host].rdma_devices)
      nic.ports[0].pkeys = std::vector<std::string>{"0x7fff", "0x8001"};
  EXPECT_EQ(judge_ib_config(merge_hosts(hosts), second).check.verdict, Verdict::pass);
  second.pkey_index = 5;
  EXPECT_NE(find(judge_ib_config(merge_hosts(hosts), second), "ib-pkey"), nullptr);
}

TEST(IbConfig, NoSubnetManagerAndOneLane) {
  std::vector<Host> hosts = infiniband_hosts(1);
  port_of(hosts, 0).sm_lid = 0;
  port_of(hosts, 0).link_width = "1X";
  const Judged judged = judge_ib_config(merge_hosts(hosts), {});
  EXPECT_NE(find(judged, "ib-no-subnet-manager"), nullptr);
  EXPECT_NE(find(judged, "ib-width-reduced"), nullptr);
}

}  // namespace
}  // namespace fabricheck::topology
