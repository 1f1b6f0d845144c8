#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "topology/judge/host_expectation.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

using testing::HasSubstr;

PciNode& node_at(Host& host, const std::string& address) {
  for (PciNode& node : host.pci)
    if (node.address == address) return node;
  throw std::out_of_range(address);
}

Expectation good() { return expectation_from(sample::host(0, true)); }

TEST(ExpectationFrom, DescribesAGoodHost) {
  const Expectation expected = good();
  EXPECT_EQ(expected.source, "host node0");
  EXPECT_EQ(expected.gpus, 8);
  EXPECT_EQ(expected.gpu_model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(expected.nvlinks_per_gpu, 18);
  EXPECT_EQ(expected.nvlink_islands, 1);
  EXPECT_EQ(expected.nvswitches, 4);
  EXPECT_EQ(expected.gpu_pcie_width, 16);
  EXPECT_EQ(expected.gpu_pcie_speed_GTps, 32.0);
  EXPECT_EQ(expected.driver_min, "570.86.15");
  EXPECT_EQ(expected.virtual_machine, false);
  ASSERT_EQ(expected.nics.size(), 1U);
  EXPECT_EQ(expected.nics[0].count, 8);
  EXPECT_EQ(expected.nics[0].names.size(), 8U);
  EXPECT_EQ(expected.nics[0].rate_Gbps, 400.0);
  EXPECT_EQ(expected.nics[0].pcie_width, 16);
  ASSERT_EQ(expected.rails.size(), 8U);
  EXPECT_EQ(expected.rails[3], (ExpectedRail{3, "mlx5_3", "leaf-3"}));
}

TEST(ExpectationFrom, AHostMatchesItsOwn) {
  std::vector<Host> hosts = sample::hosts(3, true);
  hosts[1].gpus.resize(2);  // two kinds of machine
  hosts[1].rdma_devices[6].ports[0].state = "DOWN";
  hosts[2].gpus.clear();  // a CPU host
  hosts[2].rdma_devices[1].ports[0].rate_Gbps = 100;
  hosts[2].environment.hypervisor = "KVM";
  for (Gpu& gpu : hosts[1].gpus) gpu.name = "odd [name] with * and \\";
  for (const Host& host : hosts) {
    const Judged judged = judge_expectation(merge_hosts({host}), expectation_from(host));
    EXPECT_EQ(judged.check.verdict, Verdict::pass) << host.name << ": " << judged.check.reason;
    EXPECT_EQ(judged.check.value, 0.0);
  }
}

TEST(ExpectationFrom, ABrokenHostIsNoMeasure) {
  const auto refusal = [](auto change) -> std::string {
    Host host = sample::host(0);
    change(host);
    try {
      expectation_from(host);
    } catch (const Error& error) {
      return error.what();
    }
    return "no refusal";
  };
  EXPECT_THAT(refusal([](Host& host) { host.gpus[4].status = "not answering"; }),
              HasSubstr("GPU4 of node0: does not answer"));
  EXPECT_THAT(refusal([](Host& host) { host.rdma_devices[4].status = "not answering"; }),
              HasSubstr("mlx5_4"));
  EXPECT_THAT(refusal([](Host& host) { host.gpus[4].nvlinks[1].active = false; }),
              HasSubstr("GPU4 NVLink 1"));
  EXPECT_THAT(refusal([](Host& host) { host.gpus[4].status = "hidden"; }),
              HasSubstr("GPU4 of 'node0' is hidden"));
  EXPECT_THAT(refusal([](Host& host) { host.gpus[4].status = "not asked"; }), HasSubstr("not asked"));
  EXPECT_THAT(refusal([](Host& host) { host.gpus[4].status = "state not known"; }), HasSubstr("not judged"));
  EXPECT_THAT(refusal([](Host& host) {
                host.gpus.clear();
                host.rdma_devices.clear();
              }),
              HasSubstr("nothing to write an expectation from"));
}

struct Planted {
  const char* slug;
  const char* words;
  void (*plant)(Host& host);
};

class SingleLack : public testing::TestWithParam<Planted> {};

TEST_P(SingleLack, IsNamedAlone) {
  std::vector<Host> hosts = sample::hosts(8, true);
  GetParam().plant(hosts[5]);
  const Judged judged = judge_expectation(merge_hosts(std::move(hosts)), good());
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1.0);
  EXPECT_THAT(judged.check.reason, HasSubstr(GetParam().words));
  std::set<std::string> slugs;
  for (const Finding& finding : judged.findings) {
    slugs.insert(finding.slug);
    EXPECT_EQ(finding.component.host, "node5");
    EXPECT_EQ(finding.explains, std::vector<std::string>{"topology.expectation"});
  }
  EXPECT_EQ(slugs, std::set<std::string>{GetParam().slug}) << judged.check.reason;
}

INSTANTIATE_TEST_SUITE_P(
    Expectation, SingleLack,
    testing::Values(
        Planted{"gpu-missing", "node5: GPUs: 7 of 8",
                [](Host& host) { host.gpus.erase(host.gpus.begin() + 2); }},
        Planted{"gpu-missing", "7 of 8 (GPU2 not answering)",
                [](Host& host) { host.gpus[2].status = "not answering"; }},
        Planted{"gpu-model-mismatch", "'NVIDIA A100', expected 'NVIDIA H100 80GB HBM3'",
                [](Host& host) {
                  for (Gpu& gpu : host.gpus) gpu.name = "NVIDIA A100";
                }},
        Planted{"nvlink-inactive", "GPU3 of node5: active NVLinks: 17 of 18",
                [](Host& host) { host.gpus[3].nvlinks[0].active = false; }},
        Planted{"nvswitch-missing", "3 of 4", [](Host& host) { host.pci.pop_back(); }},
        Planted{"pcie-width-mismatch", "GPU3 of node5: PCIe width x8 instead of x16",
                [](Host& host) { host.gpus[3].pcie.width = 8; }},
        Planted{"pcie-width-mismatch", "mlx5_1 of node5: PCIe width x8 instead of x16",
                [](Host& host) { node_at(host, "0000:25:00.0").link.width = 8; }},
        Planted{"pcie-speed-mismatch", "16 instead of 32 GT/s",
                [](Host& host) { host.gpus[3].pcie.speed_GTps = host.gpus[3].pcie.max_speed_GTps = 16; }},
        Planted{"driver-mismatch", "570.86.9, expected at least 570.86.15",
                [](Host& host) { host.gpu_driver = "570.86.9"; }},
        Planted{"nic-missing", "mlx5_6 of node5: RDMA NICs: it is not there",
                [](Host& host) { host.rdma_devices.erase(host.rdma_devices.begin() + 6); }},
        Planted{"nic-rate-mismatch", "mlx5_6 of node5: rate 200 instead of 400 Gb/s",
                [](Host& host) { host.rdma_devices[6].ports[0].rate_Gbps = 200; }},
        Planted{"port-down", "mlx5_6 of node5: has no active port: DOWN",
                [](Host& host) { host.rdma_devices[6].ports[0].state = "DOWN"; }},
        Planted{"link-layer-mismatch", "InfiniBand instead of Ethernet",
                [](Host& host) { host.rdma_devices[6].ports[0].link_layer = "InfiniBand"; }},
        Planted{"rail-nic-mismatch", "rail 2 of node5: is served by mlx5_3 instead of mlx5_2",
                [](Host& host) {
                  std::swap(host.rdma_devices[2].pci_address, host.rdma_devices[3].pci_address);
                }},
        Planted{"rail-wrong-leaf", "rail 3 (mlx5_3) of node5: is cabled to leaf-5 instead of leaf-3",
                [](Host& host) { host.rdma_devices[3].ports[0].neighbour->switch_name = "leaf-5"; }},
        Planted{"hypervisor-mismatch", "a virtual machine (KVM), expected bare metal",
                [](Host& host) { host.environment.hypervisor = "KVM"; }}));

TEST(Expectation, AllOfNvmlLostIsAFault) {
  Host host = sample::host(0, true);
  host.gpus.clear();
  host.gpu_driver.clear();
  std::erase_if(host.pci, [](const PciNode& node) { return node.kind == "gpu"; });
  const Judged judged = judge_expectation(merge_hosts({host}), good());
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("GPUs: 0 of 8"));
}

TEST(Expectation, WhatIsAskedForAndNotKnownIsInconclusive) {
  const auto judged_with = [](auto change) {
    Host host = sample::host(0, true);
    change(host);
    return judge_expectation(merge_hosts({host}), good()).check;
  };
  const auto expect_open = [&](auto change, const char* words) {
    const CheckRecord check = judged_with(change);
    EXPECT_EQ(check.verdict, Verdict::inconclusive) << words;
    EXPECT_THAT(check.reason, HasSubstr(words));
  };
  expect_open([](Host& host) { host.gpus[1].status = "hidden"; }, "hidden from this process");
  expect_open([](Host& host) { host.gpus[1].status = "state not known"; }, "their state is not known");
  expect_open([](Host& host) { host.gpus[1].name.clear(); }, "the model of GPU1");
  expect_open([](Host& host) { host.gpus[1].nvlinks[0].active.reset(); }, "the NVLinks of GPU1");
  expect_open([](Host& host) { host.gpu_driver.clear(); }, "the GPU driver's version");
  expect_open([](Host& host) { host.gpu_driver = "development"; },
              "whether driver 'development' is at least");
  expect_open([](Host& host) { host.rdma_devices[1].ports[0].rate_Gbps.reset(); }, "the rate of mlx5_1");
  expect_open([](Host& host) { host.rdma_devices[1].ports[0].link_layer.clear(); },
              "the link layer of mlx5_1");
  expect_open([](Host& host) { host.rdma_devices[1].ports[0].neighbour.reset(); },
              "the leaf switch of rail 1 (mlx5_1)");
  expect_open([](Host& host) { host.environment.hypervisor.clear(); }, "whether it is a virtual machine");
  expect_open([](Host& host) { host.gpus[2].pcie = {}, node_at(host, "0000:33:00.0").link = {}; },
              "the PCIe width of GPU2");
}

TEST(Expectation, AFaultWinsOverWhatIsNotKnown) {
  Host host = sample::host(0, true);
  host.gpu_driver.clear();
  host.rdma_devices[1].ports[0].rate_Gbps = 200;
  const Judged judged = judge_expectation(merge_hosts({host}), good());
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("not known on node0: the GPU driver's version"));
}

TEST(Expectation, MoreThanAskedForIsEnough) {
  Expectation expected;
  expected.gpus = 4;
  expected.nvlinks_per_gpu = 12;
  expected.gpu_pcie_width = 8;
  expected.nics = {{4, {}, "Ethernet", 400.0, "", std::nullopt, std::nullopt}};
  EXPECT_EQ(judge_expectation(merge_hosts({sample::host(0)}), expected).check.verdict, Verdict::pass);
}

TEST(Expectation, AnIdleGpusSpeedIsWhatItCanDo) {
  Host host = sample::host(0, true);
  for (Gpu& gpu : host.gpus) gpu.pcie.speed_GTps = 2.5;
  EXPECT_EQ(judge_expectation(merge_hosts({host}), good()).check.verdict, Verdict::pass);
}

TEST(Expectation, IslandsAreCounted) {
  Expectation expected;
  expected.nvlink_islands = 1;
  Host host = sample::host(0);
  EXPECT_EQ(judge_expectation(merge_hosts({host}), expected).check.verdict, Verdict::pass);
  for (std::size_t i = 4; i < 8; ++i) host.gpus[i].fabric->clique_id = 1;
  const Judged judged = judge_expectation(merge_hosts({host}), expected);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("2 instead of 1"));
}

TEST(Expectation, NicGroupsDoNotShareNics) {
  Host host = sample::host(0);
  host.rdma_devices[7].ports[0].rate_Gbps = 100;
  Expectation expected;
  expected.nics = {{1, {}, "", std::nullopt, "", std::nullopt, std::nullopt},
                   {7, {}, "", 400.0, "", std::nullopt, std::nullopt}};
  EXPECT_EQ(judge_expectation(merge_hosts({host}), expected).check.verdict, Verdict::pass);
  expected.nics[0].count = 2;
  const Judged judged = judge_expectation(merge_hosts({host}), expected);
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("RDMA NICs: 1 of 2"));
}

TEST(Expectation, FirmwareIsCompared) {
  Expectation expected;
  expected.nics = {{8, {}, "", std::nullopt, "28.39.1002", std::nullopt, std::nullopt}};
  Host host = sample::host(0);
  EXPECT_EQ(judge_expectation(merge_hosts({host}), expected).check.verdict, Verdict::pass);
  host.rdma_devices[3].firmware = "28.37.1014";
  const Judged judged = judge_expectation(merge_hosts({host}), expected);
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "firmware-mismatch");
}

TEST(Expectation, LeavesAreGlobs) {
  Expectation expected;
  expected.rails = {{3, "mlx5_3", "leaf-[0-3]"}, {4, "", "leaf-4*"}};
  EXPECT_EQ(judge_expectation(merge_hosts({sample::host(0, true)}), expected).check.verdict, Verdict::pass);
  expected.rails[0].leaf = "spine-*";
  EXPECT_EQ(judge_expectation(merge_hosts({sample::host(0, true)}), expected).check.verdict, Verdict::fail);
}

TEST(Expectation, EqualLacksAreOneFinding) {
  std::vector<Host> hosts = sample::hosts(64, true);
  for (std::size_t i = 20; i < 40; ++i)
    for (RdmaDevice& nic : hosts[i].rdma_devices) nic.ports[0].rate_Gbps = 200;
  const Judged judged = judge_expectation(merge_hosts(std::move(hosts)), good());
  EXPECT_EQ(judged.check.value, 20.0);
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].component.name, "mlx5_[0-7]");
  EXPECT_EQ(judged.findings[0].component.host, "node[20-39]");
}

TEST(Expectation, NothingAskedForIsSkipped) {
  Expectation nothing;
  nothing.source = "an empty one";
  EXPECT_EQ(judge_expectation(merge_hosts({sample::host(0)}), nothing).check.verdict, Verdict::skipped);
  EXPECT_EQ(judge_expectation({}, good()).check.verdict, Verdict::skipped);
}

TEST(Versions, AreComparedNumberByNumber) {
  EXPECT_EQ(compare_versions("570.86.15", "570.86.9"), 1);
  EXPECT_EQ(compare_versions("570.86.15", "570.86.15"), 0);
  EXPECT_EQ(compare_versions("535.104.05", "535.104.5"), 0);
  EXPECT_EQ(compare_versions("570.86.15", "570"), 0);  // of that branch
  EXPECT_EQ(compare_versions("570", "570.10"), -1);
  EXPECT_EQ(compare_versions("99.1", "570.1"), -1);
  for (const char* text : {"", "570.", ".570", "570.x", "-1", "570 86", "99999999999999999999"})
    EXPECT_EQ(compare_versions(text, "570"), std::nullopt) << text;
}

TEST(Gres, IsRead) {
  const auto gpus = [](const char* text) {
    const auto expected = expectation_from_gres(text);
    return expected ? expected->gpus : std::nullopt;
  };
  EXPECT_EQ(gpus("gpu:h100:8"), 8);
  EXPECT_EQ(gpus("gpu:8"), 8);
  EXPECT_EQ(gpus("gpu"), 1);
  EXPECT_EQ(gpus("gpu:h100:4(S:0-1)"), 4);
  EXPECT_EQ(gpus("gpu:h100:4(IDX:0,2-4)"), 4);
  EXPECT_EQ(gpus("gpu:a:2,gpu:b:6"), 8);
  EXPECT_EQ(gpus("gres/gpu:h100=8"), 8);
  EXPECT_EQ(gpus("gres:gpu:2"), 2);
  EXPECT_EQ(gpus("nic:mlx:1,gpu:2"), 2);
  EXPECT_EQ(expectation_from_gres("gpu:h100:8")->gpu_model, "*H100*");
  EXPECT_EQ(expectation_from_gres("gpu:nvidia_h100_80gb_hbm3:8")->gpu_model, "*H100*");
  EXPECT_EQ(expectation_from_gres("gpu:big:8")->gpu_model, "");  // a label that a site made up
  EXPECT_EQ(expectation_from_gres("gpu:h100:4,gpu:a100:4")->gpu_model, "");
  EXPECT_EQ(expectation_from_gres("gpu:h100:8")->source, "Slurm GRES gpu:h100:8");
}

TEST(Gres, GarbageTellsNothing) {
  for (const char* text : {"",
                           ",",
                           "gpu:",
                           "gpu:0",
                           "gpu:-1",
                           "gpu:8x",
                           "gpu:h100:",
                           "gpu:h100:x",
                           "gpu:h100:8:9",
                           ":8",
                           "gpu::8",
                           "gpu:8,",
                           "(null)",
                           "gpu:8)",
                           "gpu:8(S:0",
                           "nic:8",
                           "gpu:99999999999999999999",
                           "gpu:8 ",
                           "\xff\xfe",
                           "gpu:h1\n00:8",
                           "8"})
    EXPECT_EQ(expectation_from_gres(text), std::nullopt) << text;
}

}  // namespace
}  // namespace fabricheck::topology
