#include "topology/model/odd_ones.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/topology/model/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> odd(const Host& host) {
  std::vector<std::string> sentences;
  for (const OddOne& one : odd_ones(host, paths_of(host))) sentences.push_back(one.part + ": " + one.what);
  return sentences;
}

/// A host as a matrix tells it: GPUs without names, every pair over `links`.
Host matrix_of(int gpus, const std::string& links) {
  Host host;
  host.source = "nvidia-smi topo -m";
  GivenPaths paths;
  for (int i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.index = i;
    host.gpus.push_back(gpu);
    paths.names.push_back("GPU" + std::to_string(i));
    paths.cells.emplace_back(static_cast<std::size_t>(gpus), links);
    paths.cells.back()[static_cast<std::size_t>(i)] = "X";
  }
  host.given_paths = std::move(paths);
  return host;
}

void set_path(Host& host, std::size_t a, std::size_t b, const std::string& word) {
  host.given_paths->cells[a][b] = host.given_paths->cells[b][a] = word;
}

void set_paths_of(Host& host, std::size_t gpu, const std::string& word) {
  for (std::size_t other = 0; other < host.gpus.size(); ++other)
    if (other != gpu) set_path(host, gpu, other, word);
}

/// As NCCL's files: no names, and no link that says what it could do.
Host as_file(Host host) {
  host.source = "NCCL XML";
  host.environment = {};
  for (Gpu& gpu : host.gpus) {
    gpu.name.clear();
    gpu.pcie = {};
  }
  for (PciNode& node : host.pci) {
    node.link.max_width.reset();
    node.link.max_speed_GTps.reset();
    node.ids = node.kind == "gpu" ? "10de:2330" : "15b3:1021";
  }
  for (RdmaDevice& nic : host.rdma_devices) nic.ids = "15b3:1021";
  return host;
}

PciNode& node_of(Host& host, const std::string& address) {
  for (PciNode& node : host.pci)
    if (node.address == address) return node;
  ADD_FAILURE() << address;
  return host.pci.front();
}

TEST(OddOnes, AreNoneInMachinesThatAreBuiltLikeThat) {
  EXPECT_THAT(odd(machines::dgx_h100()), IsEmpty());
  EXPECT_THAT(odd(machines::dgx1v()), IsEmpty());
  EXPECT_THAT(odd(machines::gb200_tray()), IsEmpty());
  EXPECT_THAT(odd(as_file(machines::dgx_h100())), IsEmpty());
  EXPECT_THAT(odd(matrix_of(8, "NV18")), IsEmpty());
  EXPECT_THAT(odd(matrix_of(8, "SYS")), IsEmpty());
  Host bridges = matrix_of(4, "SYS");
  set_path(bridges, 0, 1, "NV12");
  set_path(bridges, 2, 3, "NV12");
  EXPECT_THAT(odd(bridges), IsEmpty()) << "PCIe cards, two by two";
  Host volta = matrix_of(4, "NV2");
  set_path(volta, 0, 3, "NV1");
  set_path(volta, 1, 2, "NV1");
  EXPECT_THAT(odd(volta), IsEmpty()) << "six links to three others";
  Host station = matrix_of(5, "NV4");
  set_paths_of(station, 3, "SYS");
  EXPECT_THAT(odd(station), IsEmpty()) << "the fifth GPU of a workstation drives its display";
  Host partitions = matrix_of(8, "NV18");
  for (std::size_t a = 0; a < 6; ++a)
    for (std::size_t b = 6; b < 8; ++b) set_path(partitions, a, b, "SYS");
  EXPECT_THAT(odd(partitions), IsEmpty());
}

TEST(OddOnes, APairThatFellBackToPcieOrLostLinks) {
  Host host = matrix_of(8, "NV18");
  set_path(host, 2, 5, "SYS");
  EXPECT_THAT(odd(host), ElementsAre("GPU2-GPU5: SYS between them, and NV18 between most others"));
  set_path(host, 2, 5, "NV9");
  EXPECT_THAT(odd(host), ElementsAre("GPU2-GPU5: NV9 between them, and NV18 between most others"));
  set_path(host, 2, 5, "");
  EXPECT_THAT(odd(host), IsEmpty()) << "a path that is not told is no fault";
}

TEST(OddOnes, AGpuWithFewerNvlinksOrNone) {
  Host host = matrix_of(8, "NV18");
  set_paths_of(host, 3, "NV17");
  EXPECT_THAT(odd(host), ElementsAre("GPU3: NV17 to the others, which reach each other over NV18"));
  set_paths_of(host, 3, "SYS");
  EXPECT_THAT(odd(host), ElementsAre("GPU3: no NVLink to the 7 others, which reach each other over NV18"));
  host.gpus[3].mig_enabled = true;
  EXPECT_THAT(odd(host), IsEmpty());
  Host file = as_file(machines::dgx_h100());
  file.gpus[6].nvlinks.clear();
  EXPECT_THAT(odd(file), ElementsAre("GPU6: no NVLink to the 7 others, which reach each other over NV18"));
  Host live = machines::dgx_h100();
  live.gpus[6].nvlinks[4].active = false;
  EXPECT_THAT(odd(live), IsEmpty()) << "that link is said to be inactive by its number";
}

TEST(OddOnes, FewerLanesThanThePeersHave) {
  Host host = as_file(machines::dgx_h100());
  node_of(host, host.gpus[3].pci_address).link.width = 8;
  EXPECT_THAT(odd(host), ElementsAre("GPU3: PCIe x8, 7 others x16"));
  node_of(host, host.gpus[4].pci_address).link.width = 8;
  node_of(host, host.gpus[5].pci_address).link.width = 8;
  EXPECT_THAT(odd(host), IsEmpty()) << "slots of two widths";

  Host nic = as_file(machines::dgx_h100());
  node_of(nic, nic.rdma_devices[3].pci_address).link.width = 8;
  EXPECT_THAT(odd(nic), ElementsAre("mlx5_3: PCIe x8, 7 others x16"));
  node_of(nic, nic.rdma_devices[3].pci_address).link = {16, 16, std::nullopt, std::nullopt};
  EXPECT_THAT(odd(nic), ElementsAre("mlx5_3: PCIe 16 GT/s, 7 others 32 GT/s"));
  nic.environment.hypervisor = "kvm";
  EXPECT_THAT(odd(nic), IsEmpty()) << "what a virtual machine says of PCIe";

  Host slow = as_file(machines::dgx_h100());
  node_of(slow, slow.gpus[3].pci_address).link.speed_GTps = 16;
  EXPECT_THAT(odd(slow), ElementsAre("GPU3: PCIe 16 GT/s, 7 others 32 GT/s"));
  slow.source = "hwloc XML";
  EXPECT_THAT(odd(slow), IsEmpty()) << "it may be idle";

  Host bridge = as_file(machines::dgx_h100());
  PciNode* above = &node_of(bridge, bridge.gpus[3].pci_address);
  while (above->kind != "switch-upstream") above = &node_of(bridge, above->parent);
  above->link.width = 8;
  EXPECT_THAT(odd(bridge), ElementsAre("GPU3: a PCI bridge above it has x8, those above 7 others x16"));
}

TEST(GivenNvlinks, AreCountedOnceWhereSwitchesJoinAndAddedUpWhereNot) {
  const auto counts = [](const Host& host) { return given_nvlinks(host, paths_of(host)); };
  Host host = matrix_of(4, "NV18");
  EXPECT_THAT(counts(host), ElementsAre(18, 18, 18, 18));
  set_paths_of(host, 2, "SYS");
  EXPECT_THAT(counts(host), ElementsAre(18, 18, 0, 18));
  Host volta = matrix_of(4, "NV2");
  set_path(volta, 0, 3, "NV1");
  EXPECT_THAT(counts(volta), ElementsAre(5, 6, 6, 5));
  set_path(volta, 1, 2, "");
  EXPECT_THAT(counts(volta), ElementsAre(5, std::nullopt, std::nullopt, 5));
  EXPECT_THAT(counts(matrix_of(2, "NODE")), ElementsAre(std::nullopt, std::nullopt)) << "topo -mp";
}

}  // namespace
}  // namespace fabricheck::topology
