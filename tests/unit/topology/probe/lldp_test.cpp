#include "topology/probe/lldp.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// One value of the list, type in 7 bits and length in 9.
std::string value(int type, const std::string& bytes) {
  const int head = type << 9 | static_cast<int>(bytes.size());
  return std::string{static_cast<char>(head >> 8), static_cast<char>(head & 0xff)} + bytes;
}

std::string lldp_frame(const std::string& values) {
  return std::string("\x01\x80\xc2\x00\x00\x0e\x02\x00\x00\x00\x00\x01\x88\xcc", 14) + values;
}

std::string stored(const std::string& frame) {
  std::string length(8, '\0');
  for (std::size_t i = 0; i < 8; ++i) length[i] = static_cast<char>((frame.size() >> (8 * i)) & 0xff);
  return length + frame;
}

const std::string kChassis = value(1, std::string("\x04\x02\x00\x00\x00\x00\x01", 7));
const std::string kPort = value(2, std::string("\x05") + "Ethernet12/1");
const std::string kTtl = value(3, std::string("\x00\x78", 2));
const std::string kEnd = value(0, "");

std::string leaf_frame(const std::string& name) {
  return lldp_frame(kChassis + kPort + kTtl + value(5, name) + kEnd);
}

TEST(Lldp, ReadsSwitchAndPort) {
  std::string why;
  EXPECT_EQ(parse_lldp_frames(stored(leaf_frame("leaf-r3-01")), why),
            (Neighbour{"leaf-r3-01", "Ethernet12/1", "LLDP"}));
}

TEST(Lldp, AddressesGiveWayToDescriptionsAndServeWhereThereIsNothingElse) {
  const std::string mac_port = value(2, std::string("\x03\x02\x00\x00\x00\x00\x09", 7));
  std::string why;
  EXPECT_EQ(parse_lldp_frames(stored(lldp_frame(kChassis + mac_port + kTtl + value(4, "swp9") + kEnd)), why),
            (Neighbour{"02:00:00:00:00:01", "swp9", "LLDP"}));
  EXPECT_EQ(parse_lldp_frames(stored(lldp_frame(kChassis + mac_port + kTtl + kEnd)), why),
            (Neighbour{"02:00:00:00:00:01", "02:00:00:00:00:09", "LLDP"}));
}

TEST(Lldp, OneNeighbourTwiceIsOneAndTwoAreSaid) {
  std::string why;
  const std::string one = stored(leaf_frame("leaf-1"));
  EXPECT_TRUE(parse_lldp_frames(one + one, why));
  EXPECT_FALSE(parse_lldp_frames(one + stored(leaf_frame("leaf-2")), why));
  EXPECT_THAT(why, AllOf(HasSubstr("several"), HasSubstr("leaf-1"), HasSubstr("leaf-2")));
}

TEST(Lldp, EveryTruncationAndEveryWrongByteIsSurvived) {
  const std::string whole = stored(leaf_frame("leaf-r3-01"));
  std::string why;
  for (std::size_t length = 1; length < whole.size(); ++length) {
    why.clear();
    EXPECT_FALSE(parse_lldp_frames(whole.substr(0, length), why)) << length;
    EXPECT_FALSE(why.empty());
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const char wrong : {'\x00', '\x7f', '\xff'}) {
      std::string bytes = whole;
      bytes[at] = wrong;
      const auto neighbour = parse_lldp_frames(bytes, why);
      EXPECT_FALSE(neighbour && (neighbour->switch_name.empty() || neighbour->switch_port.empty()));
    }
  }
}

TEST(Lldp, TextFromOutsideBecomesPrintable) {
  std::string why;
  const auto neighbour = parse_lldp_frames(stored(leaf_frame("leaf\x1b[31m\n")), why);
  ASSERT_TRUE(neighbour);
  EXPECT_EQ(neighbour->switch_name, "leaf?[31m?");
}

TEST(Lldp, ThePortOfANicHasItsNeighbour) {
  const SysTree tree;
  tree.roce_nic("mlx5_0", "0000:18:00.0");
  std::vector<std::string> unknown;
  EXPECT_FALSE(probe_rdma(tree.root(), unknown).at(0).ports.at(0).neighbour);
  tree.file("run/systemd/netif/lldp/4", "");
  EXPECT_FALSE(probe_rdma(tree.root(), unknown).at(0).ports.at(0).neighbour);
  EXPECT_THAT(unknown, IsEmpty());
  tree.file("run/systemd/netif/lldp/4", stored(leaf_frame("leaf-r3-01")));
  EXPECT_EQ(probe_rdma(tree.root(), unknown).at(0).ports.at(0).neighbour,
            (Neighbour{"leaf-r3-01", "Ethernet12/1", "LLDP"}));
  EXPECT_THAT(unknown, IsEmpty());
  tree.file("run/systemd/netif/lldp/4", std::string(3000, '\xff'));
  EXPECT_FALSE(probe_rdma(tree.root(), unknown).at(0).ports.at(0).neighbour);
  EXPECT_THAT(unknown,
              ElementsAre(AllOf(HasSubstr("LLDP"), HasSubstr("mlx5_0 port 1"), HasSubstr("lldp/4"))));
}

TEST(Lldp, ABondHearsThroughItsPorts) {
  const SysTree tree;
  tree.roce_nic("mlx5_bond_0", "0000:18:00.0");
  tree.folder("sys/devices/pci0000:00/0000:18:00.0/net/ens1np0");
  const std::string gids =
      "sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_bond_0/ports/1/gid_attrs/ndevs/";
  for (const char* const index : {"0", "1", "2", "3"}) tree.file(gids + index, "bond0\n");
  tree.file("sys/class/net/bond0/mtu", "4200\n");
  tree.file("sys/class/net/bond0/ifindex", "9\n");
  tree.file("run/systemd/netif/lldp/4", stored(leaf_frame("leaf-r3-01")));
  std::vector<std::string> unknown;
  const RdmaPort port = probe_rdma(tree.root(), unknown).at(0).ports.at(0);
  EXPECT_EQ(port.net_device, "bond0");
  EXPECT_EQ(port.net_mtu_bytes, 4200);
  ASSERT_TRUE(port.neighbour);
  EXPECT_EQ(port.neighbour->switch_name, "leaf-r3-01");
}

}  // namespace
}  // namespace fabricheck::topology
