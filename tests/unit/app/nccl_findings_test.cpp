#include "app/nccl_findings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace fabricheck::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

CheckRecord check_with(const std::string& id, const std::map<std::string, Parameter>& path) {
  CheckRecord check;
  check.id = id;
  check.scope = "all ranks";
  check.path = path;
  return check;
}

CheckRecord failed_allreduce(const std::map<std::string, Parameter>& path) {
  CheckRecord check = check_with("nccl.allreduce.busbw", path);
  check.verdict = Verdict::fail;
  check.reason = "too slow";
  return check;
}

Platform board() {
  Platform platform;
  platform.name = "board";
  platform.figures = {
      {"nccl.allreduce.busbw", 370, "GB/s", "published", "a page", "", {{"nvls", "off"}}},
      {"nccl.alltoall.busbw", 370, "GB/s", "published", "a page", "", {}},
  };
  return platform;
}

TEST(WithoutNvls, AFailSaysThatItRanWithoutIt) {
  using Path = std::map<std::string, Parameter>;
  const std::string no = "no", yes = "yes", ring = "RING", nvls = "NVLS, RING",
                    multicast = "AllReduce_AGxLLMC_R";
  for (const Path& path : {Path{{"nccl_nvls", no}}, Path{{"nccl_nvls", yes}, {"nccl_algorithms", ring}}}) {
    const auto failed = failed_without_nvls(std::vector{failed_allreduce(path)}, board());
    ASSERT_THAT(failed, SizeIs(1));
    EXPECT_THAT(failed[0].reason, StartsWith("too slow; it ran without NVLS"));
  }
  for (const Path& path :
       {Path{}, Path{{"nccl_nvls", yes}}, Path{{"nccl_nvls", no}, {"nccl_algorithms", nvls}},
        Path{{"nccl_algorithms", multicast}}})
    EXPECT_THAT(failed_without_nvls(std::vector{failed_allreduce(path)}, board()), IsEmpty());
}

TEST(WithoutNvls, WhatPassedOrNeverUsesItSaysNothing) {
  CheckRecord passed = failed_allreduce({{"nccl_nvls", std::string("no")}}), other = passed;
  passed.verdict = Verdict::pass;
  other.id = "nccl.alltoall.busbw";
  EXPECT_THAT(failed_without_nvls(std::vector{passed, other}, board()), IsEmpty());
}

const std::string network = "network: IB on 30 ranks, Socket on rank 3 (n2)";

CheckRecord failed_check(const std::string& reason) {
  CheckRecord check = check_with("nccl.allreduce.busbw", {});
  check.verdict = Verdict::error;
  check.reason = reason;
  return check;
}

TEST(NcclFindings, AHangOfARankIsAFindingWithAMend) {
  const auto findings = nccl_findings(std::vector<CheckRecord>{
      failed_check(
          "rank 1 on n2: GPU 1 (0000:2a:00.0) on n2: iteration 3 of allreduce did not end within 2.0 s; NCCL "
          "was aborted"),
      failed_check("rank 1 on n2: ncclCommInitRank was not done in time and was left behind")});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "nccl-hung");
  EXPECT_EQ(findings[0].component, (Component{"rank", "rank 1", "n2"}));
  EXPECT_THAT(findings[0].advice, HasSubstr("kernel log of n2"));
  EXPECT_THAT(findings[0].evidence, SizeIs(2));
}

TEST(NcclFindings, AHangThatNobodyCausedAccusesNobody) {
  const auto findings = nccl_findings(
      std::vector<CheckRecord>{failed_check("rank 0 on n1: GPU 0 on n1: iteration 0 of allreduce did not end "
                                            "within 1.0 s; NCCL was aborted; no "
                                            "rank knows more, so this one is not accused"),
                               failed_check("rank 0 on n1: cudaMalloc failed: out of memory")});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component, (Component{"cluster", "NCCL", ""}));
  EXPECT_THAT(findings[0].evidence, SizeIs(1));
}

TEST(NcclFindings, TheOddHostIsNamedOnceForAllChecks) {
  const std::map<std::string, Parameter> path{{"nccl_network_differs", network},
                                              {"nccl_network_odd_hosts", std::string("n2")}};
  const std::vector<CheckRecord> checks{check_with("nccl.allreduce.latency", path),
                                        check_with("nccl.allreduce.busbw", path),
                                        check_with("nccl.allreduce.busbw", path)};
  const std::vector<Finding> findings = nccl_findings(checks);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "nccl-ranks-differ");
  EXPECT_EQ(findings[0].severity, Severity::bad);
  EXPECT_EQ(findings[0].component, (Component{"host", "n2", "n2"}));
  EXPECT_THAT(findings[0].meaning, HasSubstr(network));
  EXPECT_THAT(findings[0].advice, HasSubstr("On n2: find why NCCL took another network"));
  EXPECT_THAT(findings[0].confirm, HasSubstr("NCCL_DEBUG=INFO"));
  EXPECT_THAT(findings[0].explains, ElementsAre("nccl.allreduce.latency", "nccl.allreduce.busbw"));
  EXPECT_THAT(findings[0].evidence, SizeIs(2));
}

TEST(NcclFindings, SeveralHostsAndNoMajorityAccuseNoHostAlone) {
  std::vector<Finding> findings = nccl_findings(std::vector<CheckRecord>{check_with(
      "nccl.allreduce.busbw",
      {{"nccl_gdr_differs", std::string("GPUDirect RDMA: yes on 6 ranks, no on ranks 1 (n2), 2 (n3)")},
       {"nccl_gdr_odd_hosts", std::string("n2, n3")}})});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.host, "");
  EXPECT_THAT(findings[0].advice, HasSubstr("On n2, n3: make GPUDirect RDMA possible"));
  findings = nccl_findings(std::vector<CheckRecord>{check_with(
      "nccl.allreduce.busbw",
      {{"nccl_version_differs",
        std::string("version: 2.21.5 on rank 0 (n1), 2.28.9 on rank 1 (n2), without a majority")}})});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.kind, "cluster");
  EXPECT_THAT(findings[0].advice,
              HasSubstr("On the hosts of either kind: start all ranks with one libnccl.so.2"));
}

TEST(NcclFindings, WhatSlowsNobodyDownIsNone) {
  EXPECT_THAT(nccl_findings(std::vector<CheckRecord>{
                  check_with("nccl.allreduce.busbw",
                             {{"nccl_differs", std::string("channels: 8 on 7 ranks, 4 on rank 3 (n2)")}}),
                  CheckRecord{}}),
              IsEmpty());
}

}  // namespace
}  // namespace fabricheck::app
