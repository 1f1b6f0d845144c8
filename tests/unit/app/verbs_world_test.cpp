#include "app/verbs_world.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/pair_matrices.hpp"
#include "app/verbs_findings.hpp"
#include "core/check.hpp"
#include "support/cluster.hpp"

namespace fabricheck::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

RankPort port(int rail, bool in_software = false) {
  RankPort one;
  one.nic = "mlx5_" + std::to_string(rail);
  one.port = 1;
  one.rail = rail;
  one.rate_Gbps = 400.0;
  one.in_software = in_software;
  return one;
}

RankPort none() {
  RankPort one;
  one.unavailable = "no RDMA device";
  return one;
}

plan::Request planned(const std::vector<RankPort>& ports, const ClusterTopology& topology,
                      const VerbsOptions& options, std::vector<NotTested>* left_out = nullptr) {
  plan::Request request;
  auto not_paired = plan_pairs(ports, topology, options, Suite::quick, request);
  if (left_out != nullptr) *left_out = std::move(not_paired);
  return request;
}

TEST(RankPort, TravelsAsALine) {
  EXPECT_EQ(rank_port_from_text(rank_port_to_text(port(3, true))), port(3, true));
  EXPECT_EQ(rank_port_from_text(rank_port_to_text(none())), none());
}

TEST(RankPort, ADeviceOfAnotherLinkLayerIsNotCalledNone) {
  Host host;
  EXPECT_EQ(no_port_because(host), "no RDMA device");
  RdmaDevice efa;
  efa.name = "rdmap0s6";
  efa.ports.resize(1);
  efa.ports[0].link_layer = "Unspecified";
  host.rdma_devices = {efa};
  EXPECT_EQ(no_port_because(host), "rdmap0s6: its link layer is neither Ethernet nor InfiniBand");
  host.rdma_devices[0].status = "not answering";
  EXPECT_EQ(no_port_because(host), "no RDMA device");
}

TEST(VerbsPairs, RailsMeetBetweenHosts) {
  const auto request = planned({port(0), port(1), port(0), port(1)}, test::cluster_of(2, 2), {});
  ASSERT_EQ(request.pairs.size(), 1U);
  ASSERT_EQ(request.pairs[0].size(), 2U);
  EXPECT_EQ(request.pairs[0][0].from, 0);
  EXPECT_EQ(request.pairs[0][0].to, 2);
  EXPECT_EQ(request.pairs[0][0].port_rate_GBps, 50.0);
  EXPECT_EQ(request.no_pairs, "");
}

TEST(VerbsPairs, TheRateOfANicInSoftwareIsNotBelieved) {
  const auto request = planned({port(0, true), port(0, true)}, test::cluster_of(2, 1), {});
  EXPECT_TRUE(request.pairs[0][0].in_software);
  EXPECT_FALSE(request.pairs[0][0].port_rate_GBps);
}

/// A NIC of 200 Gb/s behind four lanes of PCIe 5.0.
Host behind_four_lanes() {
  Host host;
  RdmaDevice nic;
  nic.name = "mlx5_0";
  nic.pci_address = "0000:01:00.0";
  nic.ports.resize(1);
  nic.ports[0].rate_Gbps = 200.0;
  host.rdma_devices = {nic};
  PciNode node;
  node.address = nic.pci_address;
  node.link = {32.0, 4, 32.0, 4};
  host.pci = {node};
  return host;
}

RankPort told_of(const Host& host) {
  RankPort told;
  tell_rate(host, host.rdma_devices[0], host.rdma_devices[0].ports[0], told);
  return told;
}

TEST(RankPort, ASlowPciLinkLimitsThePortOnlyWhereItIsMadeSo) {
  Host host = behind_four_lanes();
  // ConnectX-7 in DGX Spark: 111.7 Gb/s were seen.
  EXPECT_TRUE(told_of(host).behind_pcie);
  EXPECT_NEAR(*told_of(host).rate_Gbps, 111.0, 2.0);
  EXPECT_EQ(rank_port_from_text(rank_port_to_text(told_of(host))), told_of(host));
  host.pci[0].link.max_width = 16;
  EXPECT_FALSE(told_of(host).behind_pcie) << "lanes that are missing excuse nothing";
  EXPECT_EQ(told_of(host).rate_Gbps, 200.0);
  host.pci.clear();
  EXPECT_EQ(told_of(host).rate_Gbps, 200.0) << "not known";
}

/// Two ports of one card with 16 lanes of PCIe 4.0, by its functions.
Host dual_port_card(double rate_Gbps) {
  Host host;
  for (const char* function : {"0", "1"}) {
    RdmaDevice nic;
    nic.name = std::string("mlx5_") + function;
    nic.pci_address = std::string("0000:01:00.") + function;
    nic.virtual_function = false;
    nic.ports.resize(1);
    nic.ports[0].rate_Gbps = rate_Gbps;
    host.rdma_devices.push_back(nic);
    PciNode node;
    node.address = nic.pci_address;
    node.link = {16.0, 16, 16.0, 16};
    host.pci.push_back(node);
  }
  return host;
}

/// The port of device `index`, as rank `rail` of its host has it.
RankPort port_of(const Host& host, std::size_t index, int rail) {
  RankPort told;
  told.nic = host.rdma_devices[index].name;
  told.port = 1;
  told.rail = rail;
  tell_rate(host, host.rdma_devices[index], host.rdma_devices[index].ports[0], told);
  EXPECT_EQ(rank_port_from_text(rank_port_to_text(told)), told);
  return told;
}

TEST(VerbsPairs, PortsOfOneCardShareWhatItsLinkCarries) {
  const Host host = dual_port_card(200.0);
  const RankPort first = port_of(host, 0, 0), second = port_of(host, 1, 1);
  EXPECT_EQ(first.rate_Gbps, 200.0) << "alone it is not limited";
  const auto both = planned({first, second, first, second}, test::cluster_of(2, 2), {});
  ASSERT_EQ(both.pairs[0].size(), 2U);
  for (const plan::Pair& pair : both.pairs[0]) {
    EXPECT_NEAR(*pair.port_rate_GBps, 31.5 * 0.88 / 2, 0.1);
    EXPECT_TRUE(pair.behind_pcie);
    EXPECT_EQ(pair.shared_by, 2);
  }
  const auto one = planned({first, first}, test::cluster_of(2, 1), {});
  EXPECT_EQ(one.pairs[0][0].port_rate_GBps, 25.0);
  EXPECT_EQ(one.pairs[0][0].shared_by, 1);
  // The card of one end is enough.
  const auto mixed = planned({port(0), port(1), first, second}, test::cluster_of(2, 2), {});
  EXPECT_EQ(mixed.pairs[0][0].shared_by, 2);
}

TEST(VerbsPairs, ALinkThatCarriesBothPortsIsNoLimit) {
  const Host host = dual_port_card(100.0);
  const auto request =
      planned({port_of(host, 0, 0), port_of(host, 1, 1), port_of(host, 0, 0), port_of(host, 1, 1)},
              test::cluster_of(2, 2), {});
  EXPECT_EQ(request.pairs[0][0].port_rate_GBps, 12.5);
  EXPECT_EQ(request.pairs[0][0].shared_by, 1);
}

TEST(VerbsPairs, VirtualFunctionsOfOneCardShareItsPort) {
  Host host = dual_port_card(100.0);
  host.rdma_devices.erase(host.rdma_devices.begin() + 1);
  for (const char* address : {"0000:01:00.2", "0000:01:01.1"}) {
    RdmaDevice function = host.rdma_devices[0];
    function.name = address;
    function.pci_address = address;
    function.virtual_function = true;
    host.rdma_devices.push_back(function);
  }
  const RankPort first = port_of(host, 1, 0), second = port_of(host, 2, 1);
  const auto both = planned({first, second, first, second}, test::cluster_of(2, 2), {});
  EXPECT_EQ(both.pairs[0][0].port_rate_GBps, 6.25);
  EXPECT_EQ(both.pairs[0][0].shared_by, 2);
  EXPECT_FALSE(both.pairs[0][0].behind_pcie);
  EXPECT_EQ(planned({first, first}, test::cluster_of(2, 1), {}).pairs[0][0].port_rate_GBps, 12.5);
}

TEST(VerbsPairs, TheSlowerEndSaysWhatBothCarry) {
  RankPort slow = port(0);
  slow.rate_Gbps = 112.0;
  slow.behind_pcie = true;
  const auto request = planned({port(0), slow}, test::cluster_of(2, 1), {});
  EXPECT_EQ(request.pairs[0][0].port_rate_GBps, 14.0);
  EXPECT_TRUE(request.pairs[0][0].behind_pcie);
}

TEST(VerbsPairs, OneHostIsALoopbackAndRefused) {
  const auto refused = planned({port(0), port(1)}, test::cluster_of(1, 2), {});
  EXPECT_TRUE(refused.pairs.empty());
  EXPECT_THAT(refused.no_pairs, AllOf(HasSubstr("loopback"), HasSubstr("--loopback")));
  VerbsOptions options;
  options.loopback = true;
  const auto asked = planned({port(0), port(1)}, test::cluster_of(1, 2), options);
  ASSERT_EQ(asked.pairs.size(), 1U);
  EXPECT_TRUE(asked.loopback);
}

TEST(VerbsPairs, APeerWithoutADeviceIsNamedAndTheOthersGoOn) {
  std::vector<NotTested> left_out;
  const auto request = planned({port(0), none(), port(0)}, test::cluster_of(3, 1), {}, &left_out);
  ASSERT_EQ(request.pairs.size(), 1U);
  EXPECT_EQ(request.pairs[0][0].to, 2);
  ASSERT_EQ(left_out.size(), 1U);
  EXPECT_THAT(left_out[0].reason, AllOf(HasSubstr("no RDMA device on node1"), HasSubstr("left out")));
  EXPECT_EQ(planned({port(0), none()}, test::cluster_of(2, 1), {}).no_pairs, "no RDMA device on node1");
}

TEST(VerbsPairs, CrossingNeedsASecondRail) {
  VerbsOptions options;
  options.pairs = Pairs::cross;
  EXPECT_THAT(planned({port(0), port(0)}, test::cluster_of(2, 1), options).no_pairs, HasSubstr("one rail"));
  EXPECT_EQ(planned({port(0), port(1), port(0), port(1)}, test::cluster_of(2, 2), options).pairs[0].size(),
            2U);
}

CheckRecord bandwidth(const std::string& from, const std::string& to, double value) {
  CheckRecord check;
  check.id = "verbs.write.bandwidth";
  check.scope = scope_name(Scope::pair);
  check.unit = "GB/s";
  check.parameters = {{"bytes", std::int64_t{1 << 20}}, {"rail", std::int64_t{0}}};
  check.participants = {from, to};
  check.value = value;
  return check;
}

TEST(PairMatrices, RowsSend) {
  const std::vector<CheckRecord> checks{bandwidth("a", "b", 1), bandwidth("b", "a", 2),
                                        bandwidth("c", "a", 3)};
  const auto matrices = pair_matrices(checks);
  ASSERT_EQ(matrices.size(), 1U);
  EXPECT_THAT(matrices[0].rows, ElementsAre("a", "b", "c"));
  EXPECT_EQ(matrices[0].data[0][1], 1.0);
  EXPECT_EQ(matrices[0].data[1][0], 2.0);
  EXPECT_EQ(matrices[0].data[2][0], 3.0);
  EXPECT_FALSE(matrices[0].data[0][2]) << "what was not measured is empty";
  EXPECT_THAT(matrices[0].id,
              AllOf(HasSubstr("verbs.write.bandwidth"), HasSubstr("1 MiB"), HasSubstr("rail 0")));
}

TEST(PairMatrices, TwoHostsNeedNone) {
  const std::vector<CheckRecord> checks{bandwidth("a", "b", 1), bandwidth("b", "a", 2)};
  EXPECT_TRUE(pair_matrices(checks).empty());
}

RunRecord run_of(std::vector<CheckRecord> checks) {
  RunRecord run;
  run.checks = std::move(checks);
  return run;
}

TEST(VerbsFindings, ACollisionIsCalledOneAndNoBadCable) {
  CheckRecord check = bandwidth("a", "b", 40);
  check.id = "verbs.write.paths";
  std::vector<double> times_us;
  for (int i = 0; i < 80; ++i) times_us.push_back(i % 4 == 2 ? 50.0 : 25.0);
  const Measure measure = Measure::rate("GB/s", 1048.576);
  note_flows(check, times_us, 4, measure);
  EXPECT_EQ(check.path->at("slow_flows"), Parameter(std::string("2")));
  const auto findings = verbs_findings(run_of({check}));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "ecmp-collision");
  EXPECT_THAT(findings[0].meaning,
              AllOf(HasSubstr("a to b"), HasSubstr("cables"), HasSubstr("not the cause")));
  EXPECT_THAT(findings[0].advice, HasSubstr("NCCL_IB_QPS_PER_CONNECTION"));
}

TEST(VerbsFindings, ABondsOwnPortsMayBeTheCause) {
  CheckRecord check = bandwidth("a", "b", 40);
  check.path = {{"from_port", std::string("mlx5_bond_0 port 1")}};
  std::vector<double> times_us;
  for (int i = 0; i < 80; ++i) times_us.push_back(i % 4 == 2 ? 50.0 : 25.0);
  note_flows(check, times_us, 4, Measure::rate("GB/s", 1048.576));
  const auto findings = verbs_findings(run_of({check}));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].confidence, "possible");
  EXPECT_THAT(findings[0].meaning, Not(HasSubstr("not the cause")));
  check.path = {{"gid_type", std::string("IB/RoCE v1")}};
  note_flows(check, times_us, 4, Measure::rate("GB/s", 1048.576));
  EXPECT_TRUE(verbs_findings(run_of({check})).empty())
      << "without a source port for each flow there is one path";
}

TEST(VerbsFindings, TooFewSamplesToCompareFlowsIsSaid) {
  CheckRecord check = bandwidth("a", "b", 40);
  note_flows(check, std::vector<double>(20, 25.0), 4, Measure::rate("GB/s", 1048.576));
  EXPECT_THAT(std::get<std::string>(check.path->at("flows_not_compared")),
              HasSubstr("20 samples of 4 flows"));
  EXPECT_TRUE(verbs_findings(run_of({check})).empty());
}

TEST(VerbsFindings, EqualFlowsAreNone) {
  CheckRecord check = bandwidth("a", "b", 40);
  note_flows(check, std::vector<double>(80, 25.0), 4, Measure::rate("GB/s", 1048.576));
  EXPECT_TRUE(verbs_findings(run_of({check})).empty());
}

CheckRecord on_link_local(const char* id) {
  CheckRecord check = bandwidth("h1", "h2", 40);
  check.id = id;
  check.path = {
      {"from_port", std::string("mlx5_0 port 1")},    {"to_port", std::string("mlx5_0 port 1")},
      {"from_gid", std::string("fe80::1")},           {"to_gid", std::string("fe80::2")},
      {"gid_type", std::string("RoCE v2")},           {"gid_reason", std::string("nothing else is there")},
      {"gid_finding", std::string("roce-link-local")}};
  return check;
}

TEST(VerbsFindings, AGidThatShouldNotBeUsedIsToldOnceForAPathAndAccusesNeitherEnd) {
  const auto findings =
      verbs_findings(run_of({on_link_local("verbs.write.latency"), on_link_local("verbs.read.latency"),
                             on_link_local("verbs.write.latency")}));
  ASSERT_EQ(findings.size(), 1U);
  EXPECT_EQ(findings[0].slug, "roce-link-local");
  EXPECT_EQ(findings[0].component, (Component{"path", "mlx5_0 port 1 on h1 to mlx5_0 port 1 on h2", ""}));
  EXPECT_THAT(findings[0].explains, ElementsAre("verbs.write.latency", "verbs.read.latency"));
  EXPECT_THAT(findings[0].evidence.at(0).text,
              AllOf(HasSubstr("fe80::1"), HasSubstr("nothing else is there")));
}

TEST(VerbsFindings, ThePortThatTheAuditNamedIsEnough) {
  RunRecord run = run_of({on_link_local("verbs.write.latency")});
  Finding audit;
  audit.slug = "roce-link-local";
  audit.component = {"nic", "mlx5_0", "h3"};
  run.findings = {audit};
  EXPECT_EQ(verbs_findings(run).size(), 1U) << "another host's port explains nothing here";
  run.findings[0].component.host = "h2";
  EXPECT_TRUE(verbs_findings(run).empty());
}

}  // namespace
}  // namespace fabricheck::app
