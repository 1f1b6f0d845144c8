#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Devices, AHostThatShowsNothingHasNotPassed) {
  std::vector<Host> hosts(2);
  for (Host& host : hosts) host.unknown = {"PCI: /sys/bus/pci/devices cannot be read (No such file)"};
  hosts[0].name = "node1";
  hosts[1].name = "node2";
  const CheckRecord check = judge_devices(merge_hosts(hosts)).check;
  EXPECT_EQ(check.verdict, Verdict::inconclusive);
  EXPECT_THAT(check.reason, HasSubstr("PCI devices of node[1-2]: they cannot be read"));
  EXPECT_EQ(judge_consistency(merge_hosts(hosts)).check.verdict, Verdict::inconclusive)
      << "alike in showing nothing";
  for (Host& host : hosts) host.unknown.clear();
  EXPECT_EQ(judge_devices(merge_hosts(hosts)).check.verdict, Verdict::skipped);
  EXPECT_EQ(judge_consistency(merge_hosts(hosts)).check.verdict, Verdict::pass);
}

struct Planted {
  const char* slug;
  const char* part;
  void (*plant)(Host& host);
};

class SingleDeviceFault : public testing::TestWithParam<Planted> {};

TEST_P(SingleDeviceFault, IsNamedAlone) {
  std::vector<Host> hosts = sample::hosts(4);
  GetParam().plant(hosts[3]);
  const Judged judged = judge_devices(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_EQ(judged.check.value, 1.0);
  ASSERT_EQ(judged.findings.size(), 1U) << judged.check.reason;
  const Finding& finding = judged.findings.front();
  EXPECT_EQ(finding.slug, GetParam().slug);
  EXPECT_EQ(finding.component.name, GetParam().part);
  EXPECT_EQ(finding.component.host, "node3");
  EXPECT_NE(finding.severity, Severity::info);
  EXPECT_FALSE(finding.meaning.empty() || finding.advice.empty() || finding.confirm.empty());
  EXPECT_EQ(finding.explains, std::vector<std::string>{"topology.devices"});
  EXPECT_THAT(judged.check.reason, HasSubstr(std::string(GetParam().part) + " of node3"));
}

INSTANTIATE_TEST_SUITE_P(
    Devices, SingleDeviceFault,
    testing::Values(
        Planted{"gpu-not-answering", "GPU5",
                [](Host& host) {
                  host.gpus[5] = Gpu{};
                  host.gpus[5].index = 5;
                  host.gpus[5].status = "not answering";
                  host.gpus[5].problem = "GPU is lost";
                }},
        Planted{"nic-not-answering", "mlx5_2",
                [](Host& host) {
                  host.rdma_devices[2].status = "not answering";
                  host.rdma_devices[2].ports.clear();
                }},
        Planted{"nvlink-inactive", "GPU3 NVLink 7",
                [](Host& host) { host.gpus[3].nvlinks[7].active = false; }},
        Planted{"nvlink-inactive", "GPU3",
                [](Host& host) {
                  for (NvLink& link : host.gpus[3].nvlinks) link.active = false;
                }},
        Planted{"fabric-manager-down", "GPU6",
                [](Host& host) { host.gpus[6].fabric->state = "not-started"; }},
        Planted{"fabric-manager-down", "GPU6",
                [](Host& host) { host.gpus[6].fabric->state = "in-progress"; }},
        Planted{"fabric-registration-failed", "GPU6",
                [](Host& host) { host.gpus[6].fabric->status = "Unknown Error"; }},
        Planted{"fabric-unhealthy", "GPU6", [](Host& host) { host.gpus[6].fabric->health_mask = 1; }},
        Planted{"fabric-unhealthy", "GPU6", [](Host& host) { host.gpus[6].fabric->health_mask = 0x12; }},
        Planted{"gpu-ecc-uncorrected", "GPU0", [](Host& host) { host.gpus[0].health->ecc_uncorrected = 3; }},
        Planted{"gpu-remap-failed", "GPU0", [](Host& host) { host.gpus[0].health->remap_failed = true; }},
        Planted{"gpu-remap-pending", "GPU0", [](Host& host) { host.gpus[0].health->remap_pending = true; }},
        Planted{"gpu-page-retirement-pending", "GPU0",
                [](Host& host) { host.gpus[0].health->page_retirement_pending = true; }},
        Planted{"gpu-hardware-throttle", "GPU1",
                [](Host& host) {
                  host.gpus[1].health->throttle_reasons = {"sw-power-cap", "hw-thermal-slowdown"};
                }},
        Planted{"pcie-width-reduced", "GPU4", [](Host& host) { host.gpus[4].pcie.width = 8; }},
        Planted{"pcie-width-reduced", "mlx5_1",
                [](Host& host) { node_at(host, "0000:25:00.0").link.width = 8; }},
        Planted{"pcie-width-reduced", "PCI bridge 0000:21:00.0",
                [](Host& host) { node_at(host, "0000:21:00.0").link.width = 4; }},
        Planted{"pcie-speed-reduced", "mlx5_1",
                [](Host& host) { node_at(host, "0000:25:00.0").link.speed_GTps = 16; }},
        Planted{"pcie-speed-reduced", "PCI bridge 0000:21:00.0",
                [](Host& host) { node_at(host, "0000:21:00.0").link.speed_GTps = 16; }}));

class NoDeviceFault : public testing::TestWithParam<void (*)(Host& host)> {};

TEST_P(NoDeviceFault, Passes) {
  Host host = sample::host(0);
  GetParam()(host);
  const Judged judged = judge_devices(merge_hosts({host}));
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
  EXPECT_EQ(judged.check.value, 0.0);
  for (const Finding& finding : judged.findings) EXPECT_EQ(finding.severity, Severity::info) << finding.slug;
}

INSTANTIATE_TEST_SUITE_P(
    Devices, NoDeviceFault,
    testing::Values([](Host&) {},
                    [](Host& host) {
                      host.gpus[0].health->throttle_reasons = {"gpu-idle", "sw-power-cap"};
                    },
                    [](Host& host) { host.gpus[0].pcie.speed_GTps = 2.5; },  // idle
                    [](Host& host) {                                         // a x16 card in a slot of x8
                      node_at(host, "0000:25:00.0").link.width = 8;
                      node_at(host, "0000:24:00.0").link.width =
                          node_at(host, "0000:24:00.0").link.max_width = 8;
                    },
                    [](Host& host) {  // an idle GPU's port, which is the same link
                      node_at(host, "0000:13:00.0").link.speed_GTps = 2.5;
                      node_at(host, "0000:12:00.0").link.speed_GTps = 2.5;
                    },
                    [](Host& host) {  // GPUs that are joined to nothing
                      for (Gpu& gpu : host.gpus) {
                        gpu.fabric.reset();
                        for (NvLink& link : gpu.nvlinks) link = {link.index, false, {}, {}, "", ""};
                      }
                      std::erase_if(host.pci, [](const PciNode& node) { return node.kind == "nvswitch"; });
                    },
                    [](Host& host) { host.gpus[0].fabric->state = "not-supported"; },
                    [](Host& host) { host.gpus[0].fabric->health_mask = 0x22; },  // asked and denied
                    [](Host& host) { host.rdma_devices[7].ports[0].state = "DOWN"; },
                    [](Host& host) { host.gpus[2].status = "hidden"; }));

TEST(Devices, NvSwitchesWithoutAnActiveLinkAreAFault) {
  Host host = sample::host(0);
  for (Gpu& gpu : host.gpus)
    for (NvLink& link : gpu.nvlinks) link = {link.index, false, {}, {}, "", ""};
  const Judged judged = judge_devices(merge_hosts({host}));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].component.name, "GPU[0-7]");
}

/// Links that never came up, so that nobody tells what is at their other end: a virtual machine that does not
/// see the NVSwitches, say.
Host host_that_waits_for_its_fabric(std::size_t gpus) {
  Host host = sample::host(0);
  host.gpus.resize(gpus);
  for (Gpu& gpu : host.gpus) {
    gpu.fabric->state = "not-started";
    for (NvLink& link : gpu.nvlinks) link = {link.index, false, {}, {}, "", ""};
  }
  std::erase_if(host.pci, [](const PciNode& node) { return node.kind == "nvswitch"; });
  return host;
}

TEST(Devices, AFabricThatNeverStartedIsAFaultAlsoWhereNoSwitchIsSeen) {
  const Judged judged = judge_devices(merge_hosts({host_that_waits_for_its_fabric(8)}));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "fabric-manager-down");
  EXPECT_EQ(judged.findings[0].component.name, "GPU[0-7]");
}

TEST(Devices, AGpuThatIsAloneNeedsNoFabric) {
  const Judged judged = judge_devices(merge_hosts({host_that_waits_for_its_fabric(1)}));
  EXPECT_EQ(judged.check.verdict, Verdict::pass) << judged.check.reason;
}

TEST(Devices, TheGpuAtWhichNvmlHungIsAccusedAndNotThoseBehindIt) {
  Host host = sample::host(0);
  for (std::size_t i = 3; i < 8; ++i) {
    host.gpus[i].status = "not answering";
    host.gpus[i].problem = i == 3 ? "nvmlDeviceGetMemoryInfo hangs" : "not reached: GPU 3 hangs";
  }
  const Judged judged = judge_devices(merge_hosts({host}));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].component.name, "GPU3");
  EXPECT_THAT(judged.check.reason, HasSubstr("NVML did not get as far"));

  for (Gpu& gpu : host.gpus) {
    gpu.status = "not answering";
    gpu.problem = "not reached: nvmlInit_v2 hangs";
  }
  const Judged all = judge_devices(merge_hosts({host}));
  EXPECT_EQ(all.check.verdict, Verdict::fail) << "nobody knows which one: none is taken for healthy";
}

TEST(Devices, APortThatIsDownIsSaidOnly) {
  Host host = sample::host(0);
  host.rdma_devices[7].ports[0].state = "DOWN";
  const Judged judged = judge_devices(merge_hosts({host}));
  EXPECT_EQ(judged.check.verdict, Verdict::pass);
  EXPECT_THAT(judged.check.reason, HasSubstr("mlx5_7 of node0: port is DOWN"));
  ASSERT_EQ(judged.findings.size(), 1U);
  EXPECT_EQ(judged.findings[0].slug, "port-not-active");
}

TEST(Devices, EqualFaultsAreOneFinding) {
  std::vector<Host> hosts = sample::hosts(16);
  for (const int number : {3, 4, 5, 9})
    for (Gpu& gpu : hosts[static_cast<std::size_t>(number)].gpus) gpu.fabric->state = "not-started";
  hosts[5].gpus[0].health->ecc_uncorrected = 12;
  const Judged judged = judge_devices(merge_hosts(std::move(hosts)));
  EXPECT_EQ(judged.check.value, 32.0);
  ASSERT_EQ(judged.findings.size(), 2U);
  EXPECT_EQ(judged.findings[0].slug, "fabric-manager-down");
  EXPECT_EQ(judged.findings[0].component.name, "GPU[0-7]");
  EXPECT_EQ(judged.findings[0].component.host, "node[3-5,9]");
  EXPECT_THAT(judged.findings[0].advice, HasSubstr("systemctl start nvidia-fabricmanager"));
  EXPECT_EQ(judged.findings[1].slug, "gpu-ecc-uncorrected");
  ASSERT_EQ(judged.findings[1].evidence.size(), 2U);
  EXPECT_THAT(judged.findings[1].evidence[1].text, HasSubstr("12 since"));
}

TEST(Devices, WhatIsNotKnownIsNoPass) {
  const auto verdict_with = [](auto change) {
    Host host = sample::host(0);
    change(host);
    const Judged judged = judge_devices(merge_hosts({host}));
    EXPECT_FALSE(judged.check.reason.empty());
    return judged.check.verdict;
  };
  EXPECT_EQ(verdict_with([](Host& host) { host.gpus[3].health.reset(); }), Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) { host.gpus[3].status = "not asked"; }), Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) { host.gpus[3].status = "state not known"; }), Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) { host.gpus[3].nvlinks[2].active.reset(); }), Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) { host.rdma_devices[3].ports[0].state.clear(); }),
            Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) {
              host.rdma_devices.clear();
              for (Gpu& gpu : host.gpus) gpu.status = "hidden";
            }),
            Verdict::inconclusive);
  EXPECT_EQ(verdict_with([](Host& host) {
              host.rdma_devices.clear();
              host.gpus.clear();
            }),
            Verdict::skipped);
}

TEST(Devices, AFaultIsNotHiddenByWhatIsNotKnown) {
  Host host = sample::host(0);
  host.gpus[3].health.reset();
  host.gpus[4].health->remap_failed = true;
  const Judged judged = judge_devices(merge_hosts({host}));
  EXPECT_EQ(judged.check.verdict, Verdict::fail);
  EXPECT_THAT(judged.check.reason, HasSubstr("not judged: GPU3 of node0: health not known"));
}

TEST(Devices, ForeignTextIsMadePrintable) {
  Host host = sample::host(0);
  host.name = "bad\x1b[31m";
  host.gpus[0].status = "not answering";
  host.gpus[0].problem = "line\nbreak";
  const Judged judged = judge_devices(merge_hosts({host}));
  for (const Finding& finding : judged.findings)
    for (const Evidence& evidence : finding.evidence)
      EXPECT_EQ(evidence.text.find_first_of("\n\x1b"), std::string::npos) << evidence.text;
  EXPECT_EQ(judged.check.reason.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace fabricheck::topology
