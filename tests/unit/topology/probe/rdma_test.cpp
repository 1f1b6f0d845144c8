#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

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
  port.physical_state = "LinkUp";
  port.net_device = "ens1np0";
  port.net_mtu_bytes = 9000;
  port.subnets = {"10.0.0.0/24"};
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
  expected.ids = "15b3:101d";
  expected.node_guid = "b859:9f03:0012:3456";
  expected.virtual_function = false;
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
  tree_.file(port("phys_state"), "3: Disabled\n");
  tree_.file(port("lid"), "0x12\n");
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
  EXPECT_EQ(port.physical_state, "Disabled");
  EXPECT_EQ(port.lid, 0x12);
  EXPECT_EQ(port.net_device, "");
  EXPECT_EQ(port.net_mtu_bytes, std::nullopt);
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
  tree_.file(port("phys_state"), "LinkUp\n");
  tree_.file(port("gid_attrs/ndevs/0"), "../../../../etc\n");
  tree_.file(device("node_guid"), "b859:9f03:0012:345g\n");
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
  EXPECT_EQ(read.gids[0].net_device, "");
  EXPECT_EQ(read.gids[1].index, 3);
  EXPECT_EQ(read.physical_state, "unknown");
  EXPECT_EQ(read.net_device, "ens1np0");
  EXPECT_EQ(devices[0].node_guid, "");
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("node_guid"), HasSubstr("not a GUID"))));
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("fw_ver"), HasSubstr("no text"))));
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("state"), HasSubstr("'ACTIVE'"))));
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("rate"), HasSubstr("'fast'"))));
  EXPECT_THAT(unknown_, Contains(HasSubstr("3 of 6 GIDs")));
  EXPECT_THAT(unknown_, Contains(HasSubstr("ports/zero is no port number")));
}

TEST_F(Rdma, RatesThatAreNoRates) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  for (const char* const bad : {"inf Gb/sec", "nan Gb/sec", "-1 Gb/sec", "1e999 Gb/sec",
                                "9999999999999 Gb/sec", "100", "100 Mb/sec", ""}) {
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

TEST_F(Rdma, IpoibDevicesAreToldApartByTheirPort) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  const std::string nic = "sys/devices/pci0000:00/0000:18:00.0/";
  for (const char* const number : {"1", "2"}) {
    const std::string folder = nic + "infiniband/mlx5_0/ports/" + number;
    tree_.remove(folder);
    tree_.file(folder + "/link_layer", "InfiniBand\n");
    tree_.file(folder + "/state", "4: ACTIVE\n");
    tree_.file(folder + "/rate", "200 Gb/sec (4X HDR)\n");
    tree_.file(folder + "/lid", std::string("0x") + number + "\n");
    tree_.file(folder + "/gids/0", "fe80:0000:0000:0000:ba59:9fff:fe12:3456\n");
    tree_.file(folder + "/gid_attrs/types/0", "IB/RoCE v1\n");
  }
  tree_.file(nic + "net/ib0/dev_port", "0\n");
  tree_.file(nic + "net/ib1/dev_port", "1\n");
  tree_.net_device("ib0", 4);
  tree_.net_device("ib1", 5);
  const auto devices = probe();
  ASSERT_THAT(devices.at(0).ports, SizeIs(2));
  EXPECT_EQ(devices[0].ports[0].net_device, "ib0");
  EXPECT_EQ(devices[0].ports[1].net_device, "ib1");
  EXPECT_EQ(devices[0].ports[1].lid, 2);
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(Rdma, ANetDeviceOfAnotherNamespaceIsSaidOnce) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.roce_nic("mlx5_1", "0000:19:00.0");
  tree_.remove("sys/class/net");
  const auto devices = probe();
  EXPECT_EQ(devices.at(0).ports.at(0).net_device, "ens1np0");
  EXPECT_EQ(devices.at(0).ports.at(0).net_mtu_bytes, std::nullopt);
  EXPECT_THAT(unknown_, ElementsAre(AllOf(HasSubstr("ens1np0 of mlx5_0"), HasSubstr("1 more"),
                                          HasSubstr("network namespace"))));
}

TEST_F(Rdma, VirtualFunctionsAreToldByTheKernelOrByTheirNumber) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  EXPECT_EQ(probe().at(0).virtual_function, false);
  tree_.link("sys/devices/pci0000:00/0000:18:00.0/physfn", "../0000:17:00.0");
  EXPECT_EQ(probe().at(0).virtual_function, true);
  tree_.remove("sys/devices/pci0000:00/0000:18:00.0/physfn");
  tree_.file("sys/devices/pci0000:00/0000:18:00.0/device", "0x101e\n");
  EXPECT_EQ(probe().at(0).virtual_function, true);
}

TEST_F(Rdma, AGidTableOfGarbageIsOneSentence) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  for (int i = 0; i < 256; ++i) tree_.file(port("gids/" + std::to_string(i)), std::string(5000, '\xfe'));
  EXPECT_THAT(probe().at(0).ports.at(0).gids, IsEmpty());
  ASSERT_THAT(unknown_, SizeIs(1));
  EXPECT_THAT(unknown_[0], HasSubstr("256 of 256 GIDs"));
  EXPECT_LT(unknown_[0].size(), 400U);
}

TEST_F(Rdma, FifosInPlaceOfFilesDoNotHang) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  for (const std::string& file :
       {port("state"), port("lid"), port("gids/0"), device("node_guid"), device("fw_ver"),
        std::string("proc/net/route"), std::string("sys/class/net/ens1np0/mtu")}) {
    tree_.remove(file);
    ASSERT_EQ(::mkfifo(tree_.at(file).c_str(), 0600), 0) << file;
  }
  const auto devices = probe();
  ASSERT_THAT(devices, SizeIs(1));
  EXPECT_EQ(devices[0].ports.at(0).state, "unknown");
  EXPECT_EQ(devices[0].ports.at(0).net_mtu_bytes, std::nullopt);
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("proc/net/route"), HasSubstr("not a regular file"))));
}

TEST_F(Rdma, AHugeFileIsReadInPart) {
  tree_.roce_nic("mlx5_0", "0000:18:00.0");
  tree_.file(port("rate"), "");
  std::filesystem::resize_file(tree_.at(port("rate")), std::uintmax_t{100} << 20);
  std::filesystem::resize_file(tree_.at("proc/net/route"), std::uintmax_t{100} << 20);
  const auto devices = probe();
  EXPECT_EQ(devices.at(0).ports.at(0).rate_Gbps, std::nullopt);
  EXPECT_EQ(devices.at(0).ports.at(0).subnets, (std::vector<std::string>{"10.0.0.0/24"}));
}

}  // namespace
}  // namespace fabricheck::topology
