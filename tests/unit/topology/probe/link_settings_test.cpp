#include "topology/probe/link_settings.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/machines.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string number(unsigned long value, std::size_t bytes) {
  std::string text;
  for (std::size_t i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}

std::string attribute(unsigned type, const std::string& payload) {
  std::string text = number(4 + payload.size(), 2) + number(type, 2) + payload;
  text.resize((text.size() + 3) / 4 * 4);
  return text;
}

std::string message(unsigned type, const std::string& payload) {
  return number(16 + payload.size(), 4) + number(type, 2) + std::string(10, '\0') + payload;
}

constexpr unsigned rtm_getdcb = 78, ifname = 1, ieee = 13, ieee_ets = 1, ieee_pfc = 2, app_table = 3, app = 1;

/// As mlx5_core answers: ETS, PFC on `mask` and these DSCPs' priorities.
std::string dcb_answer(unsigned mask, const std::vector<std::pair<int, int>>& dscps) {
  std::string pfc = number(8, 1) + number(mask, 1);
  pfc.resize(136);
  std::string table;
  for (const auto& [dscp, priority] : dscps)
    table += attribute(app, number(5, 1) + number(static_cast<unsigned long>(priority), 1) +
                                number(static_cast<unsigned long>(dscp), 2));
  table += attribute(app, number(1, 1) + number(3, 1) + number(0x8915, 2));  // RoCE v1's ethertype
  return message(rtm_getdcb,
                 std::string("\0\x15\0\0", 4) + attribute(ifname, std::string("ens1np0", 8)) +
                     attribute(ieee, attribute(ieee_ets, std::string(59, '\0')) + attribute(ieee_pfc, pfc) +
                                         attribute(app_table | 0x8000, table)));
}

class FakeQueries final : public LinkQueries {
 public:
  std::optional<std::string> dcb(const std::string&, std::string& why) override {
    if (answer.empty()) why = "Operation not supported";
    return answer.empty() ? std::nullopt : std::optional<std::string>(answer);
  }
  std::optional<std::vector<std::uint32_t>> supported_modes(const std::string&, std::string&) override {
    return std::vector<std::uint32_t>{0x80000000U, 0x20, 0x20};  // 25G, 100G (bit 37), 400G (bit 69)
  }
  std::optional<Pause> pause(const std::string&, std::string&) override { return Pause{true, false}; }
  std::string answer;
};

class LinkSettings : public testing::Test {
 protected:
  RdmaPort probe(LinkQueries* queries) {
    auto devices = probe_rdma(tree_.root(), unknown_);
    add_link_settings(tree_.root(), queries, devices, unknown_);
    return devices.at(0).ports.at(0);
  }
  SysTree tree_;
  FakeQueries queries_;
  std::vector<std::string> unknown_;
};

TEST_F(LinkSettings, OfAConnectX) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  for (int priority = 0; priority < 8; ++priority) {
    tree_.file("sys/class/net/ens1np0/ecn/roce_np/enable/" + std::to_string(priority),
               priority == 3 ? "1\n" : "0\n");
    tree_.file("sys/class/net/ens1np0/ecn/roce_rp/enable/" + std::to_string(priority), "1\n");
  }
  tree_.file("sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_0/tc/1/traffic_class",
             "Global tclass=106\n");
  queries_.answer = dcb_answer(1U << 3, {{26, 3}, {48, 6}});
  const RdmaPort port = probe(&queries_);
  EXPECT_EQ(port.link_width, "4X");
  EXPECT_EQ(port.max_rate_Gbps, 400);
  ASSERT_TRUE(port.classes);
  EXPECT_EQ(port.classes->trust, "dscp");
  EXPECT_THAT(port.classes->pfc.value(), ElementsAre(3));
  EXPECT_EQ(port.classes->dscp_priority.value().at(26), 3);
  EXPECT_EQ(port.classes->dscp_priority.value().at(0), -1);
  EXPECT_THAT(port.classes->ecn_answers.value(), ElementsAre(3));
  EXPECT_EQ(port.classes->ecn_slows.value().size(), 8U);
  EXPECT_EQ(port.classes->pause_receive, true);
  EXPECT_EQ(port.classes->pause_send, false);
  EXPECT_EQ(port.classes->forced_traffic_class, 106);
  EXPECT_EQ(port.pkeys, std::nullopt);
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(LinkSettings, WhatADriverDoesNotTellIsNotKnownRatherThanOff) {
  tree_.roce_nic("rxe0", "0000:18:00.0");
  const RdmaPort port = probe(&queries_);
  ASSERT_TRUE(port.classes);
  EXPECT_EQ(port.classes->pfc, std::nullopt);
  EXPECT_EQ(port.classes->trust, std::nullopt);
  EXPECT_EQ(port.classes->ecn_answers, std::nullopt);
  EXPECT_THAT(unknown_, ElementsAre(HasSubstr("PFC is not known")));
}

TEST_F(LinkSettings, ARecordedMachineIsNotAsked) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  EXPECT_EQ(probe(nullptr).classes, std::nullopt);
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(LinkSettings, WithoutDscpEntriesOnlyMlx5TrustsThePcp) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  queries_.answer = dcb_answer(0, {});
  EXPECT_EQ(probe(&queries_).classes.value().trust, std::nullopt);
  tree_.link("sys/class/net/ens1np0/device/driver", "../../../bus/pci/drivers/mlx5_core");
  EXPECT_EQ(probe(&queries_).classes.value().trust, "pcp");
  tree_.file("sys/class/net/ens1np0/qos/trust", "dscp\n");
  EXPECT_EQ(probe(&queries_).classes.value().trust, "dscp");
}

TEST_F(LinkSettings, OddFilesAreSentences) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.file("sys/class/net/ens1np0/qos/trust", "both\n");
  tree_.file("sys/class/net/ens1np0/ecn/roce_np/enable/0", "yes\n");
  EXPECT_EQ(probe(nullptr).classes, std::nullopt);
  EXPECT_THAT(unknown_, ElementsAre(HasSubstr("'both'"), HasSubstr("'yes'")));
}

TEST_F(LinkSettings, OfInfiniBand) {
  add_infiniband(tree_, "pci0000:00/0000:18:00.0", "mlx5_0", "400 Gb/sec (4X NDR)", 7);
  const std::string port = "sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_0/ports/1/";
  tree_.file(port + "sm_lid", "0x1\n");
  for (int index = 0; index < 4; ++index)
    tree_.file(port + "pkeys/" + std::to_string(index), index == 0   ? "0x7fff\n"
                                                        : index == 1 ? "0x8001\n"
                                                                     : "0x0000\n");
  const RdmaPort read = probe(&queries_);
  EXPECT_EQ(read.sm_lid, 1);
  EXPECT_THAT(read.pkeys.value(), ElementsAre("0x7fff", "0x8001"));
  EXPECT_EQ(read.link_width, "4X");
  EXPECT_EQ(read.classes, std::nullopt);
}

TEST(DcbAnswer, ErrorsAndBrokenAnswersAreReasons) {
  std::string why;
  EXPECT_FALSE(parse_dcb_answer(
      message(2, number(static_cast<unsigned long>(-95) & 0xffffffff, 4) + std::string(16, '\0')), why));
  EXPECT_THAT(why, HasSubstr("not supported"));
  const std::string whole = dcb_answer(8, {{26, 3}});
  ASSERT_TRUE(parse_dcb_answer(whole, why));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    why.clear();
    EXPECT_FALSE(parse_dcb_answer(std::string_view(whole).substr(0, length), why));
    EXPECT_NE(why, "") << length;
  }
  std::string too_long = whole;
  too_long[16 + 4] = '\xff';  // the first attribute claims more than there is
  too_long[16 + 5] = '\x7f';
  EXPECT_FALSE(parse_dcb_answer(too_long, why));
  EXPECT_FALSE(parse_dcb_answer(message(99, std::string(8, '\0')), why));
}

TEST(LinkModes, TheFastestCounts) {
  EXPECT_EQ(fastest_mode_Gbps({}), std::nullopt);
  EXPECT_EQ(fastest_mode_Gbps({1U << 13}), std::nullopt);  // flow control is no speed
  EXPECT_EQ(fastest_mode_Gbps({1U << 5 | 1U << 12}), 10);
}

TEST(LiveLinkQueries, ADeviceThatIsNotThereIsAReason) {
  const auto queries = live_link_queries();
  std::string why;
  const auto answer = queries->dcb("no-such-dev0", why);
  EXPECT_FALSE(answer && parse_dcb_answer(*answer, why));
  EXPECT_NE(why, "");
  EXPECT_FALSE(queries->supported_modes("no-such-dev0", why));
  EXPECT_FALSE(queries->pause("a-name-longer-than-any-net-device", why));
}

}  // namespace
}  // namespace fabricheck::topology
