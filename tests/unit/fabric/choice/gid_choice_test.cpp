#include "fabric/verbs/gid_choice.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "fabric/verbs/gid_findings.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::verbs {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* v1 = "IB/RoCE v1";
constexpr const char* v2 = "RoCE v2";

std::string mapped(int subnet, int host) {
  char text[40];
  std::snprintf(text, sizeof(text), "0000:0000:0000:0000:0000:ffff:0a%02x:%04x", subnet, host);
  return text;
}
std::string local(int host) { return "fe80:0000:0000:0000:0000:0000:0000:000" + std::to_string(host); }
std::string global(int host) { return "2001:0db8:0000:0000:0000:0000:0000:000" + std::to_string(host); }
std::string unique_local(int host) { return "fd00:0000:0000:0000:0000:0000:0000:000" + std::to_string(host); }

RdmaPort port(std::vector<Gid> gids, std::vector<std::string> subnets = {}) {
  RdmaPort port;
  port.number = 1;
  port.link_layer = "Ethernet";
  port.state = "ACTIVE";
  port.net_device = "eth3";
  port.gids = std::move(gids);
  port.subnets = std::move(subnets);
  return port;
}

/// What mlx5 gives a net device with an IPv4 address.
RdmaPort connectx(int subnet, int host) {
  return port({{0, local(host), v1, "eth3"},
               {1, local(host), v2, "eth3"},
               {2, mapped(subnet, host), v1, "eth3"},
               {3, mapped(subnet, host), v2, "eth3"}},
              {"10." + std::to_string(subnet) + ".0.0/16"});
}

/// Chooses, and demands that the other end chooses the same.
PairGids choose(const RdmaPort& mine, const RdmaPort& theirs, const GidWish& wish = {}) {
  const PairGids pair = choose_gids(mine, theirs, wish);
  const PairGids seen_from_there = choose_gids(theirs, mine, wish);
  EXPECT_EQ(seen_from_there.mine, pair.theirs);
  EXPECT_EQ(seen_from_there.theirs, pair.mine);
  return pair;
}

std::string error_of(const RdmaPort& mine, const RdmaPort& theirs, const GidWish& wish = {}) {
  return test::sentence_of<Error>([&] { choose_gids(mine, theirs, wish); });
}

TEST(GidChoice, RoceV2OverIpv4WhereBothHaveIt) {
  const PairGids pair = choose(connectx(3, 1), connectx(3, 2));
  EXPECT_EQ(pair.mine.index, 3);
  EXPECT_EQ(pair.theirs.index, 3);
  EXPECT_EQ(pair.mine.type, v2);
  EXPECT_EQ(pair.mine.address, mapped(3, 1));
  EXPECT_EQ(pair.mine.finding, "");
  EXPECT_THAT(pair.mine.reason,
              AllOf(HasSubstr("RoCE v2 over IPv4"), HasSubstr("one subnet"), Not(HasSubstr("NCCL"))));
}

TEST(GidChoice, IndicesNeedNotBeTheSame) {
  RdmaPort theirs = connectx(3, 2);
  for (Gid& gid : theirs.gids) gid.index += 4;
  const PairGids pair = choose(connectx(3, 1), theirs);
  EXPECT_EQ(pair.mine.index, 3);
  EXPECT_EQ(pair.theirs.index, 7);
}

TEST(GidChoice, OfSeveralAddressesThoseOfOneSubnet) {
  const RdmaPort mine =
      port({{3, mapped(3, 1), v2, ""}, {5, mapped(4, 1), v2, ""}}, {"10.3.0.0/16", "10.4.0.0/16"});
  const RdmaPort theirs = port({{1, mapped(4, 2), v2, ""}}, {"10.4.0.0/16"});
  EXPECT_EQ(choose(mine, theirs).mine.index, 5);
}

TEST(GidChoice, AnotherSubnetIsReachedByARouterAndSaidSo) {
  EXPECT_THAT(choose(connectx(3, 1), connectx(4, 1)).mine.reason, HasSubstr("another subnet"));
  const PairGids pair = choose(port({{0, mapped(3, 1), v2, ""}}), port({{0, mapped(4, 1), v2, ""}}));
  EXPECT_THAT(pair.mine.reason, HasSubstr("not known whether"));
  EXPECT_EQ(pair.mine.finding, "");
}

TEST(GidChoice, FamiliesInOrderAndNeverMixed) {
  const RdmaPort all =
      port({{0, unique_local(1), v2, ""}, {1, global(1), v2, ""}, {2, mapped(3, 1), v2, ""}});
  EXPECT_EQ(choose(all, all).mine.index, 2);
  EXPECT_EQ(choose(all, port({{0, global(2), v2, ""}, {1, unique_local(2), v2, ""}})).mine.index, 1);
  EXPECT_EQ(choose(all, port({{1, unique_local(2), v2, ""}})).mine.index, 0);
  EXPECT_THAT(error_of(port({{0, mapped(3, 1), v2, ""}}), port({{0, global(2), v2, ""}})),
              AllOf(HasSubstr("IPv4"), HasSubstr("global IPv6"), HasSubstr("one family")));
}

TEST(GidChoice, LinkLocalOnlyWhereNothingElseIsThereAndWithAFinding) {
  const RdmaPort bare = port({{0, local(2), v1, ""}, {1, local(2), v2, ""}});
  const PairGids pair = choose(connectx(3, 1), bare);
  EXPECT_EQ(pair.mine.index, 1);
  EXPECT_EQ(pair.theirs.index, 1);
  EXPECT_EQ(pair.mine.finding, "roce-link-local");
  EXPECT_THAT(pair.mine.reason, AllOf(HasSubstr("one VLAN"), HasSubstr("NCCL since 2.21 would use 3")));
}

TEST(GidChoice, LinkLocalIpv4IsLinkLocalToo) {
  const std::string autoconf = "0000:0000:0000:0000:0000:ffff:a9fe:0001";
  EXPECT_EQ(choose(port({{0, autoconf, v2, ""}}), port({{0, autoconf, v2, ""}})).mine.finding,
            "roce-link-local");
}

TEST(GidChoice, RoceV1OnlyWhereTheOtherEndHasNoV2) {
  const RdmaPort old = port({{0, local(2), v1, ""}, {1, mapped(3, 2), v1, ""}}, {"10.3.0.0/16"});
  const PairGids pair = choose(connectx(3, 1), old);
  EXPECT_EQ(pair.mine.index, 2);
  EXPECT_EQ(pair.theirs.index, 1);
  EXPECT_EQ(pair.mine.finding, "roce-wrong-gid");
  EXPECT_THAT(pair.mine.reason, HasSubstr("no RoCE v2"));
  EXPECT_THAT(error_of(port({{0, mapped(3, 1), v2, ""}}), old),
              AllOf(HasSubstr("RoCE v1"), HasSubstr("RoCE v2")));
}

TEST(GidChoice, AnUnknownTypeIsSaidToBe) {
  const PairGids pair = choose(port({{0, mapped(3, 1), "unknown", ""}}), port({{0, mapped(3, 2), v2, ""}}));
  EXPECT_EQ(pair.mine.finding, "roce-gid-type-unknown");
  EXPECT_EQ(pair.theirs.finding, "");
}

TEST(GidChoice, EqualTablesGiveBothEndsTheSame) {
  const PairGids pair = choose(connectx(3, 1), connectx(3, 1));
  EXPECT_EQ(pair.mine.index, pair.theirs.index);
  const RdmaPort two = port({{0, mapped(3, 1), v2, ""}, {1, mapped(3, 2), v2, ""}});
  EXPECT_EQ(choose(two, two).mine.index, 0);
}

TEST(GidChoice, AWishIsHeldAgainstBothTables) {
  const PairGids pair = choose(connectx(3, 1), connectx(3, 2), {1, std::nullopt});
  EXPECT_EQ(pair.mine.index, 1);
  EXPECT_EQ(pair.mine.finding, "roce-link-local");
  EXPECT_THAT(pair.mine.reason, HasSubstr("--gid-index 1"));
  EXPECT_THAT(
      error_of(connectx(3, 1), connectx(3, 2), {9, std::nullopt}),
      AllOf(HasSubstr("--gid-index 9"), HasSubstr("eth3"), HasSubstr("this end"), HasSubstr("0, 1, 2, 3")));
  EXPECT_THROW(choose_gids(connectx(3, 1), connectx(3, 2), {9, std::nullopt}), UsageError);
  EXPECT_THAT(error_of(connectx(3, 1), port({{0, local(2), v2, ""}}), {3, std::nullopt}),
              AllOf(HasSubstr("the other end"), HasSubstr("them at 0")));
  RdmaPort other_order = connectx(3, 2);
  other_order.gids[3].type = v1;
  EXPECT_THROW(choose_gids(connectx(3, 1), other_order, {3, std::nullopt}), Unavailable);
}

TEST(GidChoice, SaysWhatNcclWasTold) {
  EXPECT_THAT(choose(connectx(3, 1), connectx(3, 2), {std::nullopt, 0}).mine.reason,
              HasSubstr("NCCL would use 0, for NCCL_IB_GID_INDEX says so"));
}

TEST(GidChoice, NothingToTalkWith) {
  EXPECT_THAT(error_of(port({}), connectx(3, 2)),
              AllOf(HasSubstr("this end has no GID"), HasSubstr("net device")));
  RdmaPort infiniband = connectx(3, 1);
  infiniband.link_layer = "InfiniBand";
  EXPECT_THAT(error_of(infiniband, connectx(3, 2)), HasSubstr("not on one network"));
}

TEST(GidChoice, InfiniBandTakesEntryZero) {
  RdmaPort mine = port({{0, local(1), v1, ""}});
  RdmaPort theirs = port({});
  mine.link_layer = theirs.link_layer = "InfiniBand";
  mine.lid = 7;
  const PairGids pair = choose(mine, theirs);
  EXPECT_EQ(pair.mine.index, 0);
  EXPECT_EQ(pair.mine.address, local(1));
  EXPECT_EQ(pair.theirs.address, "");
  EXPECT_EQ(pair.mine.finding, "");
}

TEST(GidFinding, EverySlugHasItsMeaningAndAdvice) {
  const Component path{"path", "mlx5_0 on h7 to mlx5_0 on h8", ""};
  for (const char* slug : {"roce-link-local", "roce-wrong-gid", "roce-gid-type-unknown"}) {
    const auto finding = gid_finding(slug, path, "GID 1 of both: one VLAN");
    ASSERT_TRUE(finding) << slug;
    EXPECT_EQ(finding->slug, slug);
    EXPECT_EQ(finding->component, path);
    EXPECT_EQ(finding->evidence.at(0).text, "GID 1 of both: one VLAN");
    EXPECT_FALSE(finding->meaning.empty() || finding->advice.empty() || finding->confirm.empty());
  }
  EXPECT_FALSE(gid_finding("", path, ""));
  const RdmaPort bare = port({{0, local(2), v1, ""}, {1, local(2), v2, ""}});
  EXPECT_TRUE(gid_finding(choose(bare, bare).mine.finding, path, "")) << "a choice names a slug of the table";
}

TEST(NcclGidIndex, FindsTheFirstRoceV2OfIpv4) {
  EXPECT_EQ(nccl_gid_index(connectx(3, 1), std::nullopt), 3);
  EXPECT_EQ(nccl_gid_index(connectx(3, 1), -1), 3);
  EXPECT_EQ(nccl_gid_index(connectx(3, 1), 2), 2);
  // Nothing of IPv4: what it starts with.
  EXPECT_EQ(nccl_gid_index(port({{0, local(1), v1, ""}, {1, global(1), v2, ""}}), std::nullopt), 0);
  // Only version 1 of IPv4.
  EXPECT_EQ(nccl_gid_index(port({{0, local(1), v1, ""}, {1, local(1), v2, ""}, {2, mapped(3, 1), v1, ""}}),
                           std::nullopt),
            2);
}

}  // namespace
}  // namespace fabricheck::verbs
