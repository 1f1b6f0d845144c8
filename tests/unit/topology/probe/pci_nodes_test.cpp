#include "topology/probe/pci_nodes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PciNodes : public ::testing::Test {
 protected:
  std::vector<PciNode> probe() {
    unknown_.clear();
    return pci_nodes(tree_.root(), pci_devices(tree_.root(), unknown_), unknown_);
  }
  PciNode node(const std::string& address) {
    const auto nodes = probe();
    const auto found =
        std::find_if(nodes.begin(), nodes.end(), [&](const PciNode& n) { return n.address == address; });
    return found == nodes.end() ? PciNode{} : *found;
  }

  /// A GPU below a switch below a root port, all on domain 0000.
  void add_gpu(std::size_t config_bytes = 4096) {
    PciFunction root = bridge(4);
    PciFunction upstream = bridge(5);
    PciFunction downstream = bridge(6);
    PciFunction gpu = h100("1");
    for (PciFunction* function : {&root, &upstream, &downstream, &gpu}) function->config_bytes = config_bytes;
    upstream.width = "8";
    gpu.max_speed = "64.0 GT/s PCIe";
    downstream.config->acs_control = 0x1d;
    downstream.max_width = "8";
    gpu.width = "8";
    const std::string path =
        add_function(tree_,
                     add_function(tree_, add_function(tree_, "pci0000:17", "0000:17:01.0", root),
                                  "0000:18:00.0", upstream),
                     "0000:19:00.0", downstream);
    gpu_ = "sys/devices/" + add_function(tree_, path, "0000:1a:00.0", gpu);
  }

  SysTree tree_;
  std::string gpu_;
  std::vector<std::string> unknown_;
};

TEST_F(PciNodes, ReadsTheWayFromTheRoot) {
  add_gpu();
  const auto nodes = probe();
  EXPECT_THAT(unknown_, IsEmpty());
  ASSERT_THAT(nodes, SizeIs(4));
  std::vector<std::string> lines;
  for (const PciNode& n : nodes) lines.push_back(n.address + " < " + n.parent + " " + n.root + " " + n.kind);
  EXPECT_THAT(lines, ElementsAre("0000:17:01.0 <  0000:17 root-port",
                                 "0000:18:00.0 < 0000:17:01.0 0000:17 switch-upstream",
                                 "0000:19:00.0 < 0000:18:00.0 0000:17 switch-downstream",
                                 "0000:1a:00.0 < 0000:19:00.0 0000:17 gpu"));
  const PciNode& gpu = nodes[3];
  EXPECT_EQ(gpu.ids, "10de:2330");
  EXPECT_EQ(gpu.driver, "nvidia");
  EXPECT_EQ(gpu.numa_node, 1);
  EXPECT_EQ(gpu.virtual_function, false);
  EXPECT_EQ(gpu.max_payload_bytes, 256);
  EXPECT_EQ(gpu.max_read_request_bytes, 512);
  EXPECT_EQ(gpu.relaxed_ordering, true);
  EXPECT_EQ(gpu.acs, std::nullopt);
  EXPECT_EQ(nodes[1].acs, false);
  EXPECT_EQ(nodes[2].acs, true);
}

TEST_F(PciNodes, ALinkIsTheOneTowardsTheRootAndItsMostIsWhatBothEndsCan) {
  add_gpu();
  const auto nodes = probe();
  EXPECT_EQ(nodes.at(0).link, PcieLink{});
  EXPECT_EQ(nodes.at(1).link, (PcieLink{32.0, 8, 32.0, 16}));  // x8 of x16
  EXPECT_EQ(nodes.at(2).link, PcieLink{});
  EXPECT_EQ(nodes.at(3).link, (PcieLink{32.0, 8, 32.0, 8}));  // the port has no more than 8 lanes of 32 GT/s
}

TEST_F(PciNodes, WithoutRootThePortsAreToldByTheirPlaceAndOneSentenceSaysWhatIsMissing) {
  add_gpu(64);
  const auto nodes = probe();
  std::vector<std::string> kinds;
  for (const PciNode& n : nodes) {
    kinds.push_back(n.kind);
    EXPECT_FALSE(n.acs || n.max_payload_bytes || n.max_read_request_bytes || n.relaxed_ordering);
  }
  EXPECT_THAT(kinds, ElementsAre("root-port", "switch-upstream", "switch-downstream", "gpu"));
  EXPECT_EQ(nodes.at(1).link.width, 8);
  EXPECT_THAT(unknown_,
              ElementsAre(AllOf(HasSubstr("ACS, MaxPayload, MaxReadReq and relaxed ordering of 4 devices"),
                                HasSubstr("run as root"))));
}

TEST_F(PciNodes, ABridgeThatIsNoExpressIsABridge) {
  PciFunction old = bridge(4);
  old.config.reset();
  add_function(tree_, add_function(tree_, "pci0000:00", "0000:00:02.0", old), "0000:01:00.0", connectx7());
  EXPECT_EQ(node("0000:00:02.0").kind, "bridge");
}

TEST_F(PciNodes, WidthsAndSpeedsThatAreNone) {
  add_gpu();
  for (const char* const bad :
       {"Unknown", "Unknown speed", "", "fast", "-1 GT/s", "nan GT/s", "1e999 GT/s"}) {
    tree_.file(gpu_ + "/current_link_speed", bad);
    EXPECT_EQ(node("0000:1a:00.0").link.speed_GTps, std::nullopt) << bad;
  }
  for (const char* const bad : {"0", "255", "-8", "x16", ""}) {
    tree_.file(gpu_ + "/current_link_width", bad);
    EXPECT_EQ(node("0000:1a:00.0").link.width, std::nullopt) << bad;
  }
  tree_.file(gpu_ + "/current_link_speed", "8 GT/s\n");
  EXPECT_EQ(node("0000:1a:00.0").link.speed_GTps, 8);
  EXPECT_THAT(unknown_, IsEmpty());
}

TEST_F(PciNodes, TheLargestBarIsOneOfTheFirstSixInMemory) {
  add_gpu();
  tree_.file(gpu_ + "/resource",
             "0x00000000c0000000 0x00000000c0ffffff 0x0000000000040200\n"
             "0x0000000000001000 0x00000000ffffffff 0x0000000000040101\n"  // ports
             "0x0000200000000000 0x0000201fffffffff 0x000000000014220c\n"
             "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
             "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
             "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
             "0x0000300000000000 0x00003fffffffffff 0x000000000014220c\n");
  EXPECT_EQ(node("0000:1a:00.0").largest_bar_bytes, std::uint64_t{128} << 30);
  for (const char* const bad : {"", "0x1 0x2", "1 2 3\n", "0x10 0xfffffffffffffffff 0x200\n"}) {
    tree_.file(gpu_ + "/resource", bad);
    EXPECT_EQ(node("0000:1a:00.0").largest_bar_bytes, std::nullopt) << bad;
  }
}

TEST_F(PciNodes, ADeviceThatFellOffTheBusIsSaid) {
  add_gpu();
  tree_.file(gpu_ + "/config", std::string(64, '\xff'));
  EXPECT_EQ(node("0000:1a:00.0").kind, "gpu");
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("fell off the bus"), HasSubstr("0000:1a:00.0"))));
}

TEST_F(PciNodes, RecordingsWithoutLinksHaveNoTree) {
  add_gpu();
  tree_.remove("sys/bus/pci/devices/0000:1a:00.0");
  std::filesystem::copy(
      tree_.at(gpu_), tree_.at("sys/bus/pci/devices/0000:1a:00.0"),
      std::filesystem::copy_options::recursive | std::filesystem::copy_options::copy_symlinks);
  const PciNode gpu = node("0000:1a:00.0");
  EXPECT_EQ(gpu.kind, "gpu");
  EXPECT_EQ(gpu.parent, "");
  EXPECT_EQ(gpu.root, "");
  EXPECT_THAT(unknown_, ElementsAre(AllOf(HasSubstr("0000:1a:00.0"), HasSubstr("must keep the links"))));
}

TEST_F(PciNodes, LinksThatContradictEachOtherAreCut) {
  tree_.folder("sys/bus/pci/devices");
  const std::string a = "0000:18:00.0";
  const std::string b = "0000:19:00.0";
  for (const auto& [address, parent] : {std::pair{a, b}, std::pair{b, a}}) {
    const std::string folder = "sys/devices/pci0000:17/" + parent + "/" + address;
    tree_.file(folder + "/vendor", "0x15b3\n");
    tree_.file(folder + "/class", "0x020700\n");
    tree_.file(folder + "/device", "0x1021\n");
    tree_.file(folder + "/config", std::string(256, '\0'));
    tree_.link("sys/bus/pci/devices/" + address, "../../../devices/pci0000:17/" + parent + "/" + address);
  }
  const auto nodes = probe();
  ASSERT_THAT(nodes, SizeIs(2));
  EXPECT_TRUE(nodes[0].parent.empty() || nodes[1].parent.empty());
  EXPECT_THAT(unknown_, Contains(HasSubstr("in a loop")));
}

TEST_F(PciNodes, ABridgeThatIsNotThereStaysAPlace) {
  add_gpu();
  tree_.remove("sys/bus/pci/devices/0000:19:00.0");
  const auto nodes = probe();
  ASSERT_THAT(nodes, SizeIs(4));
  EXPECT_EQ(nodes[2].address, "0000:19:00.0");
  EXPECT_EQ(nodes[2].kind, "bridge");
  EXPECT_EQ(nodes[2].parent, "0000:18:00.0");
  EXPECT_THAT(unknown_, ElementsAre(AllOf(HasSubstr("1 device above others"), HasSubstr("0000:19:00.0"))));
}

TEST_F(PciNodes, FifosAndHugeFilesDoNotHang) {
  add_gpu();
  for (const char* const file : {"/config", "/resource", "/current_link_speed", "/numa_node"}) {
    tree_.remove(gpu_ + file);
    ASSERT_EQ(::mkfifo(tree_.at(gpu_ + file).c_str(), 0600), 0);
  }
  const PciNode gpu = node("0000:1a:00.0");
  EXPECT_EQ(gpu.link.width, 8);
  EXPECT_EQ(gpu.link.speed_GTps, std::nullopt);
  EXPECT_THAT(unknown_, Contains(AllOf(HasSubstr("config"), HasSubstr("not a regular file"))));
  for (const char* const file : {"/config", "/resource", "/current_link_speed"}) {
    tree_.remove(gpu_ + file);
    tree_.file(gpu_ + file, "");
    std::filesystem::resize_file(tree_.at(gpu_ + file), std::uintmax_t{100} << 20);
  }
  EXPECT_EQ(node("0000:1a:00.0").kind, "gpu");
}

TEST(PciChain, TakesTheWaysOfRealMachines) {
  std::string why;
  const auto plain =
      parse_pci_chain("../../../devices/pci0000:17/0000:17:01.0/0000:18:00.0", "0000:18:00.0", why);
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->root, "0000:17");
  EXPECT_THAT(plain->bridges, ElementsAre("0000:17:01.0"));
  const auto hyper_v = parse_pci_chain(
      "../../../devices/LNXSYSTM:00/LNXSYBUS:00/ACPI0004:00/VMBUS:00/47505500-0001-0000-3130-444531454238/"
      "pci0001:00/0001:00:00.0",
      "0001:00:00.0", why);
  ASSERT_TRUE(hyper_v);
  EXPECT_EQ(hyper_v->root, "0001:00");
  EXPECT_THAT(hyper_v->bridges, IsEmpty());
  const auto volume =
      parse_pci_chain("../../../devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:02.0/10000:01:00.0",
                      "10000:01:00.0", why);
  ASSERT_TRUE(volume);
  EXPECT_EQ(volume->root, "10000:00");
  EXPECT_THAT(volume->bridges, ElementsAre("10000:00:02.0"));
}

TEST(PciChain, SaysWhatIsNone) {
  const std::string address = "0000:18:00.0";
  for (const char* const bad :
       {"", "0000:18:00.0", "../../../devices/pci0000:17", "../../../devices/pci0000:17/0000:19:00.0",
        "../../../devices/pci0000:17/x/0000:18:00.0", "../../../devices/pciXXXX:17/0000:18:00.0",
        "../../../devices/pci0000:17/0000:18:00.0/0000:17:01.0/0000:18:00.0",
        "../../../devices/pci0000:17/0000:17:01.0/0000:17:01.0/0000:18:00.0"}) {
    std::string why;
    EXPECT_FALSE(parse_pci_chain(bad, address, why)) << bad;
    EXPECT_FALSE(why.empty());
  }
  std::string deep = "../../../devices/pci0000:00";
  for (int i = 0; i < 200; ++i) deep += "/" + pci_name(i, 1);
  std::string why;
  EXPECT_FALSE(parse_pci_chain(deep + "/0000:18:00.0", address, why));
}

}  // namespace
}  // namespace fabricheck::topology
