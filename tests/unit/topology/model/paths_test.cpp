#include "topology/model/paths.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/model/pci_tree.hpp"
#include "unit/topology/model/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string cell(const Host& host, const std::string& a, const std::string& b) {
  const PathMatrix paths = paths_of(host);
  const auto at = [&](const std::string& name) {
    for (std::size_t i = 0; i < paths.ends.size(); ++i)
      if (paths.ends[i].name == name) return i;
    ADD_FAILURE() << "no device " << name;
    return std::size_t{0};
  };
  EXPECT_EQ(paths.at(at(a), at(b)), paths.at(at(b), at(a))) << a << " " << b;
  return path_name(paths.at(at(a), at(b)));
}

/// Index of each GPU's nearest NIC, -1 for none.
std::vector<int> nearest(const Host& host) {
  std::vector<int> nics;
  for (const auto& nic : nearest_nics(host, paths_of(host)))
    nics.push_back(nic ? static_cast<int>(*nic) : -1);
  return nics;
}

std::vector<std::size_t> rail_nics(const Host& host) {
  std::vector<std::size_t> nics;
  for (const Rail& rail : rails_of(host, paths_of(host))) nics.push_back(rail.nic);
  return nics;
}

TEST(PathNames, ThereAndBack) {
  for (const std::string name : {"X", "NV1", "NV18", "PIX", "PXB", "PHB", "NODE", "SYS", "?"}) {
    const auto path = parse_path(name);
    ASSERT_TRUE(path) << name;
    EXPECT_EQ(path_name(*path), name);
  }
  for (const std::string name :
       {"", "NV", "NV0", "NV-1", "NV01", "NV1x", "NV99999999999", "pix", "SOC", "PIXX", " X"})
    EXPECT_FALSE(parse_path(name)) << name;
}

TEST(PciNodeOf, IsFoundByItsAddress) {
  Host host;
  host.pci.resize(2);
  host.pci[1].address = "0000:3a:00.0";
  EXPECT_EQ(pci_node(host, "0000:3a:00.0"), &host.pci[1]);
  EXPECT_EQ(pci_node(host, "0000:3b:00.0"), nullptr);
  EXPECT_EQ(pci_node(host, ""), nullptr) << "no address is nobody's";
}

TEST(Paths, DgxH100) {
  const Host host = machines::dgx_h100();
  const PathMatrix paths = paths_of(host);
  ASSERT_EQ(paths.ends.size(), 18U);
  for (std::size_t a = 0; a < 8; ++a) {
    for (std::size_t b = 0; b < 8; ++b) {
      EXPECT_EQ(path_name(paths.at(a, b)), a == b ? "X" : "NV18");
      const std::string expected = a == b ? "PIX" : a / 4 == b / 4 ? "NODE" : "SYS";
      EXPECT_EQ(path_name(paths.at(a, 8 + b)), expected) << a << " " << b;
    }
  }
  EXPECT_THAT(nearest(host), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(nvlink_islands(paths), ElementsAre(ElementsAre(0, 1, 2, 3, 4, 5, 6, 7)));
  const auto rails = rails_of(host, paths);
  ASSERT_EQ(rails.size(), 8U);  // the two storage NICs are none
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(rails[i], (Rail{i, {i}}));
}

TEST(Paths, ThroughNvSwitchesTheSmallerNumberOfActiveLinksCounts) {
  Host host = machines::dgx_h100();
  host.gpus[3].nvlinks[5].active = false;
  EXPECT_EQ(cell(host, "GPU3", "GPU0"), "NV17");
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "NV18");
  host.gpus[0].nvlinks[0].active = std::nullopt;  // not known is not active
  host.gpus[0].nvlinks[1].active = false;
  EXPECT_EQ(cell(host, "GPU3", "GPU0"), "NV16");
}

TEST(Paths, GpuWithoutActiveNvlinkIsAnIslandOfItsOwn) {
  Host host = machines::dgx_h100();
  for (NvLink& link : host.gpus[2].nvlinks) link.active = false;
  EXPECT_EQ(cell(host, "GPU2", "GPU3"), "NODE");
  EXPECT_EQ(cell(host, "GPU2", "GPU7"), "SYS");
  EXPECT_THAT(nvlink_islands(paths_of(host)), ElementsAre(ElementsAre(0, 1, 3, 4, 5, 6, 7), ElementsAre(2)));
}

TEST(Paths, SwitchIsKnownByItsPlaceInTheTreeToo) {
  Host host = machines::dgx_h100();
  for (Gpu& gpu : host.gpus)
    for (NvLink& link : gpu.nvlinks) {
      link.remote.clear();
      link.remote_pci_address = "0000:c1:00.0";
    }
  EXPECT_EQ(cell(host, "GPU0", "GPU7"), "NV18");
  for (Gpu& gpu : host.gpus)
    for (NvLink& link : gpu.nvlinks) link.remote_pci_address.clear();
  EXPECT_EQ(cell(host, "GPU0", "GPU7"), "SYS");  // where the links lead is not known
}

TEST(Paths, DirectLinksOfAHybridCubeMesh) {
  const Host host = machines::dgx1v();
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "NV1");
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "NV2");
  EXPECT_EQ(cell(host, "GPU0", "GPU4"), "NV2");
  EXPECT_EQ(cell(host, "GPU0", "GPU5"), "SYS");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "PIX");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_1"), "PHB");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_2"), "SYS");
  EXPECT_THAT(nearest(host), ElementsAre(0, 0, 1, 1, 2, 2, 3, 3));
  EXPECT_THAT(rails_of(host, paths_of(host))[1], (Rail{1, {2, 3}}));
  EXPECT_EQ(nvlink_islands(paths_of(host)).size(), 1U);  // directly or through others
}

TEST(Paths, DirectLinkThatOnlyOneEndSeesIsTheSmallerNumber) {
  Host host = machines::dgx1v();
  for (NvLink& link : host.gpus[0].nvlinks) {
    if (link.remote_pci_address != host.gpus[3].pci_address) continue;
    link.active = false;
    break;
  }
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "NV1");
}

TEST(Paths, Gb200TrayHasItsSwitchesElsewhere) {
  Host host = machines::gb200_tray();
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "NV18");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "NODE");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_2"), "SYS");
  EXPECT_THAT(nearest(host), ElementsAre(0, 1, 2, 3));
  host.gpus[3].fabric->clique_id = 1;
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "SYS");
  EXPECT_THAT(nvlink_islands(paths_of(host)), ElementsAre(ElementsAre(0, 1, 2), ElementsAre(3)));
  host.gpus[3].fabric->clique_id = 32766;
  host.gpus[3].fabric->cluster_uuid = "another";
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "SYS");
}

/// A host bridge with a switch; below it GPU0 and NIC at one more switch, GPU1 at another, GPU2 at the first.
Host nested_switches(const std::string& upstream, const std::string& downstream) {
  Host host;
  host.name = "nested";
  host.numa_nodes = {{0, "0-7", machines::kGiB}, {1, "8-15", machines::kGiB}};
  const std::string root = "0000:10";
  const auto pci = [&](const std::string& address, const std::string& parent, const std::string& kind) {
    return machines::add_pci(host, address, parent, kind, root, 0);
  };
  pci("0000:10:01.0", "", "root-port");
  pci("0000:11:00.0", "0000:10:01.0", upstream);
  for (const std::string device : {"00", "01", "02"})
    pci("0000:12:" + device + ".0", "0000:11:00.0", downstream);
  pci("0000:13:00.0", "0000:12:00.0", upstream);
  for (const std::string device : {"00", "01"}) pci("0000:14:" + device + ".0", "0000:13:00.0", downstream);
  pci("0000:17:00.0", "0000:12:01.0", upstream);
  pci("0000:18:00.0", "0000:17:00.0", downstream);
  machines::add_gpu(host, pci("0000:15:00.0", "0000:14:00.0", "gpu"), 0);
  machines::add_nic(host, pci("0000:16:00.0", "0000:14:01.0", "nic"), 0);
  machines::add_gpu(host, pci("0000:19:00.0", "0000:18:00.0", "gpu"), 0);
  machines::add_gpu(host, pci("0000:1a:00.0", "0000:12:02.0", "gpu"), 0);
  return host;
}

TEST(Paths, PortsOfOneSwitchAreOneBridge) {
  // Named ports, and bridges of a file that does not name them.
  for (const bool named : {true, false}) {
    const Host host =
        named ? nested_switches("switch-upstream", "switch-downstream") : nested_switches("bridge", "bridge");
    EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "PIX") << named;
    EXPECT_EQ(cell(host, "GPU1", "mlx5_0"), "PXB") << named;
    EXPECT_EQ(cell(host, "GPU2", "mlx5_0"), "PXB") << named;
    EXPECT_EQ(cell(host, "GPU0", "GPU1"), "PXB") << named;
  }
}

TEST(Paths, SwitchOfAFileThatHasNoPortsIsOneNode) {
  Host host;
  host.name = "nccl";
  machines::add_pci(host, "ffff:ff:01.0", "", "bridge", "cpu0", 0);
  machines::add_pci(host, "ffff:ff:02.0", "ffff:ff:01.0", "bridge", "cpu0", 0);
  for (const std::string at : {"0001:00:00.0", "0002:00:00.0"})
    machines::add_gpu(host, machines::add_pci(host, at, "ffff:ff:02.0", "gpu", "cpu0", 0), 0);
  machines::add_nic(host, machines::add_pci(host, "0101:00:00.0", "ffff:ff:02.0", "nic", "cpu0", 0), 0);
  machines::add_nic(host, machines::add_pci(host, "0102:00:00.0", "ffff:ff:01.0", "nic", "cpu0", 0), 0);
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "PIX");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "PIX");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_1"), "PXB");
}

TEST(Paths, FunctionsOfOneCardAndPortsOfOneDevice) {
  Host host;
  machines::add_pci(host, "0000:10:01.0", "", "root-port", "0000:10", 0);
  for (const std::string at : {"0000:11:00.0", "0000:11:00.1"})
    machines::add_nic(host, machines::add_pci(host, at, "0000:10:01.0", "nic", "0000:10", 0), 0);
  machines::add_nic(host, "0000:11:00.1", 0);
  EXPECT_EQ(cell(host, "mlx5_0", "mlx5_1"), "PIX");
  EXPECT_EQ(cell(host, "mlx5_1", "mlx5_2"), "PIX");
}

TEST(Paths, HostBridgesAndNumaNodes) {
  Host host;
  host.numa_nodes = {{0, "0-7", machines::kGiB}, {1, "8-15", machines::kGiB}};
  const auto add = [&](const std::string& root, const std::string& bus, int numa) {
    const auto port = machines::add_pci(host, "0000:" + bus + ":00.1", "", "root-port", root, numa);
    machines::add_gpu(host, machines::add_pci(host, "0000:" + bus + ":01.0", port, "gpu", root, numa), numa);
  };
  add("0000:10", "10", 0);
  add("0000:10", "11", 0);
  add("0000:20", "20", 0);
  add("0000:80", "80", 1);
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "PHB");
  EXPECT_EQ(cell(host, "GPU0", "GPU2"), "NODE");
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "SYS");
}

TEST(Paths, VirtualMachineWithAFlatTree) {
  Host host = machines::small_vm();
  host.environment.flat_pci_tree = true;
  for (int i = 0; i < 4; ++i)
    machines::add_gpu(
        host, machines::add_pci(host, fmt::format("0000:00:{:02x}.0", 4 + i), "", "gpu", "0000:00", {}), {});
  for (int i = 0; i < 4; ++i)
    machines::add_nic(
        host, machines::add_pci(host, fmt::format("0000:00:{:02x}.0", 16 + i), "", "nic", "0000:00", {}), {});
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "PHB");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_3"), "PHB");
  EXPECT_THAT(nearest(host), ElementsAre(0, 1, 2, 3));
}

TEST(Paths, WithoutPciTheNumaNodesTell) {
  Host host;
  host.numa_nodes = {{0, "0-7", machines::kGiB}, {1, "8-15", machines::kGiB}};
  machines::add_gpu(host, "", 0);
  machines::add_gpu(host, "0000:18:00.0", 0);  // not in the tree
  machines::add_gpu(host, "", 1);
  machines::add_gpu(host, "", std::nullopt);
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "NODE");
  EXPECT_EQ(cell(host, "GPU0", "GPU2"), "SYS");
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "?");
  host.numa_nodes.pop_back();
  EXPECT_EQ(cell(host, "GPU0", "GPU3"), "NODE");  // there is only one
}

TEST(Paths, BrokenTreesAreNotKnown) {
  Host host;
  host.numa_nodes = {{0, "0-7", machines::kGiB}};
  const auto gpu = [&](const std::string& address, const std::string& parent) {
    machines::add_gpu(host, machines::add_pci(host, address, parent, "gpu", "0000:10", 0), 0);
  };
  machines::add_pci(host, "0000:11:00.0", "0000:12:00.0", "bridge", "0000:10", 0);
  machines::add_pci(host, "0000:12:00.0", "0000:11:00.0", "bridge", "0000:10", 0);
  machines::add_pci(host, "0000:20:00.0", "0000:20:00.0", "switch-downstream", "0000:10", 0);
  gpu("0000:13:00.0", "0000:12:00.0");
  gpu("0000:14:00.0", "0000:11:00.0");
  gpu("0000:21:00.0", "0000:20:00.0");
  gpu("0000:31:00.0", "not there");
  gpu("0000:41:00.0", "");
  for (const std::string a : {"GPU0", "GPU1", "GPU2", "GPU3"}) {
    for (const std::string b : {"GPU0", "GPU1", "GPU2", "GPU3", "GPU4"})
      EXPECT_EQ(cell(host, a, b), a == b ? "X" : "?") << a << " " << b;
  }
}

TEST(Paths, VeryDeepTreeEnds) {
  Host host;
  std::string parent;
  for (int i = 0; i < 100'000; ++i)
    parent = machines::add_pci(host, fmt::format("{:x}:00:00.0", i), parent, "bridge", "0000:10", 0);
  for (const std::string at : {"ffffff:00:00.0", "ffffff:01:00.0"})
    machines::add_gpu(host, machines::add_pci(host, at, parent, "gpu", "0000:10", 0), 0);
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "?");
}

TEST(Paths, GivenOnesAreTaken) {
  Host host = machines::dgx_h100();  // whose own tree would say otherwise
  host.gpus.resize(2);
  host.rdma_devices.resize(2);
  host.given_paths = GivenPaths{{"GPU0", "GPU1", "NIC0", "mlx5_1"},
                                {{"X", "NV12", "PXB", ""},
                                 {"NV12", "X"},              // cut off
                                 {"PXB", "SYS", "X", ""}}};  // and the last row is not there
  const PathMatrix paths = paths_of(host);
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "NV12");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "PXB");
  EXPECT_EQ(cell(host, "GPU1", "mlx5_0"), "SYS");  // told in one direction only
  EXPECT_EQ(cell(host, "GPU0", "mlx5_1"), "?");
  EXPECT_EQ(cell(host, "mlx5_1", "mlx5_1"), "X");
  EXPECT_THAT(nearest(host), ElementsAre(0, 0));
  host.given_paths = GivenPaths{{"GPU9"}, {{"X", "PIX", "no word"}}};
  EXPECT_EQ(cell(host, "GPU0", "GPU1"), "?");
  EXPECT_THAT(nearest(host), ElementsAre(-1, -1));
  EXPECT_THAT(rail_nics(host), IsEmpty());
}

TEST(Paths, GivenOnesMayNameNicsAlike) {
  Host host;
  machines::add_gpu(host, "", 0);
  machines::add_nic(host, "", 0).name = "mlx5_ib";
  machines::add_nic(host, "", 0).name = "mlx5_ib";
  host.given_paths = GivenPaths{{"GPU0", "mlx5_ib", "mlx5_ib"},
                                {{"X", "SYS", "PIX"}, {"SYS", "X", "NODE"}, {"PIX", "NODE", "X"}}};
  const PathMatrix paths = paths_of(host);
  EXPECT_EQ(path_name(paths.at(0, 1)), "SYS");
  EXPECT_EQ(path_name(paths.at(0, 2)), "PIX");
  EXPECT_THAT(nearest(host), ElementsAre(1));
}

TEST(NearestNics, UsableBeforeNear) {
  Host host = machines::dgx_h100();
  host.rdma_devices[0].ports[0].state = "DOWN";
  EXPECT_THAT(nearest(host), ElementsAre(1, 1, 2, 3, 4, 5, 6, 7));  // 400 Gb/s before the storage NIC's 200
  for (RdmaDevice& nic : host.rdma_devices) nic.ports[0].state = "DOWN";
  EXPECT_THAT(nearest(host), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  host.rdma_devices[0].status = "not answering";
  EXPECT_THAT(nearest(host), ElementsAre(1, 1, 2, 3, 4, 5, 6, 7));
  host.rdma_devices.clear();
  EXPECT_THAT(nearest(host), ElementsAre(-1, -1, -1, -1, -1, -1, -1, -1));
}

TEST(NearestNics, FewerBridgesAreNearer) {
  // Two inner switches below an outer one; in each two GPUs, whose NIC is one bridge further down: all PXB.
  Host host;
  machines::add_pci(host, "0000:10:00.0", "", "bridge", "cpu0", 0);
  for (int inner = 1; inner <= 2; ++inner) {
    const auto up =
        machines::add_pci(host, fmt::format("0000:2{}:00.0", inner), "0000:10:00.0", "bridge", "cpu0", 0);
    for (int g = 0; g < 2; ++g)
      machines::add_gpu(
          host, machines::add_pci(host, fmt::format("0000:3{}:0{}.0", inner, g), up, "gpu", "cpu0", 0), 0);
    const auto below = machines::add_pci(host, fmt::format("0000:4{}:00.0", inner), up, "bridge", "cpu0", 0);
    machines::add_nic(
        host, machines::add_pci(host, fmt::format("0000:5{}:00.0", inner), below, "nic", "cpu0", 0), 0);
  }
  EXPECT_EQ(cell(host, "GPU0", "mlx5_0"), "PXB");
  EXPECT_EQ(cell(host, "GPU0", "mlx5_1"), "PXB");
  EXPECT_THAT(nearest(host), ElementsAre(0, 0, 1, 1));
}

TEST(Rails, NicThatIsDownOrSilentKeepsItsNumber) {
  const auto all = ElementsAre(0, 1, 2, 3, 4, 5, 6, 7);
  Host host = machines::dgx_h100();
  host.rdma_devices[2].ports[0].state = "DOWN";
  host.rdma_devices[2].ports[0].rate_Gbps = 10;  // what a port without a link tells
  EXPECT_THAT(rail_nics(host), all);
  EXPECT_EQ(rails_of(host, paths_of(host))[2], (Rail{2, {2}}));
  for (RdmaDevice& nic : host.rdma_devices) nic.ids = "15b3:1021";
  host.rdma_devices[5].status = "not answering";  // only PCI tells of it
  host.rdma_devices[5].ports.clear();
  host.rdma_devices[5].board.clear();
  EXPECT_THAT(rail_nics(host), all);
  Host tray = machines::gb200_tray();  // two NICs are equally near to two GPUs
  tray.rdma_devices[1].ports[0].state = "DOWN";
  EXPECT_THAT(rail_nics(tray), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(rails_of(tray, paths_of(tray))[1], (Rail{1, {1}}));
}

TEST(Rails, NicThatIsDownTakesNoneFromOthers) {
  Host host = machines::dgx_h100();
  RdmaDevice second = host.rdma_devices[2];  // the card's second port, without a cable
  second.name = "mlx5_10";
  second.pci_address.back() = '1';
  second.ports[0].state = "DOWN";
  PciNode node = *std::find_if(host.pci.begin(), host.pci.end(), [&](const PciNode& one) {
    return one.address == host.rdma_devices[2].pci_address;
  });
  node.address = second.pci_address;
  host.pci.push_back(node);
  host.rdma_devices.push_back(second);
  EXPECT_EQ(cell(host, "GPU2", "mlx5_10"), "PIX");
  EXPECT_THAT(rail_nics(host), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  // Of another model: it may never have been meant for GPUs.
  Host other = machines::gb200_tray();
  other.rdma_devices[0].board = "MT_0000000884";
  other.rdma_devices[0].ids = "15b3:a2dc";
  for (std::size_t i = 1; i < 4; ++i) other.rdma_devices[i].ids = "15b3:1021";
  other.rdma_devices[0].ports[0].state = "DOWN";
  EXPECT_THAT(rail_nics(other), ElementsAre(1, 2, 3));
}

TEST(Rails, GpusWithoutNicsHaveNone) {
  Host host = machines::dgx_h100();
  host.rdma_devices.clear();
  EXPECT_THAT(rails_of(host, paths_of(host)), IsEmpty());
  EXPECT_THAT(rails_of(machines::small_vm(), paths_of(machines::small_vm())), IsEmpty());
}

TEST(Rails, FourNicsPerGpuAreFourRails) {
  Host host;
  for (int g = 0; g < 2; ++g) {
    const std::string root = fmt::format("0000:{}0", g + 1);
    const auto up = machines::add_pci(host, root + ":00.0", "", "switch-upstream", root, g);
    machines::add_gpu(host, machines::add_pci(host, fmt::format("0000:{}1:00.0", g + 1), up, "gpu", root, g),
                      g);
    for (int n = 0; n < 4; ++n)
      machines::add_nic(
          host, machines::add_pci(host, fmt::format("0000:{}2:0{}.0", g + 1, n), up, "nic", root, g), g, 100);
  }
  EXPECT_THAT(rail_nics(host), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  // A slower one at the same switch is no rail: it manages or stores.
  host.rdma_devices[2].ports[0].rate_Gbps = 25;
  EXPECT_THAT(rail_nics(host), ElementsAre(0, 1, 3, 4, 5, 6, 7));
}

TEST(Rails, NumberedByTheirFirstGpu) {
  Host host = machines::dgx_h100();
  std::swap(host.rdma_devices[0], host.rdma_devices[7]);
  EXPECT_THAT(rail_nics(host), ElementsAre(7, 1, 2, 3, 4, 5, 6, 0));
}

}  // namespace
}  // namespace fabricheck::topology
