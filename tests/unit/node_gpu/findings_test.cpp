#include "node/gpu/findings.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::node::gpu {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

CheckRecord record(int gpu, double value, const std::string& host = "n1", const std::string& unit = "GB/s") {
  CheckRecord check;
  check.id = "gpu.hbm.copy";
  check.scope = "GPU, all at once";
  check.unit = unit;
  check.value = value;
  check.ci95 = Interval{0.999 * value, 1.001 * value};
  check.participants = {host};
  check.path = std::map<std::string, Parameter>{{"gpu", fmt::format("0000:{:02x}:00.0", 16 * (gpu + 1))},
                                                {"gpu_name", std::string("NVIDIA H100 80GB HBM3")}};
  return check;
}

std::vector<CheckRecord> records(const std::vector<double>& values, const std::string& unit = "GB/s") {
  std::vector<CheckRecord> all;
  for (std::size_t i = 0; i < values.size(); ++i)
    all.push_back(record(static_cast<int>(i), values[i], "n1", unit));
  return all;
}

TEST(OddGpu, IsNamedWithItsHost) {
  const auto checks = records({2900, 2905, 2895, 2910, 2300, 2898, 2902, 2907});
  const auto findings = odd_gpus(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "odd-gpu");
  EXPECT_EQ(findings[0].severity, Severity::bad);
  EXPECT_EQ(findings[0].component, (Component{"gpu", "0000:50:00.0", "n1"}));
  EXPECT_EQ(findings[0].meaning,
            "GPU 0000:50:00.0 on n1 is off its peers: gpu.hbm.copy is 2300 GB/s where the median of 7 other "
            "NVIDIA H100 80GB HBM3 is 2900 GB/s");
  EXPECT_THAT(findings[0].explains, ElementsAre("gpu.hbm.copy"));
  EXPECT_THAT(findings[0].confirm, HasSubstr("nvidia-smi -i 0000:50:00.0"));
}

TEST(OddGpu, AFewSlowVisitsMakeNone) {
  auto checks = records({2900, 2905, 2895, 2910, 2300, 2898, 2902, 2907});
  checks[4].ci95 = Interval{2000, 2895};
  EXPECT_THAT(odd_gpus(checks), IsEmpty());
  checks[4].ci95.reset();
  EXPECT_THAT(odd_gpus(checks), IsEmpty()) << "without an interval nothing is known of its noise";
  checks[4].value = 400;
  EXPECT_THAT(odd_gpus(checks), SizeIs(1)) << "no noise does that";
  auto latencies = records({2.0, 2.01, 1.99, 2.02, 3.0, 2.0}, "us");
  latencies[4].ci95 = Interval{2.01, 3.5};
  EXPECT_THAT(odd_gpus(latencies), IsEmpty());
}

TEST(OddGpu, WhatSeveralGpusDidTogetherAccusesNone) {
  auto checks = records({300, 305, 295, 310, 200, 298});
  for (std::size_t i = 0; i < checks.size(); ++i) {
    checks[i].id = "nccl.allreduce.busbw";
    checks[i].participants = {fmt::format("n{}", i)};
  }
  EXPECT_THAT(gpu_findings(checks), IsEmpty());
}

TEST(OddGpu, WithinFivePercentNoneIs) {
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2910, 2780, 2898, 2902, 2907})), IsEmpty());
}

TEST(OddGpu, WithFewPeersItMustBeFarOff) {
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2901, 2700})), SizeIs(1));
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2700})), IsEmpty());
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2500})), IsEmpty()) << "14 %";
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2300})), SizeIs(1));
  EXPECT_THAT(odd_gpus(records({2900, 2905, 1500})), IsEmpty()) << "two are no norm";
  EXPECT_THAT(odd_gpus(records({2900, 2905, 1500, 1505})), IsEmpty());
  EXPECT_THAT(odd_gpus(records({2900, 2700, 2500, 2000})), IsEmpty()) << "they differ among themselves";
}

TEST(OddGpu, WhereTheSpreadIsLargeNoneIsAccused) {
  EXPECT_THAT(odd_gpus(records({2900, 2500, 2300, 3100, 2000, 2700, 2600, 3300})), IsEmpty());
  // The MAD of these is 1 % of their median: 6 times that is what counts, not 5 %.
  EXPECT_THAT(odd_gpus(records({1000, 1014, 986, 1020, 955, 980, 1010, 1015})), IsEmpty());
  EXPECT_THAT(odd_gpus(records({1000, 1014, 986, 1020, 940, 980, 1010, 1015})), SizeIs(1));
}

TEST(OddGpu, HalfOfThemAreNoException) {
  EXPECT_THAT(odd_gpus(records({2900, 2900, 2900, 2900, 2300, 2300, 2300, 2300})), IsEmpty());
}

TEST(OddGpu, AFasterOneIsNone) {
  EXPECT_THAT(odd_gpus(records({2900, 2905, 2895, 2910, 3500, 2898, 2902, 2907})), IsEmpty());
}

TEST(OddGpu, OfALatencyTheHigherOneIs) {
  const auto findings = odd_gpus(records({2.0, 2.01, 1.99, 2.02, 3.0, 2.0}, "us"));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.name, "0000:50:00.0");
  EXPECT_THAT(odd_gpus(records({2.0, 2.01, 1.99, 2.02, 1.0, 2.0}, "us")), IsEmpty());
}

TEST(OddGpu, ClocksAndPlacesDifferMoreAndTheHostsOwnFiguresAccuseNone) {
  const auto with = [](const char* id, const char* unit, double odd_one) {
    std::vector<CheckRecord> checks = records({100, 100.2, 99.8, 100.1, odd_one, 99.9}, unit);
    for (CheckRecord& check : checks) check.id = id;
    return odd_gpus(checks);
  };
  EXPECT_THAT(with("gpu.gemm.bf16", "TFLOP/s", 92), IsEmpty());
  EXPECT_THAT(with("gpu.gemm.bf16", "TFLOP/s", 88), SizeIs(1));
  EXPECT_THAT(with("gpu.host_to_device.bandwidth", "GB/s", 92), IsEmpty());
  const auto slow_link = with("gpu.host_to_device.bandwidth", "GB/s", 50);
  ASSERT_THAT(slow_link, SizeIs(1));
  EXPECT_THAT(slow_link[0].advice, HasSubstr("PCIe switch it is on"));
  EXPECT_THAT(with("gpu.host_to_device_far.bandwidth", "GB/s", 50), IsEmpty());
  EXPECT_THAT(with("gpu.host_to_device.latency", "us", 150), IsEmpty());
}

TEST(OddGpu, OtherModelsChecksAndSizesAreNoPeers) {
  auto checks = records({2900, 2905, 2895, 2910, 2300});
  (*checks[4].path)["gpu_name"] = std::string("NVIDIA H100 NVL");
  EXPECT_THAT(odd_gpus(checks), IsEmpty());
  checks = records({2900, 2905, 2895, 2910, 2300});
  checks[4].id = "gpu.hbm.triad";
  EXPECT_THAT(odd_gpus(checks), IsEmpty());
  checks = records({2900, 2905, 2895, 2910, 2300});
  checks[4].parameters["bytes"] = std::int64_t{4096};
  EXPECT_THAT(odd_gpus(checks), IsEmpty());
}

TEST(OddGpu, IsComparedOverHostsAndWithoutFiguresLeftOut) {
  auto checks = records({2900, 2905, 2895});
  for (int i = 0; i < 3; ++i) checks.push_back(record(i, i == 1 ? 2000 : 2900, "n2"));
  checks.push_back(record(7, 2900));
  checks.back().value.reset();
  checks.push_back(record(8, 2900));
  checks.back().path.reset();
  const auto findings = odd_gpus(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.host, "n2");
}

TEST(OddGpu, WhatTheGpuSaidOfItselfIsEvidence) {
  auto checks = records({790, 795, 788, 792, 600});
  (*checks[4].path)["sm_clock_median_MHz"] = std::int64_t{1200};
  (*checks[4].path)["throttle_reasons"] = std::string("hw-slowdown (80 %)");
  const auto findings = odd_gpus(checks);
  ASSERT_THAT(findings, SizeIs(1));
  ASSERT_THAT(findings[0].evidence, SizeIs(2));
  EXPECT_THAT(findings[0].evidence[1].text, HasSubstr("SM clock 1200 MHz"));
  EXPECT_THAT(findings[0].evidence[1].text, HasSubstr("hw-slowdown (80 %)"));
}

TEST(ThrottledGpu, IsNamedOnceForAllItsChecks) {
  auto checks = records({700, 790});
  (*checks[0].path)["throttled_percent"] = 40.0;
  (*checks[0].path)["monitor_samples"] = std::int64_t{200};
  (*checks[0].path)["throttle_reasons"] = std::string("hw-thermal-slowdown (40 %)");
  (*checks[0].path)["rate_trend_percent"] = -12.0;
  (*checks[1].path)["throttled_percent"] = 0.0;
  (*checks[1].path)["monitor_samples"] = std::int64_t{200};
  (*checks[1].path)["power_capped_percent"] = 100.0;
  checks.push_back(checks[0]);
  checks.back().id = "gpu.burn.rate";
  const auto findings = throttled_gpus(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "gpu-throttled");
  EXPECT_EQ(findings[0].component.name, "0000:10:00.0");
  EXPECT_THAT(findings[0].meaning, HasSubstr("in 40 % of 400 looks"));
  EXPECT_THAT(findings[0].explains, ElementsAre("gpu.hbm.copy", "gpu.burn.rate"));
  EXPECT_THAT(findings[0].evidence[0].text, HasSubstr("-12.0 % from begin to end"));
}

TEST(ThrottledGpu, IsFoundOverManyShortChecksAndNotOverOneOfThem) {
  std::vector<CheckRecord> checks;
  for (const char* id : {"gpu.gemm.bf16", "gpu.gemm.fp16", "gpu.gemm.tf32", "gpu.gemm.fp8"}) {
    checks.push_back(record(0, 700));
    checks.back().id = id;
    (*checks.back().path)["monitor_samples"] = std::int64_t{6};
    (*checks.back().path)["throttled_percent"] = 50.0;
  }
  const auto findings = throttled_gpus(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].meaning, HasSubstr("50 % of 24 looks"));
  EXPECT_THAT(findings[0].explains, SizeIs(4));
  for (std::size_t i = 1; i < checks.size(); ++i) (*checks[i].path)["throttled_percent"] = 0.0;
  (*checks[0].path)["throttled_percent"] = 16.7;
  EXPECT_THAT(throttled_gpus(checks), IsEmpty()) << "one look of 24";
}

TEST(ThrottledGpu, IsNoneForFewLooks) {
  auto checks = records({700});
  (*checks[0].path)["throttled_percent"] = 33.0;
  (*checks[0].path)["monitor_samples"] = std::int64_t{3};
  EXPECT_THAT(throttled_gpus(checks), IsEmpty());
  (*checks[0].path)["monitor_samples"] = std::int64_t{20};
  EXPECT_THAT(throttled_gpus(checks), SizeIs(1));
  (*checks[0].path)["throttled_percent"] = 5.0;
  EXPECT_THAT(throttled_gpus(checks), IsEmpty());
}

std::vector<CheckRecord> digests(const std::vector<std::string>& all) {
  auto checks = records(std::vector<double>(all.size(), 790));
  for (std::size_t i = 0; i < all.size(); ++i) {
    checks[i].id = "gpu.gemm.bf16";
    (*checks[i].path)["digest"] = all[i];
    (*checks[i].path)["algorithm"] = std::string("id 66");
    (*checks[i].path)["library"] = std::string("cuBLASLt 13.0.2");
    (*checks[i].path)["size"] = std::int64_t{8192};
  }
  return checks;
}

TEST(Digests, TheMajorityNamesTheOddGpu) {
  const auto findings = differing_digests(digests({"aa", "aa", "bb", "aa"}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "gpu-wrong-digest");
  EXPECT_EQ(findings[0].severity, Severity::fatal);
  EXPECT_EQ(findings[0].component, (Component{"gpu", "0000:30:00.0", "n1"}));
  EXPECT_THAT(findings[0].evidence[0].text, HasSubstr("digest bb in place of aa"));
}

TEST(Digests, OfTwoGpusNoneIsNamed) {
  const auto findings = differing_digests(digests({"aa", "bb"}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.kind, "cluster");
  EXPECT_THAT(findings[0].meaning, HasSubstr("no majority"));
  EXPECT_THAT(findings[0].evidence, SizeIs(2));
  EXPECT_THAT(differing_digests(digests({"aa", "aa", "bb", "bb"})), SizeIs(1));
}

TEST(Digests, DecideTheVerdictOfTheirChecks) {
  auto checks = digests({"aa", "aa", "bb", "aa"});
  for (CheckRecord& check : checks) check.verdict = Verdict::pass;
  const auto failed = judged_by_digests(checks, differing_digests(checks));
  ASSERT_THAT(failed, SizeIs(1));
  EXPECT_EQ(failed[0].verdict, Verdict::fail);
  EXPECT_EQ(check_key(failed[0]), check_key(checks[2]));
  EXPECT_THAT(failed[0].reason, HasSubstr("computes something else"));
  EXPECT_THAT(judged_by_digests(checks, {}), IsEmpty());

  checks = digests({"aa", "bb", "cc"});
  checks[0].verdict = checks[1].verdict = Verdict::pass;
  checks[2].verdict = Verdict::fail;
  const auto open = judged_by_digests(checks, differing_digests(checks));
  ASSERT_THAT(open, SizeIs(2));
  EXPECT_EQ(open[0].verdict, Verdict::inconclusive);
  EXPECT_EQ(open[1].verdict, Verdict::inconclusive);
}

TEST(Digests, OtherAlgorithmsAndModelsAreNotCompared) {
  EXPECT_THAT(differing_digests(digests({"aa", "aa", "aa"})), IsEmpty());
  auto checks = digests({"aa", "aa", "bb"});
  (*checks[2].path)["algorithm"] = std::string("id 67");
  EXPECT_THAT(differing_digests(checks), IsEmpty());
  checks = digests({"aa", "aa", "bb"});
  (*checks[2].path)["gpu_name"] = std::string("NVIDIA H200");
  EXPECT_THAT(differing_digests(checks), IsEmpty());
}

TEST(Digests, ByTheCommonWayAllAreCompared) {
  auto checks = digests({"aa", "bb", "cc", "dd"});
  for (std::size_t i = 0; i < checks.size(); ++i) {
    (*checks[i].path)["algorithm"] = fmt::format("id {}", i);  // each its own
    (*checks[i].path)["common_algorithm"] = std::string("id 66");
    (*checks[i].path)["common_digest"] = std::string(i == 3 ? "ee" : "ff");
  }
  const auto findings = differing_digests(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.name, "0000:40:00.0");
  for (CheckRecord& check : checks) (*check.path)["algorithm"] = std::string("id 67");
  (*checks[1].path)["digest"] = (*checks[2].path)["digest"] = std::string("aa");
  EXPECT_THAT(differing_digests(checks), SizeIs(1));  // wrong by both, told of once
}

TEST(GpuFindings, AreAllOfThemTheWorstFirst) {
  auto checks = digests({"aa", "aa", "bb", "aa", "aa"});
  checks[2].value = 500;
  checks[2].ci95 = Interval{499, 501};
  (*checks[2].path)["throttled_percent"] = 40.0;
  (*checks[2].path)["monitor_samples"] = std::int64_t{200};
  const auto findings = gpu_findings(checks);
  ASSERT_THAT(findings, SizeIs(3));
  EXPECT_EQ(findings[0].slug, "gpu-wrong-digest");
  EXPECT_EQ(findings[1].slug, "gpu-throttled");
  EXPECT_EQ(findings[2].slug, "odd-gpu");
}

}  // namespace
}  // namespace fabricheck::node::gpu
