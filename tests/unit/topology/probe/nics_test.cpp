#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// One NIC on a real machine.
class Nics : public ::testing::Test {
 protected:
  Nics() { add_host(tree_, "Supermicro", "SYS-821GE", false); }

  std::string add(const PciFunction& function) {
    const std::string port = add_function(tree_, "pci0000:17", "0000:17:01.0", bridge(4));
    return "sys/devices/" + add_function(tree_, port, "0000:18:00.0", function);
  }
  Host probe() {
    ProbeOptions options;
    options.sysroot = tree_.root();
    return probe_host(options);
  }
  void expect_accused(const char* reason) {
    const Host host = probe();
    ASSERT_THAT(host.rdma_devices, SizeIs(1));
    const RdmaDevice& nic = host.rdma_devices[0];
    EXPECT_EQ(nic.name, "0000:18:00.0");
    EXPECT_EQ(nic.pci_address, "0000:18:00.0");
    EXPECT_EQ(nic.status, "not answering");
    EXPECT_EQ(nic.numa_node, 0);
    EXPECT_THAT(nic.ports, IsEmpty());
    EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("0000:18:00.0"), HasSubstr(reason))));
  }
  void expect_not_listed(const char* sentence) {
    const Host host = probe();
    EXPECT_THAT(host.rdma_devices, IsEmpty());
    if (*sentence == '\0') {
      EXPECT_THAT(host.unknown, IsEmpty());
    } else {
      EXPECT_THAT(host.unknown, ElementsAre(HasSubstr(sentence)));
    }
  }
  static PciFunction without_driver() {
    PciFunction nic = connectx7();
    nic.driver.clear();
    return nic;
  }

  SysTree tree_;
};

TEST_F(Nics, WithoutDriverItDoesNotAnswer) {
  add(without_driver());
  expect_accused("it did not start");
  tree_.remove("sys/module/mlx5_core");
  expect_accused("modprobe mlx5_core");
}

TEST_F(Nics, ItsNumbersAreThere) {
  add(without_driver());
  EXPECT_EQ(probe().rdma_devices.at(0).ids, "15b3:1021");
  EXPECT_EQ(probe().rdma_devices.at(0).virtual_function, false);
}

TEST_F(Nics, WithItsDriverAndNothingElseItDoesNotAnswer) {
  add(connectx7());
  expect_accused("neither RDMA nor net device");
  tree_.remove("sys/module/mlx5_ib");
  expect_accused("load mlx5_ib");
}

TEST_F(Nics, InfiniBandOfOthersAndFabricAdaptersCountToo) {
  add({"0x8086", "0x24f0", "0x020800", "", "0"});
  expect_accused("has no kernel driver;");
  tree_.file("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/class", "0x020000\n");
  tree_.file("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/vendor", "0x1d0f\n");
  tree_.file("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/device", "0xefa2\n");
  expect_accused("has no kernel driver;");
}

TEST_F(Nics, EthernetNicsWithoutRdmaAreNone) {
  add({"0x8086", "0x1572", "0x020000", "i40e", "0"});
  expect_not_listed("");
  tree_.remove("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/driver");
  expect_not_listed("");
  tree_.file("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/vendor", "0x1d0f\n");
  tree_.file("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/device", "0xec20\n");
  expect_not_listed("");
}

TEST_F(Nics, GivenAwayIsNoFault) {
  PciFunction nic = connectx7();
  for (const char* const driver : {"vfio-pci", "mlx5_vfio_pci", "pci-stub", "uio_pci_generic"}) {
    nic.driver = driver;
    tree_.remove("sys/devices/pci0000:17");
    tree_.remove("sys/bus/pci/devices/0000:17:01.0");
    tree_.remove("sys/bus/pci/devices/0000:18:00.0");
    add(nic);
    expect_not_listed("given to a virtual machine");
  }
}

TEST_F(Nics, ASpareVirtualFunctionIsNoFault) {
  tree_.link(add(without_driver()) + "/physfn", "../0000:18:00.1");
  expect_not_listed("");
}

TEST_F(Nics, AFunctionWithoutDriverOfAVirtualMachineIsASentence) {
  tree_.file("proc/cpuinfo", "processor\t: 0\nmodel name\t: Fast CPU 9000\nflags\t\t: fpu hypervisor\n");
  tree_.file("sys/class/dmi/id/sys_vendor", "QEMU\n");
  PciFunction nic = without_driver();
  nic.device = "0x101e";
  add(nic);
  expect_not_listed("0000:18:00.0");
}

TEST_F(Nics, ANetDeviceWithoutRdmaIsASentence) {
  tree_.folder(add(connectx7()) + "/net/ens1np0");
  expect_not_listed("load mlx5_ib");
}

TEST_F(Nics, TheSecondPortOfABondIsNoFault) {
  tree_.folder(add(connectx7()) + "/net/ens1np1/bonding_slave");
  expect_not_listed("");
}

TEST_F(Nics, InAContainerWhatIsOutOfSightIsNotAccused) {
  tree_.file("proc/self/cgroup", "0::/kubepods/besteffort/pod1\n");
  add(connectx7());
  expect_not_listed("another container's");
  tree_.remove("sys/devices/pci0000:17/0000:17:01.0/0000:18:00.0/driver");
  expect_accused("no kernel driver");
}

TEST_F(Nics, OneThatAnswersIsListedOnce) {
  const std::string folder = add(connectx7());
  add_infiniband(tree_, folder.substr(std::string("sys/devices/").size()), "mlx5_0", "400 Gb/sec (4X NDR)",
                 1);
  const Host host = probe();
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  EXPECT_EQ(host.rdma_devices[0].status, "answers");
  EXPECT_THAT(host.unknown, IsEmpty());
}

}  // namespace
}  // namespace fabricheck::topology
