#include "fabric/nvlink/bad_pairs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <utility>

namespace fabricheck::nvlink {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

constexpr double pcie_GBps = 55;
constexpr double nvlink_GBps = 396;

/// One way from GPU `from` to GPU `to` of n3, whose NVLink should carry 18 links of 25 GB/s.
JudgedPair judged(int from, int to, double GBps, int links_up = 18,
                  const std::string& id = "nvlink.pair.bandwidth") {
  JudgedPair pair;
  pair.check.id = id;
  pair.check.unit = "GB/s";
  pair.check.value = GBps;
  pair.check.participants = {"n3", "n3"};
  pair.check.parameters["bytes"] = std::int64_t{64} << 20;
  pair.check.path = std::map<std::string, Parameter>{{"access", std::string("peer")}};
  pair.expected.from = "GPU" + std::to_string(from);
  pair.expected.to = "GPU" + std::to_string(to);
  pair.expected.links_up = links_up;
  pair.expected.links_there = 18;
  pair.expected.link_GBps = 25;
  pair.expected.pcie_GBps = pcie_GBps;
  pair.finding = pair_finding(pair.check, pair.expected);
  return pair;
}

/// All ordered pairs of `gpus` GPUs; those that `bad` has, whichever way, at 22 GB/s.
std::vector<JudgedPair> all_pairs(int gpus, const std::set<std::pair<int, int>>& bad) {
  std::vector<JudgedPair> pairs;
  for (int from = 0; from < gpus; ++from)
    for (int to = 0; to < gpus; ++to)
      if (from != to)
        pairs.push_back(judged(
            from, to,
            bad.count({std::min(from, to), std::max(from, to)}) > 0 ? 22.0 + from / 10.0 : nvlink_GBps));
  return pairs;
}

TEST(BadPairs, NoneIsNoFinding) { EXPECT_THAT(findings_of(all_pairs(4, {})), SizeIs(0)); }

TEST(BadPairs, OnePairIsOneFindingForBothDirectionsAndAllItsChecks) {
  auto pairs = all_pairs(4, {{1, 2}});
  pairs.push_back(judged(1, 2, 44, 18, "nvlink.pair.bidirectional"));
  const auto findings = findings_of(pairs);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component, (Component{"link", "GPU1 to GPU2", "n3"}));
  EXPECT_THAT(findings[0].explains, ElementsAre("nvlink.pair.bandwidth", "nvlink.pair.bidirectional"));
}

TEST(BadPairs, AGpuThatAllOfThemShareIsThePart) {
  const auto findings = findings_of(all_pairs(8, {{0, 3}, {1, 3}, {2, 3}, {3, 4}, {3, 5}, {3, 6}, {3, 7}}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "nvlink-fallback");
  EXPECT_EQ(findings[0].component, (Component{"gpu", "GPU3", "n3"}));
  EXPECT_THAT(
      findings[0].meaning,
      HasSubstr("GPU3 on n3, towards GPU0, GPU1, GPU2 and 4 more, fell back to PCIe: 22 to 22.7 GB/s one way "
                "where 18 links of 25 GB/s one way"));
  EXPECT_THAT(findings[0].evidence, SizeIs(2)) << "equal words once";
}

TEST(BadPairs, NoGpuIsThePartWhereNoPairWithoutItWasMeasured) {
  auto pairs = all_pairs(3, {{0, 1}, {0, 2}});
  std::erase_if(pairs, [](const JudgedPair& pair) { return !pair.finding; });
  const auto findings = findings_of(pairs);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component, (Component{"host", "n3", "n3"}));
}

TEST(BadPairs, AllPairsAreAMatterOfTheHost) {
  const auto findings = findings_of(all_pairs(3, {{0, 1}, {0, 2}, {1, 2}}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component, (Component{"host", "n3", "n3"}));
  EXPECT_THAT(
      findings[0].meaning,
      HasSubstr("3 pairs of GPUs on n3 (GPU0 to GPU1, GPU0 to GPU2, GPU1 to GPU2) fell back to PCIe"));
}

TEST(BadPairs, BothWaysCountHalf) {
  std::vector<JudgedPair> pairs{judged(0, 1, 44, 18, "nvlink.pair.bidirectional"), judged(2, 3, 22)};
  const auto findings = findings_of(pairs);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].meaning, HasSubstr(": 22 GB/s one way where"));
}

TEST(BadPairs, HostsAndFaultsAreApart) {
  auto pairs = all_pairs(3, {{0, 1}});
  pairs.push_back(judged(1, 2, 290, 14));
  JudgedPair elsewhere = judged(0, 1, 22);
  elsewhere.check.participants = {"n4", "n4"};
  elsewhere.finding = pair_finding(elsewhere.check, elsewhere.expected);
  pairs.push_back(elsewhere);
  const auto findings = findings_of(pairs);
  ASSERT_THAT(findings, SizeIs(3));
  EXPECT_EQ(findings[0].component.host, "n3");
  EXPECT_EQ(findings[1].slug, "nvlink-links-down");
  EXPECT_EQ(findings[2].component.host, "n4");
}

TEST(BadPairs, LinksDownOfOneGpuGiveTheRangeThatIsUp) {
  const auto findings = findings_of(
      std::vector<JudgedPair>{judged(0, 1, 290, 14), judged(2, 1, 250, 12), judged(0, 2, nvlink_GBps)});
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].component.name, "GPU1");
  EXPECT_THAT(findings[0].meaning,
              HasSubstr("GPU1 on n3, towards GPU0, GPU2, with 12 to 14 of 18 NVLinks up: 250 to 290"));
}

TEST(BadPairs, AGoodRateOfAPairThatAlsoHasAFaultSpeaksForNoOther) {
  auto pairs = all_pairs(3, {{0, 1}, {0, 2}, {1, 2}});
  pairs.push_back(judged(1, 2, nvlink_GBps));  // another size
  EXPECT_EQ(findings_of(pairs)[0].component.kind, "host");
}

}  // namespace
}  // namespace fabricheck::nvlink
