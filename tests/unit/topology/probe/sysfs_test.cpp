#include "topology/probe/sysfs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "topology/probe/pci.hpp"
#include "unit/topology/probe/sys_tree.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(ReadText, TrimsAndStopsAtTheLimit) {
  const SysTree tree;
  tree.file("a", " 4: ACTIVE\n\n");
  tree.file("long", std::string(100000, 'x'));
  EXPECT_EQ(read_text(tree.at("a")), "4: ACTIVE");
  std::string why;
  EXPECT_EQ(read_text(tree.at("long"), why, 5000)->size(), 5000U);
  EXPECT_EQ(read_text(tree.at("long"), why)->size(), 65536U);
}

TEST(ReadText, SaysWhyItCannot) {
  const SysTree tree;
  tree.folder("folder");
  tree.link("loop", "loop");
  std::string why;
  EXPECT_FALSE(read_text(tree.at("absent"), why));
  EXPECT_THAT(why, HasSubstr("No such file"));
  EXPECT_FALSE(read_text(tree.at("folder"), why));
  EXPECT_EQ(why, "not a regular file");
  EXPECT_FALSE(read_text(tree.at("loop"), why));
  EXPECT_THAT(why, HasSubstr("symbolic links"));
}

TEST(ReadText, DoesNotWaitForAFifo) {
  const SysTree tree;
  ASSERT_EQ(::mkfifo(tree.at("fifo").c_str(), 0600), 0);
  std::string why;
  EXPECT_FALSE(read_text(tree.at("fifo"), why));
  EXPECT_EQ(why, "not a regular file");
}

TEST(NaturalLess, ComparesNumbersAsNumbers) {
  std::vector<std::string> names{"mlx5_10", "mlx5_2", "bnxt_re0", "mlx5_bond_0",
                                 "mlx5_02", "mlx5_",  "10",       "9"};
  std::sort(names.begin(), names.end(), natural_less);
  EXPECT_THAT(names,
              ElementsAre("9", "10", "bnxt_re0", "mlx5_", "mlx5_02", "mlx5_2", "mlx5_10", "mlx5_bond_0"));
  EXPECT_FALSE(natural_less("a1", "a1"));
  EXPECT_TRUE(natural_less("a99999999999999999999998", "a99999999999999999999999"));
}

TEST(InQuotes, KeepsSentencesReadable) {
  EXPECT_EQ(in_quotes("a\tb\xff"), "'a?b?'");
  EXPECT_LT(in_quotes(std::string(5000, 'x')).size(), 110U);
}

TEST(PciAddress, TakesTheFormsOfSysfsAndNvml) {
  EXPECT_EQ(pci_address("0000:18:00.0"), "0000:18:00.0");
  EXPECT_EQ(pci_address("00000000:3B:00.1"), "0000:3b:00.1");
  EXPECT_EQ(pci_address("00010000:3b:00.1"), "10000:3b:00.1");
  for (const char* const bad : {"", "18:00.0", "0000:18:00", "0000:18:00.0 ", "0000:zz:00.0", "0000:-1:00.0",
                                "pci0000:00", "000000000:18:00.0", "0000:18-00.0"}) {
    EXPECT_FALSE(pci_address(bad)) << bad;
  }
}

TEST(PciDevices, ReadsVendorAndClass) {
  const SysTree tree;
  tree.pci("0000:3b:00.0", "0x10de", "0x030000", "1");
  tree.pci("0000:18:00.0", "0x10de", "0x030200", "-1");
  tree.pci("0000:19:00.0", "0x10de", "0x040300");  // the GPU's sound
  tree.pci("0000:1a:00.0", "0x1002", "0x030000");  // another vendor's GPU
  std::vector<std::string> unknown;
  const auto devices = pci_devices(tree.root(), unknown);
  EXPECT_THAT(unknown, IsEmpty());
  ASSERT_THAT(devices, SizeIs(4));
  EXPECT_EQ(devices[0].address, "0000:18:00.0");
  EXPECT_EQ(devices[0].vendor, 0x10de);
  std::vector<std::string> gpus;
  for (const auto& device : devices) {
    if (is_nvidia_gpu(device)) gpus.push_back(device.address);
  }
  EXPECT_THAT(gpus, ElementsAre("0000:18:00.0", "0000:3b:00.0"));
  EXPECT_EQ(pci_numa_node(tree.root(), "0000:3b:00.0"), 1);
  EXPECT_EQ(pci_numa_node(tree.root(), "0000:18:00.0"), std::nullopt);
  EXPECT_EQ(pci_numa_node(tree.root(), "0000:ff:00.0"), std::nullopt);
}

TEST(PciDevices, CountsWhatCannotBeReadInOneSentence) {
  const SysTree tree;
  tree.pci("0000:18:00.0", "0x10de", "0x030200");
  tree.pci("0000:19:00.0", "garbage", "0x030200");
  tree.pci("0000:1a:00.0", "0x10de", "");
  tree.folder("sys/bus/pci/devices/not-an-address");
  tree.link("sys/bus/pci/devices/0000:1b:00.0", "0000:1b:00.0");
  std::vector<std::string> unknown;
  EXPECT_THAT(pci_devices(tree.root(), unknown), SizeIs(1));
  ASSERT_THAT(unknown, SizeIs(1));
  EXPECT_THAT(unknown[0], HasSubstr("4 devices"));
}

TEST(PciDevices, AMachineWithoutPciIsNotAPuzzleButOneWithoutSysfsIs) {
  const SysTree tree;
  std::vector<std::string> unknown;
  tree.folder("sys/bus/cpu");
  EXPECT_THAT(pci_devices(tree.root(), unknown), IsEmpty());
  EXPECT_THAT(unknown, IsEmpty());
  tree.remove("sys");
  EXPECT_THAT(pci_devices(tree.root(), unknown), IsEmpty());
  ASSERT_THAT(unknown, SizeIs(1));
  EXPECT_THAT(unknown[0], HasSubstr("is sysfs mounted?"));
  tree.link("sys/bus/pci/devices", "devices");
  EXPECT_THAT(pci_devices(tree.root(), unknown), IsEmpty());
  ASSERT_THAT(unknown, SizeIs(2));
  EXPECT_THAT(unknown[1], HasSubstr("symbolic links"));
}

}  // namespace
}  // namespace fabricheck::topology
