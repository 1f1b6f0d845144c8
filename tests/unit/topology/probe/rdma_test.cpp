#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Rdma : public ::testing::Test {
 protected:
  std::vector<RdmaDevice> probe() { return probe_rdma(tree_.root(), unknown_); }
  static std::string port(const std::string& file) {
    return "sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_0/ports/1/" + file;
  }
  static std::string device(const std::string& file) {
    return "sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_0/" + file;
  }

  SysTree tree_;
  std::vector<std::string> unknown_;
};

TEST_F(Rdma, ReadsADevice) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  const std::string local = "fe80:0000:0000:0000:ba59:9fff:fe12:3456";
  const std::string mapped = "0000:0000:0000:0000:0000:ffff:0a00:0001";
  RdmaPort port;
  port.number = 1;
  port.link_layer = "Ethernet";
  port.state = "ACTIVE";
  port.rate_Gbps = 100;
  port.gids = {{0, local, "IB/RoCE v1", "ens1np0"},
               {1, local, "RoCE v2", "ens1np0"},
               {2, mapped, "IB/RoCE v1", "ens1np0"},
               {3, mapped, "RoCE v2", "ens1np0"}};
  RdmaDevice expected;
  expected.name = "mlx5_0";
  expected.board = "MT_0000000838";
  expected.firmware = "28.39.1002";
  expected.pci_address = "0000:18:00.0";
  expected.numa_node = 1;
  expected.ports = {port};
  EXPECT_THAT(probe(), ElementsAre(expected));
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Rdma, NoFolderIsNoDevice) {
  EXPECT_THAT(probe(), IsEmpty());
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Rdma, SortsInNaturalOrder) {
  for (const char* const name : {"mlx5_10", "mlx5_2", "mlx5_0"}) {
    tree_.roce_nic(name, std::string("0000:") +
                             (name[5] == '1'   ? "10"
                              : name[5] == '2' ? "20"
                                               : "30") +
                             ":00.0");
  }
  std::vector<std::string> names;
  for (const auto& device : probe()) names.push_back(device.name);
  EXPECT_THAT(names, ElementsAre("mlx5_0", "mlx5_2", "mlx5_10"));
}

TEST_F(Rdma, ReadsInfiniBandWithoutNetDevice) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.file(port("link_layer"), "InfiniBand\n");
  tree_.file(port("state"), "1: DOWN\n");
  tree_.file(port("rate"), "2.5 Gb/sec (1X SDR)\n");
  tree_.remove(port("gid_attrs/ndevs"));
  tree_.file("sys/devices/pci0000:00/0000:18:00.0/numa_node", "-1\n");
  const auto devices = probe();
  ASSERT_THAT(devices, SizeIs(1));
  EXPECT_EQ(devices[0].numa_node, std::nullopt);
  const RdmaPort& port = devices[0].ports.at(0);
  EXPECT_EQ(port.link_layer, "InfiniBand");
  EXPECT_EQ(port.state, "DOWN");
  EXPECT_EQ(port.rate_Gbps, 2.5);
  EXPECT_EQ(port.gids.at(0).net_device, "");
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Rdma, SoftRoceHasNeitherBoardNorPci) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.remove(device("board_id"));
  tree_.remove(device("device"));
  const auto devices = probe();
  ASSERT_THAT(devices, SizeIs(1));
  EXPECT_EQ(devices[0].board, "");
  EXPECT_EQ(devices[0].pci_address, "");
  EXPECT_EQ(devices[0].numa_node, std::nullopt);
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Rdma, SubFunctionHasThePciAddressAboveIt) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.folder("sys/devices/pci0000:00/0000:18:00.0/mlx5_core.sf.4");
  tree_.remove(device("device"));
  tree_.link(device("device"), "../../mlx5_core.sf.4");
  EXPECT_EQ(probe().at(0).pci_address, "0000:18:00.0");
}

TEST_F(Rdma, GarbageIsASentenceEach) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.file(device("fw_ver"), "\xff\xfe\x01");
  tree_.file(port("state"), "ACTIVE\n");
  tree_.file(port("rate"), "fast\n");
  tree_.file(port("link_layer"), "");
  tree_.file(port("gids/1"), "fe80:0000:0000:0000:ba59:9fff:fe12:345\n");
  tree_.file(port("gids/2"), "fe80:0000:0000:0000:ba59:9fff:fe12:345g\n");
  tree_.file(port("gids/x"), "fe80:0000:0000:0000:ba59:9fff:fe12:3456\n");
  tree_.folder("sys/devices/pci0000:00/0000:18:00.0/infiniband/mlx5_0/ports/zero");
  const auto devices = probe();
  ASSERT_THAT(devices, SizeIs(1));
  EXPECT_EQ(devices[0].firmware, "");
  ASSERT_THAT(devices[0].ports, SizeIs(1));
  const RdmaPort& read = devices[0].ports[0];
  EXPECT_EQ(read.state, "unknown");
  EXPECT_EQ(read.link_layer, "unknown");
  EXPECT_EQ(read.rate_Gbps, std::nullopt);
  ASSERT_THAT(read.gids, SizeIs(2));
  EXPECT_EQ(read.gids[0].index, 0);
  EXPECT_EQ(read.gids[1].index, 3);
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("fw_ver"), HasSubstr("no text"))));
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("state"), HasSubstr("'ACTIVE'"))));
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("rate"), HasSubstr("'fast'"))));
  EXPECT_THAT(unknown_, Contains(HasSubstr("3 of 6 GIDs")));
  EXPECT_THAT(unknown_, Contains(HasSubstr("ports/zero is no port number")));
}

TEST_F(Rdma, RatesThatAreNoRates) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  for (const char* const bad :
       {"inf Gb/sec", "nan Gb/sec", "-1 Gb/sec", "1e999 Gb/sec", "100", "100 Mb/sec", ""}) {
    unknown_.clear();
    tree_.file(port("rate"), bad);
    EXPECT_EQ(probe().at(0).ports.at(0).rate_Gbps, std::nullopt) << bad;
  }
  tree_.file(port("rate"), "400 Gb/sec (4X NDR)");
  EXPECT_EQ(probe().at(0).ports.at(0).rate_Gbps, 400);
}

TEST_F(Rdma, UnreadableEntriesAndLoopsAreSentences) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.roce_nic("mlx5_1", "0000:19:00.0");
  tree_.link("sys/class/infiniband/mlx5_2", "mlx5_3");
  tree_.link("sys/class/infiniband/mlx5_3", "mlx5_2");
  tree_.link("sys/class/infiniband/mlx5_4", "../../devices/gone");
  tree_.file("sys/class/infiniband/notes", "a file");
  tree_.remove(device("device"));
  tree_.link(device("device"), "device");
  tree_.remove(port("state"));
  tree_.folder(port("state"));
  tree_.remove(port("gids"));
  tree_.link(port("gids"), "gids");
  tree_.remove("sys/devices/pci0000:00/0000:19:00.0/infiniband/mlx5_1/ports");
  const auto devices = probe();
  ASSERT_THAT(devices, SizeIs(2));
  EXPECT_EQ(devices[0].pci_address, "");
  EXPECT_EQ(devices[0].ports.at(0).state, "unknown");
  EXPECT_THAT(devices[0].ports.at(0).gids, IsEmpty());
  EXPECT_EQ(devices[1].pci_address, "0000:19:00.0");
  EXPECT_THAT(devices[1].ports, IsEmpty());
  for (const char* const part : {"mlx5_2 is not a device", "mlx5_3 is not a device", "mlx5_4 is not a device",
                                 "notes is not a device", "its GIDs are not known", "ports of mlx5_1"}) {
    EXPECT_THAT(unknown_, Contains(HasSubstr(part)));
  }
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("state"), HasSubstr("not a regular file"))));
}

TEST_F(Rdma, MissingGidTypesAreOneSentence) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.remove(port("gid_attrs"));
  const auto devices = probe();
  EXPECT_EQ(devices.at(0).ports.at(0).gids.at(1).type, "unknown");
  ASSERT_THAT(unknown_, SizeIs(1));
  EXPECT_THAT(unknown_[0], HasSubstr("the type of 4 GIDs"));
}

TEST_F(Rdma, FolderThatIsNoFolder) {
  tree_.file("sys/class/infiniband", "");
  EXPECT_THAT(probe(), IsEmpty());
  ASSERT_THAT(unknown_, SizeIs(1));
  EXPECT_THAT(unknown_[0], HasSubstr("RDMA devices are not seen"));
}

}  // namespace
}  // namespace fabricheck::topology
