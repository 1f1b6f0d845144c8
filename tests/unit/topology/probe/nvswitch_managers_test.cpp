#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

/// A machine with a GPU, a NIC of two ports and an InfiniBand device of some functions; no NVSwitch on PCI.
class NvSwitchManagers : public ::testing::Test {
 protected:
  NvSwitchManagers() {
    add_host(tree_, "NVIDIA", "DGXB200", false);
    PciFunction gpu = h100("0");
    gpu.device = "0x2901";
    add_function(tree_, "pci0000:00", pci_name(0x10, 0), gpu);
    add_nic(pci_name(0x18, 0, 0), "mlx5_0");
    add_nic(pci_name(0x18, 0, 1), "mlx5_1");
  }

  std::string add_nic(const std::string& address, const std::string& name) {
    const std::string path = add_function(tree_, "pci0000:17", address, connectx7("0"));
    add_infiniband(tree_, path, name, "400 Gb/sec (4X NDR)", ++lid_);
    return path;
  }
  /// mlx5_2 and on; with their vital product data, where some are given.
  void add_functions(int count, const std::string& vital_product_data) {
    for (int i = 0; i < count; ++i) {
      const std::string path = add_nic(pci_name(0x05, 0, i), "mlx5_" + std::to_string(2 + i));
      if (!vital_product_data.empty()) tree_.file("sys/devices/" + path + "/vpd", vital_product_data);
    }
  }
  Host probe() const {
    ProbeOptions options;
    options.sysroot = tree_.root();
    return probe_host(options);
  }
  static std::vector<std::string> nics(const Host& host) {
    std::vector<std::string> names;
    for (const RdmaDevice& device : host.rdma_devices) names.push_back(device.name);
    return names;
  }

  SysTree tree_;

 private:
  int lid_{};
};

const std::string kManager = std::string("\x82\x2a\x00", 3) + "board VA\x10SMDL=SW_MNG,PROFILE=1";
const std::string kNic = std::string("\x82\x2a\x00", 3) + "NVIDIA ConnectX-7 HHHL Adapter card";

TEST_F(NvSwitchManagers, AreNoNicsWhereTheirVitalProductDataNameThem) {
  add_functions(2, kManager);
  const Host host = probe();
  EXPECT_THAT(nics(host), ElementsAre("mlx5_0", "mlx5_1"));
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("mlx5_[2-3] manage the NVSwitches"),
                                           HasSubstr("SMDL=SW_MNG in the vital product data"))));
}

TEST_F(NvSwitchManagers, AreKnownByTheirPlaceWhereOnlyRootMayReadTheirData) {
  add_functions(4, "");
  const Host host = probe();
  EXPECT_THAT(nics(host), ElementsAre("mlx5_0", "mlx5_1"));
  EXPECT_THAT(host.unknown,
              Contains(AllOf(HasSubstr("mlx5_[2-5] manage the NVSwitches"), HasSubstr("by their place"))));
}

TEST_F(NvSwitchManagers, ThatAreLeftOutAreNotSaidToLackADevice) {
  add_functions(4, kManager);
  EXPECT_THAT(probe().unknown, Each(Not(HasSubstr("does not answer"))));
}

TEST_F(NvSwitchManagers, ACardOfTwoPortsIsKept) {
  add_functions(2, "");
  EXPECT_THAT(nics(probe()), SizeIs(4));
}

TEST_F(NvSwitchManagers, WhatTheVitalProductDataSayOutweighsThePlace) {
  add_functions(4, kNic);
  EXPECT_THAT(nics(probe()), SizeIs(6));
}

TEST_F(NvSwitchManagers, EthernetPortsAndVirtualFunctionsAreKept) {
  add_functions(4, "");
  for (int i = 0; i < 4; ++i) {
    const std::string folder = "sys/devices/pci0000:17/" + pci_name(0x05, 0, i);
    if (i < 2)
      tree_.file(folder + "/infiniband/mlx5_" + std::to_string(2 + i) + "/ports/1/link_layer", "Ethernet\n");
    else
      tree_.link(folder + "/physfn", "../" + pci_name(0x18, 0));
  }
  EXPECT_THAT(nics(probe()), SizeIs(6));
}

TEST_F(NvSwitchManagers, AreNotLookedForWhereNvSwitchesShowOnPci) {
  add_functions(4, kManager);
  add_function(
      tree_, "pci0000:00", pci_name(0x30, 0),
      {"0x10de", "0x22a3", "0x068000", "nvidia-nvswitch", "0", "16.0 GT/s PCIe", "2", "16.0 GT/s PCIe", "2"});
  EXPECT_THAT(nics(probe()), SizeIs(6));
}

TEST_F(NvSwitchManagers, EachIsToldBeforeItsDataAreRead) {
  add_functions(4, kManager);
  std::vector<std::string> told;
  ProbeOptions options;
  options.sysroot = tree_.root();
  options.at = [&](const std::string& name) { told.push_back(name); };
  probe_host(options);
  EXPECT_EQ(std::count(told.begin(), told.end(), "mlx5_5"), 2) << "by the RDMA probe and before the data";
  ASSERT_THAT(told, Not(IsEmpty()));
  EXPECT_EQ(told.back(), "");
}

}  // namespace
}  // namespace fabricheck::topology
