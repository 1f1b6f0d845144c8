#include "fabric/nvlink/judgement.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "config/platform_file.hpp"
#include "unit/topology/model/machines.hpp"

namespace fabricheck::nvlink {
namespace {

using testing::HasSubstr;
namespace machines = topology::machines;

const Platform& platform(const std::string& name) {
  const auto& all = config::built_in_platforms();
  return *std::find_if(all.begin(), all.end(), [&](const Platform& one) { return one.name == name; });
}

CheckRecord measured(double GBps, const std::string& access = "peer",
                     const std::string& id = "nvlink.pair.bandwidth") {
  CheckRecord check;
  check.id = id;
  check.unit = "GB/s";
  check.value = GBps;
  check.participants = {"n3", "n3"};
  check.parameters["bytes"] = std::int64_t{64} << 20;
  check.path = std::map<std::string, Parameter>{{"access", access}};
  return check;
}

/// Two GPUs joined by `links` links, all of them up.
Host two_gpus(int links) {
  Host host;
  host.name = "n3";
  Gpu& a = machines::add_gpu(host, "0000:1b:00.0", 0, "NVIDIA A100 80GB PCIe");
  a.pcie = {16, 16, 16, 16};
  Gpu b = a;
  b.index = 1;
  b.pci_address = "0000:1c:00.0";
  host.gpus.push_back(b);
  for (int i = 0; i < 2; ++i)
    machines::add_nvlinks(host.gpus[static_cast<std::size_t>(i)], links, "gpu",
                          host.gpus[static_cast<std::size_t>(1 - i)].pci_address, 25, 3);
  return host;
}

TEST(PairExpected, Nv18OfH100) {
  const PairExpectation expected = expect_pair(machines::dgx_h100(), 2, 5, &platform("dgx-h100"));
  EXPECT_EQ(expected.from, "GPU2");
  EXPECT_EQ(expected.to, "GPU5");
  EXPECT_EQ(expected.path, "NV18");
  EXPECT_EQ(expected.links_up, 18);
  EXPECT_EQ(expected.links_there, 18);
  EXPECT_EQ(expected.link_GBps, 25.0);
  EXPECT_NEAR(*expected.pcie_GBps, 55.5, 0.1);
  const auto target = pair_target(expected);
  ASSERT_TRUE(target);
  EXPECT_EQ(target->check, "nvlink.pair.bandwidth");
  EXPECT_EQ(target->comparison, Comparison::at_least);
  EXPECT_DOUBLE_EQ(target->value, 335.0);
  EXPECT_THAT(target->source, HasSubstr("335 GB/s one way over 18 links: Azure/azurehpc-health-checks"));
  ASSERT_TRUE(expected.likely);
  EXPECT_DOUBLE_EQ(expected.likely->GBps, 336.0);  // half of 672 both ways
  EXPECT_FALSE(pair_finding(measured(380), expected));
}

TEST(PairExpected, OfH200TheFigureThatWasMeasuredOneWayCounts) {
  const PairExpectation expected = expect_pair(machines::dgx_h100(), 2, 5, &platform("dgx-h200"));
  EXPECT_DOUBLE_EQ(expected.likely->GBps, 396.4);
  EXPECT_DOUBLE_EQ(expected.floor->GBps, 335.0);
}

TEST(PairExpected, Nv12OfA100IsADirectBridge) {
  const PairExpectation expected = expect_pair(two_gpus(12), 0, 1, &platform("a100-pcie-80"));
  EXPECT_EQ(expected.path, "NV12");
  EXPECT_EQ(expected.links_there, 12);
  ASSERT_TRUE(expected.floor);
  EXPECT_DOUBLE_EQ(expected.floor->GBps, 238.0);
  EXPECT_FALSE(expected.likely);
}

TEST(PairExpected, Nv4IsAThirdOfNv12) {
  const PairExpectation expected = expect_pair(two_gpus(4), 0, 1, &platform("hgx-a100-80"));
  // This platform has switches; what each of its GPUs has up says nothing of the pair.
  EXPECT_EQ(expected.links_there, 12);
  const PairExpectation direct = expect_pair(two_gpus(4), 0, 1, &platform("a100-pcie-80"));
  EXPECT_EQ(direct.path, "NV4");
  EXPECT_EQ(direct.links_there, 4);
  ASSERT_TRUE(direct.floor);
  EXPECT_NEAR(direct.floor->GBps, 238.0 / 3.0, 1e-9);
  EXPECT_THAT(direct.floor->source, HasSubstr("238 GB/s one way over 12 links, scaled to 4:"));
  EXPECT_FALSE(pair_finding(measured(85), direct));
}

TEST(PairExpected, WithoutNvlinkNothingIs) {
  Host host = two_gpus(0);
  const PairExpectation expected = expect_pair(host, 0, 1, nullptr);
  EXPECT_FALSE(expected.links_there);
  EXPECT_FALSE(expected.links_up);
  EXPECT_FALSE(pair_target(expected));
  EXPECT_FALSE(pair_finding(measured(22), expected));
  EXPECT_FALSE(pair_finding(measured(22, "through the host"), expected));
  // Links that are there and lead nowhere: a board without a bridge.
  for (Gpu& gpu : host.gpus)
    for (int i = 0; i < 12; ++i) gpu.nvlinks.push_back({i, false, std::nullopt, std::nullopt, "", ""});
  EXPECT_FALSE(pair_finding(measured(22), expect_pair(host, 0, 1, &platform("a100-pcie-80"))));
}

TEST(PairExpected, WithoutAPlatformThereIsNoTargetAndStillAFallback) {
  const PairExpectation expected = expect_pair(machines::dgx_h100(), 0, 1, nullptr);
  EXPECT_EQ(expected.links_there, 18);
  EXPECT_NEAR(*expected.link_GBps, 26.5625, 1e-9);
  EXPECT_FALSE(pair_target(expected));
  const auto finding = pair_finding(measured(22), expected);
  ASSERT_TRUE(finding);
  EXPECT_THAT(finding->meaning, HasSubstr("18 links of 26.6 GB/s one way carry up to 478 GB/s"));
}

TEST(PairExpected, OfAHybridCubeMeshEachPairHasItsOwn) {
  const Host host = machines::dgx1v();
  const PairExpectation one = expect_pair(host, 0, 1, &platform("v100-sxm2-32"));
  const PairExpectation two = expect_pair(host, 0, 3, &platform("v100-sxm2-32"));
  const PairExpectation none = expect_pair(host, 0, 5, &platform("v100-sxm2-32"));
  EXPECT_EQ(one.links_there, 1);
  EXPECT_EQ(two.links_there, 2);
  EXPECT_EQ(none.links_there, 0);
  EXPECT_FALSE(pair_finding(measured(10), none));
}

TEST(PairFinding, FellBackToPcie) {
  const PairExpectation expected = expect_pair(machines::dgx_h100("n3"), 2, 5, &platform("dgx-h200"));
  const auto finding = pair_finding(measured(22), expected);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->slug, "nvlink-fallback");
  EXPECT_EQ(finding->severity, Severity::bad);
  EXPECT_EQ(finding->component, (Component{"link", "GPU2 to GPU5", "n3"}));
  EXPECT_THAT(finding->meaning,
              HasSubstr("GPU2 to GPU5 on n3 fell back to PCIe: 22 GB/s where 18 links of 25 "
                        "GB/s one way should give about 396 GB/s (396 GB/s one way over 18 "
                        "links: "));
  EXPECT_THAT(finding->evidence.at(0).text, HasSubstr("18 of 18 links are up"));
  EXPECT_EQ(finding->explains, std::vector<std::string>{"nvlink.pair.bandwidth"});
  EXPECT_FALSE(pair_finding(measured(60), expected));  // slow, but by no PCIe
}

TEST(PairFinding, TheReasonOfAllPairsAlikeIsTheSame) {
  const Host host = machines::dgx_h100("n3");
  const PairExpectation one = expect_pair(host, 2, 5, &platform("dgx-h200")),
                        other = expect_pair(host, 0, 1, &platform("dgx-h200"));
  const std::string reason = pair_reason(*pair_finding(measured(22), one), one);
  EXPECT_EQ(reason, pair_reason(*pair_finding(measured(23), other), other));
  EXPECT_THAT(reason,
              HasSubstr("fell back to PCIe where 18 links of 25 GB/s one way should give about 396 GB/s"));
}

TEST(PairFinding, BothWaysAreHalvedAndLatenciesAreNoRate) {
  const PairExpectation expected = expect_pair(machines::dgx_h100(), 2, 5, &platform("dgx-h100"));
  EXPECT_TRUE(pair_finding(measured(100, "peer", "nvlink.pair.bidirectional"), expected));
  EXPECT_FALSE(pair_finding(measured(120, "peer", "nvlink.pair.bidirectional"), expected));
  EXPECT_TRUE(pair_finding(measured(100, "peer", "nvlink.pair.kernel_bidirectional"), expected));
  EXPECT_FALSE(pair_finding(measured(120, "peer", "nvlink.pair.kernel_bidirectional"), expected));
  CheckRecord latency = measured(2, "peer", "nvlink.pair.latency");
  latency.unit = "us";
  EXPECT_FALSE(pair_finding(latency, expected));
}

TEST(PairFinding, SmallCopiesAreSlowWithoutAnyFallback) {
  const PairExpectation expected = expect_pair(machines::dgx_h100("n3"), 2, 5, &platform("dgx-h200"));
  CheckRecord small = measured(22);
  small.parameters["bytes"] = std::int64_t{64} << 10;
  EXPECT_FALSE(pair_finding(small, expected));
  CheckRecord shrunk = measured(22);
  (*shrunk.path)["bytes_per_copy"] = std::int64_t{64} << 10;
  EXPECT_FALSE(pair_finding(shrunk, expected));
  (*shrunk.path)["bytes_per_copy"] = std::int64_t{2} << 20;
  EXPECT_TRUE(pair_finding(shrunk, expected));
  (*small.path)["access"] = std::string("through the host");
  EXPECT_TRUE(pair_finding(small, expected)) << "that is no matter of rates";
}

TEST(PairFinding, CopiesThroughTheHostAreAFallback) {
  const PairExpectation expected = expect_pair(machines::dgx_h100(), 2, 5, &platform("dgx-h100"));
  const auto finding = pair_finding(measured(100, "through the host"), expected);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->slug, "nvlink-fallback");
}

TEST(PairFinding, SomeLinksDown) {
  Host host = machines::dgx_h100("n3");
  for (int i = 0; i < 4; ++i) host.gpus[5].nvlinks[static_cast<std::size_t>(i)].active = false;
  const PairExpectation expected = expect_pair(host, 2, 5, &platform("dgx-h100"));
  EXPECT_EQ(expected.links_up, 14);
  EXPECT_EQ(expected.links_there, 18);
  EXPECT_DOUBLE_EQ(pair_target(expected)->value, 335.0);  // what should be there decides
  const auto finding = pair_finding(measured(290), expected);
  ASSERT_TRUE(finding);
  EXPECT_EQ(finding->slug, "nvlink-links-down");
  EXPECT_THAT(finding->meaning, HasSubstr("GPU2 to GPU5 on n3 has 14 of 18 NVLinks up and reaches 290 GB/s"));
  EXPECT_FALSE(pair_finding(measured(380), expect_pair(host, 2, 3, &platform("dgx-h100"))));
  for (NvLink& link : host.gpus[5].nvlinks) link.active = false;
  const auto all_down = pair_finding(measured(22), expect_pair(host, 2, 5, &platform("dgx-h100")));
  ASSERT_TRUE(all_down);
  EXPECT_EQ(all_down->slug, "nvlink-fallback");
  EXPECT_THAT(all_down->evidence.at(0).text, HasSubstr("0 of 18 links are up"));
}

TEST(PairFinding, DirectLinksDownAreKnownByTheirOtherEnd) {
  Host host = two_gpus(12);
  for (std::size_t i = 0; i < 4; ++i) host.gpus[0].nvlinks[i].active = host.gpus[1].nvlinks[i].active = false;
  const PairExpectation expected = expect_pair(host, 0, 1, &platform("a100-pcie-80"));
  EXPECT_EQ(expected.links_up, 8);
  EXPECT_EQ(expected.links_there, 12);
  EXPECT_TRUE(pair_finding(measured(150), expected));
}

TEST(PairFinding, WhatNvmlDidNotTellIsNoFault) {
  Host host = machines::dgx_h100();
  for (NvLink& link : host.gpus[5].nvlinks) link.active.reset();
  EXPECT_FALSE(expect_pair(host, 2, 5, &platform("dgx-h100")).links_up);
  EXPECT_FALSE(pair_finding(measured(380), expect_pair(host, 2, 5, &platform("dgx-h100"))));
  host.gpus[5].nvlinks.clear();
  EXPECT_FALSE(pair_finding(measured(380), expect_pair(host, 2, 5, &platform("dgx-h100"))));
  const auto fallback = pair_finding(measured(22), expect_pair(host, 2, 5, &platform("dgx-h100")));
  ASSERT_TRUE(fallback);
  EXPECT_THAT(fallback->evidence.at(0).text, HasSubstr("is not known"));
}

TEST(PairFinding, PartitionsHaveNoNvlinkBetweenThem) {
  Host host = machines::dgx_h100();
  for (std::size_t i = 0; i < host.gpus.size(); ++i) {
    GpuFabric fabric;
    fabric.cluster_uuid = "one";
    fabric.clique_id = i < 4 ? 1 : 2;
    host.gpus[i].fabric = fabric;
  }
  EXPECT_FALSE(pair_finding(measured(22), expect_pair(host, 2, 5, &platform("dgx-h100"))));
  EXPECT_TRUE(pair_finding(measured(22), expect_pair(host, 2, 3, &platform("dgx-h100"))));
}

TEST(NoteTopology, AddsNamesAndThePath) {
  const Host host = machines::dgx_h100();
  CheckRecord check = measured(380);
  (*check.path)["gpu_from"] = host.gpus[2].pci_address;
  (*check.path)["gpu_to"] = host.gpus[5].pci_address;
  note_topology(check, host);
  EXPECT_EQ(check.path->at("gpu_from_name"), Parameter(std::string("GPU2")));
  EXPECT_EQ(check.path->at("gpu_to_name"), Parameter(std::string("GPU5")));
  EXPECT_EQ(check.path->at("topology"), Parameter(std::string("NV18")));
  CheckRecord elsewhere = measured(380);
  const CheckRecord before = elsewhere;
  note_topology(elsewhere, host);
  EXPECT_EQ(elsewhere, before);
}

}  // namespace
}  // namespace fabricheck::nvlink
