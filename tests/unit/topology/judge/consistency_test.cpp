#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

PciNode& node_at(Host& host, const std::string& address) {
  for (PciNode& node : host.pci)
    if (node.address == address) return node;
  throw std::out_of_range(address);
}

void lose_gpu(Host& host, std::size_t number) {
  const std::string address = host.gpus[number].pci_address;
  std::erase_if(host.pci, [&](const PciNode& node) { return node.address == address; });
  host.gpus.erase(host.gpus.begin() + static_cast<std::ptrdiff_t>(number));
  for (std::size_t i = 0; i < host.gpus.size(); ++i) host.gpus[i].index = static_cast<int>(i);
}

void lose_nic(Host& host, std::size_t number) {
  host.rdma_devices.erase(host.rdma_devices.begin() + static_cast<std::ptrdiff_t>(number));
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i)
    host.rdma_devices[i].name = fmt::format("mlx5_{}", i);
}

struct Planted {
  const char* slug;
  Severity severity;
  const char* what;  ///< in the evidence
  void (*plant)(Host& host);
};

class SingleDifference : public testing::TestWithParam<std::tuple<Planted, int>> {};

TEST_P(SingleDifference, IsNamedAlone) {
  const auto& [planted, count] = GetParam();
  std::vector<Host> hosts = sample::hosts(count, true);
  const std::size_t odd = static_cast<std::size_t>(count) / 2;
  planted.plant(hosts[odd]);
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  const bool bad = planted.severity != Severity::info;
  EXPECT_EQ(judged.check.verdict, bad ? Verdict::fail : Verdict::pass) << judged.check.reason;
  EXPECT_EQ(judged.check.value, bad ? 1.0 : 0.0);
  std::set<std::string> slugs;
  for (const Finding& finding : judged.findings) {
    if (finding.slug == "not-comparable") continue;
    slugs.insert(finding.slug);
    EXPECT_EQ(finding.severity, planted.severity);
    EXPECT_EQ(finding.component.host, fmt::format("node{}", odd));
    EXPECT_FALSE(finding.meaning.empty() || finding.advice.empty() || finding.confirm.empty());
  }
  EXPECT_EQ(slugs, std::set<std::string>{planted.slug}) << judged.check.reason;
  EXPECT_THAT(judged.check.reason, HasSubstr(planted.what));
}

INSTANTIATE_TEST_SUITE_P(
    Consistency, SingleDifference,
    testing::Combine(
        testing::Values(
            Planted{"gpu-missing", Severity::bad, "7 instead of 8", [](Host& host) { lose_gpu(host, 0); }},
            Planted{"gpu-missing", Severity::bad, "7 instead of 8",
                    [](Host& host) { host.gpus[6].status = "not answering"; }},
            Planted{"nic-missing", Severity::bad, "7 instead of 8", [](Host& host) { lose_nic(host, 2); }},
            Planted{"nvswitch-missing", Severity::bad, "3 instead of 4", [](Host& host) { host.pci.pop_back(); }},
            Planted{"nic-rate-mismatch", Severity::bad, "mlx5_5 of node", [](Host& host) {
                      host.rdma_devices[5].ports[0].rate_Gbps = 200;
                    }},
            Planted{"nic-rate-mismatch", Severity::bad, "200 Gb/s instead of 400 Gb/s",
                    [](Host& host) {
                      for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].rate_Gbps = 200;
                    }},
            Planted{"port-down", Severity::bad, "DOWN instead of ACTIVE",
                    [](Host& host) {
                      RdmaPort& port = host.rdma_devices[1].ports[0];
                      port.state = "DOWN";
                      port.rate_Gbps = 10;
                      port.active_mtu_bytes = 1024;
                      port.gids.clear();
                    }},
            Planted{"pcie-width-mismatch", Severity::bad, "GPU3 of node", [](Host& host) { host.gpus[3].pcie.width = 8; }},
            Planted{"pcie-width-mismatch", Severity::bad, "x8 instead of x16",
                    [](Host& host) { node_at(host, "0000:25:00.0").link.width = 8; }},
            Planted{"pcie-width-mismatch", Severity::bad, "PCI bridge 0000:21:00.0",
                    [](Host& host) { node_at(host, "0000:21:00.0").link.width = 8; }},
            Planted{"pcie-speed-mismatch", Severity::bad, "16 GT/s instead of 32 GT/s",
                    [](Host& host) { node_at(host, "0000:25:00.0").link.speed_GTps = 16; }},
            Planted{"driver-mismatch", Severity::bad, "560.35.03 instead of 570.86.15",
                    [](Host& host) { host.gpu_driver = "560.35.03"; }},
            Planted{"nccl-version-mismatch", Severity::bad, "2.21.5 instead of 2.27.3",
                    [](Host& host) { host.environment.software["nccl"] = "2.21.5"; }},
            Planted{"firmware-mismatch", Severity::bad, "mlx5_[0-7] of node",
                    [](Host& host) {
                      for (RdmaDevice& nic : host.rdma_devices) nic.firmware = "28.37.1014";
                    }},
            Planted{"mtu-mismatch", Severity::bad, "1500 instead of 9000",
                    [](Host& host) { host.rdma_devices[0].ports[0].net_mtu_bytes = 1500; }},
            Planted{"mtu-mismatch", Severity::bad, "1024 instead of 4096",
                    [](Host& host) { host.rdma_devices[0].ports[0].active_mtu_bytes = 1024; }},
            Planted{"gid-type-mismatch", Severity::bad, "mlx5_4 GID 3 of node",
                    [](Host& host) { host.rdma_devices[4].ports[0].gids[3].type = "IB/RoCE v1"; }},
            Planted{"gid-type-mismatch", Severity::bad, "none instead of",
                    [](Host& host) { host.rdma_devices[4].ports[0].gids.resize(2); }},
            Planted{"gid-extra", Severity::info, "instead of none",
                    [](Host& host) { host.rdma_devices[4].ports[0].gids.push_back({4, "fe80::1", "RoCE v2", "eth4"}); }},
            Planted{"gpu-nic-order-mismatch", Severity::bad, "GPU2 mlx5_3, GPU3 mlx5_2 instead of GPU2 mlx5_2, GPU3",
                    [](Host& host) { std::swap(host.rdma_devices[2].name, host.rdma_devices[3].name); }},
            Planted{"nvlink-mismatch", Severity::bad, "17 instead of 18",
                    [](Host& host) { host.gpus[7].nvlinks[4].active = false; }},
            Planted{"gpu-model-mismatch", Severity::bad, "NVIDIA H200 instead of NVIDIA H100 80GB HBM3",
                    [](Host& host) { host.gpus[7].name = "NVIDIA H200"; }},
            Planted{"vm-among-bare-metal", Severity::bad, "KVM instead of bare metal",
                    [](Host& host) { host.environment.hypervisor = "KVM"; }},
            Planted{"mig-mismatch", Severity::bad, "on instead of off", [](Host& host) { host.gpus[0].mig_enabled = true; }},
            Planted{"power-limit-mismatch", Severity::bad, "500 W instead of 700 W",
                    [](Host& host) { host.gpus[0].power_limit_W = 500; }},
            Planted{"iommu-mismatch", Severity::bad, "translated", [](Host& host) { host.environment.iommu = "translated"; }},
            Planted{"acs-mismatch", Severity::bad, "on instead of off", [](Host& host) { host.pci[2].acs = true; }},
            Planted{"peermem-missing", Severity::bad, "neither nvidia_peermem nor dmabuf",
                    [](Host& host) { host.environment.modules.erase("nvidia_peermem"); }},
            Planted{"peermem-not-loaded", Severity::info, "dmabuf instead of nvidia_peermem",
                    [](Host& host) {
                      host.environment.modules.erase("nvidia_peermem");
                      host.environment.dmabuf = true;
                    }},
            Planted{"memory-mismatch", Severity::bad, "GiB instead of",
                    [](Host& host) { host.numa_nodes[1].memory_bytes -= std::uint64_t{64} << 30; }},
            Planted{"link-layer-mismatch", Severity::bad, "InfiniBand instead of Ethernet",
                    [](Host& host) { host.rdma_devices[0].ports[0].link_layer = "InfiniBand"; }},
            Planted{"nic-board-mismatch", Severity::info, "MT_0000000999",
                    [](Host& host) { host.rdma_devices[0].board = "MT_0000000999"; }},
            Planted{"kernel-mismatch", Severity::info, "6.8.0", [](Host& host) { host.kernel = "6.8.0"; }},
            Planted{"cuda-version-mismatch", Severity::info, "12.6", [](Host& host) { host.cuda_version = "12.6"; }},
            Planted{"bios-mismatch", Severity::info, "1.1.3", [](Host& host) { host.environment.bios = "1.1.3"; }},
            Planted{"governor-mismatch", Severity::info, "powersave",
                    [](Host& host) { host.environment.cpu_governor = "powersave"; }},
            Planted{"vbios-mismatch", Severity::info, "96.00.74", [](Host& host) { host.gpus[1].vbios = "96.00.74"; }},
            Planted{"container-mismatch", Severity::info, "docker",
                    [](Host& host) { host.environment.container = "docker"; }},
            Planted{"module-mismatch", Severity::info, "gdrdrv of node",
                    [](Host& host) { host.environment.modules.erase("gdrdrv"); }}),
        testing::Values(8, 64)));

TEST(Consistency, EqualHostsWithDifferentParticularsAccuseNobody) {
  for (const int count : {2, 3, 8, 64}) {
    const ClusterTopology cluster = merge_hosts(sample::hosts(count, true));
    ASSERT_EQ(cluster.kinds.size(), 1U);
    const Judged judged = judge_consistency(cluster);
    EXPECT_EQ(judged.check.verdict, Verdict::pass);
    EXPECT_EQ(judged.check.reason, "");
    EXPECT_THAT(judged.findings, IsEmpty());
    EXPECT_EQ(judged.check.participants.size(), static_cast<std::size_t>(count));
  }
}

TEST(Consistency, IdleGpusWithLowerPcieSpeedAccuseNobody) {
  std::vector<Host> hosts = sample::hosts(8, true);
  for (std::size_t i = 0; i < hosts.size(); ++i) hosts[i].gpus[i].pcie.speed_GTps = 2.5;
  const ClusterTopology cluster = merge_hosts(std::move(hosts));
  EXPECT_EQ(cluster.kinds.size(), 8U);
  EXPECT_THAT(judge_consistency(cluster).findings, IsEmpty());
}

TEST(Consistency, OtherPciAddressesAccuseNobody) {
  std::vector<Host> hosts = sample::hosts(8, true);
  for (Gpu& gpu : hosts[2].gpus) gpu.pci_address[3] = '1';
  for (RdmaDevice& nic : hosts[2].rdma_devices) nic.pci_address[3] = '1';
  for (PciNode& node : hosts[2].pci) {
    node.address[3] = '1';
    if (!node.parent.empty()) node.parent[3] = '1';
  }
  EXPECT_THAT(judge_consistency(merge_hosts(hosts)).findings, IsEmpty());
  hosts[2].rdma_devices[6].ports[0].rate_Gbps = 200;
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].component.name, "mlx5_6");
}

TEST(Consistency, OneHostIsSkipped) {
  const Judged judged = judge_consistency(merge_hosts({sample::host(0)}));
  EXPECT_EQ(judged.check.verdict, Verdict::skipped);
  EXPECT_EQ(judged.check.reason, "one host: nothing to compare with");
  EXPECT_EQ(judge_consistency({}).check.verdict, Verdict::skipped);
}

/// Nobody is accused, the tie is said with both sides.
void expect_tie(std::vector<Host> hosts, const std::string& words) {
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_EQ(judged.check.value, 0.0);
  EXPECT_THAT(judged.check.reason, HasSubstr("a tie, nobody is accused"));
  EXPECT_THAT(judged.check.reason, HasSubstr(words));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "no-majority");
  EXPECT_EQ(judged.findings[0].severity, Severity::info);
}

TEST(Consistency, TwoThatDifferAreATie) {
  std::vector<Host> hosts = sample::hosts(2);
  hosts[1].gpu_driver = "560.35.03";
  expect_tie(hosts, "GPU driver: 560.35.03 on node1, 570.86.15 on node0");
}

TEST(Consistency, HalfAndHalfIsATie) {
  std::vector<Host> hosts = sample::hosts(8);
  for (std::size_t i = 4; i < 8; ++i)
    for (RdmaDevice& nic : hosts[i].rdma_devices) nic.firmware = "28.37.1014";
  expect_tie(hosts, "firmware of mlx5_[0-7]: 28.37.1014 on node[4-7], 28.39.1002 on node[0-3]");
}

TEST(Consistency, HalfTheMemoryIsATie) {
  std::vector<Host> hosts = sample::hosts(4);
  for (std::size_t i = 2; i < 4; ++i) hosts[i].numa_nodes.resize(1);
  for (Host& host : hosts) host.numa_nodes[0].memory_bytes += std::uint64_t{1} << 32;
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.value, 0.0);
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("memory: from"));
}

TEST(Consistency, AllDifferentIsNoMajority) {
  std::vector<Host> hosts = sample::hosts(6);
  for (std::size_t i = 0; i < hosts.size(); ++i) hosts[i].gpu_driver = fmt::format("570.{}", i);
  expect_tie(hosts, "570.0 on node0, 570.1 on node1, 570.2 on node2, 570.3 on node3 and 2 more");
}

TEST(Consistency, ATieOfLittleWeightIsSaidAndPasses) {
  std::vector<Host> hosts = sample::hosts(2);
  hosts[1].kernel = "6.8.0";
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_THAT(judged.check.reason, HasSubstr("kernel: 5.15.0-1048-nvidia on node0, 6.8.0 on node1"));
}

TEST(Consistency, WhoHasMoreIsNotAccused) {
  std::vector<Host> hosts = sample::hosts(8);
  for (std::size_t i = 0; i < 7; ++i) lose_gpu(hosts[i], 3);
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  ASSERT_FALSE(judged.findings.empty());
  EXPECT_EQ(judged.findings[0].slug, "more-than-majority");
  EXPECT_THAT(judged.check.reason, HasSubstr("GPUs: 8 instead of 7"));
}

TEST(Consistency, NotKnownIsSaidAndNoDifference) {
  std::vector<Host> hosts = sample::hosts(8);
  hosts[2].environment.software.clear();
  hosts[3].environment.software.clear();
  hosts[2].environment.bios.clear();
  hosts[3].environment.bios.clear();
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_EQ(judged.check.value, 0.0);
  EXPECT_THAT(judged.check.reason, HasSubstr("not known on node[2-3]: BIOS, NCCL, version"));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "not-comparable");
}

TEST(Consistency, TheMajorityIsOfThoseThatKnow) {
  std::vector<Host> hosts = sample::hosts(8);
  for (std::size_t i = 0; i < 5; ++i) hosts[i].environment.software.clear();
  hosts[7].environment.software["nccl"] = "2.21.5";
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("node7: NCCL 2.21.5 instead of 2.27.3"));
}

TEST(Consistency, BareMetalAmongVirtualMachinesIsNotCalledAVirtualMachine) {
  std::vector<Host> hosts = sample::hosts(4);
  for (std::size_t i = 0; i < 3; ++i) hosts[i].environment.hypervisor = "KVM";
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "hypervisor-mismatch");
}

TEST(Consistency, SeveralFaultsAreNamedApart) {
  std::vector<Host> hosts = sample::hosts(64, true);
  hosts[10].rdma_devices[3].ports[0].rate_Gbps = 200;
  hosts[11].rdma_devices[3].ports[0].rate_Gbps = 200;
  lose_gpu(hosts[12], 2);
  hosts[13].gpu_driver = "560.35.03";
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.value, 4.0);
  ASSERT_EQ(judged.findings.size(), 3U) << judged.check.reason;
  EXPECT_EQ(judged.findings[0].component.host, "node[10-11]");
}

std::vector<Host> with_domains(int count) {
  std::vector<Host> hosts = sample::hosts(count);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    for (Gpu& gpu : hosts[i].gpus) {
      gpu.fabric->cluster_uuid =
          i % 2 == 0 ? "7a9e4a0c-1111-2222-3333-444455556666" : "0b9e4a0c-1111-2222-3333-444455556666";
      gpu.fabric->clique_id = 32766;
    }
  }
  return hosts;
}

TEST(NvLinkDomains, SeveralDomainsAreNoDifference) {
  EXPECT_THAT(judge_consistency(merge_hosts(with_domains(8))).findings, IsEmpty());
}

TEST(NvLinkDomains, OddCliquesAreNamed) {
  std::vector<Host> hosts = with_domains(8);
  for (Gpu& gpu : hosts[4].gpus) gpu.fabric->clique_id = 1;
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "nvlink-clique-mismatch");
  EXPECT_EQ(judged.findings[0].component.host, "node4");
}

TEST(NvLinkDomains, SplitHostsAndHostsOutsideAreNamed) {
  std::vector<Host> hosts = with_domains(8);
  hosts[1].gpus[3].fabric->clique_id = 1;
  for (Gpu& gpu : hosts[6].gpus) gpu.fabric->cluster_uuid = "00000000-0000-0000-0000-000000000000";
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  std::set<std::string> found;
  for (const Finding& finding : judged.findings) found.insert(finding.slug + " " + finding.component.host);
  EXPECT_EQ(found, (std::set<std::string>{"nvlink-domain-split node1", "nvlink-domain-missing node6"}));
}

TEST(NvLinkDomains, HalfAndHalfIsATie) {
  std::vector<Host> hosts = with_domains(8);
  for (const std::size_t i : {0U, 2U})
    for (Gpu& gpu : hosts[i].gpus) gpu.fabric->clique_id = 1;
  const Judged judged = judge_consistency(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("NVLink clique: 1 on node[0,2], 32766 on node[4,6]"));
}

}  // namespace
}  // namespace fabricheck::topology
