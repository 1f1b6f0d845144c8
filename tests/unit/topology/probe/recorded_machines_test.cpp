// Whole machines that the probes never ran on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "topology/probe/probe.hpp"
#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

Host probe(const std::string& root) {
  ProbeOptions options;
  options.sysroot = root;
  return probe_host(options);
}

long count(const Host& host, const std::string& kind) {
  return std::count_if(host.pci.begin(), host.pci.end(),
                       [&](const PciNode& node) { return node.kind == kind; });
}

const PciNode* find(const Host& host, const std::string& address) {
  const auto found = std::find_if(host.pci.begin(), host.pci.end(),
                                  [&](const PciNode& node) { return node.address == address; });
  return found == host.pci.end() ? nullptr : &*found;
}

TEST(RecordedMachine, DgxH100) {
  const SysTree tree;
  add_dgx_h100(tree);
  const Host host = probe(tree.root());
  EXPECT_EQ(host.source, "recorded");
  EXPECT_EQ(host.environment.product, "NVIDIA DGXH100");
  EXPECT_EQ(host.environment.passthrough, false);
  EXPECT_EQ(host.environment.flat_pci_tree, false);
  EXPECT_EQ(host.environment.iommu, "passthrough");
  EXPECT_EQ(host.environment.dmabuf, true);
  EXPECT_THAT(host.gpus, SizeIs(8));
  EXPECT_EQ(count(host, "gpu"), 8);
  EXPECT_EQ(count(host, "nvswitch"), 4);
  EXPECT_EQ(count(host, "nic"), 11);
  EXPECT_EQ(count(host, "nvme"), 1);
  EXPECT_EQ(count(host, "root-port"), 10);
  EXPECT_EQ(count(host, "switch-upstream"), 10);
  EXPECT_EQ(count(host, "switch-downstream"), 16 + 4 + 3);
  EXPECT_EQ(count(host, "bridge") + count(host, "other"), 0);
  ASSERT_THAT(host.rdma_devices, SizeIs(10));
  for (std::size_t i = 0; i < 10; ++i) {
    const RdmaDevice& nic = host.rdma_devices[i];
    EXPECT_EQ(nic.name, "mlx5_" + std::to_string(i));
    EXPECT_EQ(nic.status, "answers");
    EXPECT_EQ(nic.ports.at(0).rate_Gbps, i < 8 ? 400 : 200);
    EXPECT_EQ(nic.ports.at(0).lid, static_cast<int>(i) + 1);
    EXPECT_EQ(nic.ids, "15b3:1021");
  }
  for (const Gpu& gpu : host.gpus) {
    const PciNode* const node = find(host, gpu.pci_address);
    ASSERT_TRUE(node) << gpu.pci_address;
    EXPECT_EQ(node->link, (PcieLink{32.0, 16, 32.0, 16}));
    EXPECT_EQ(node->largest_bar_bytes, std::uint64_t{128} << 30);
    EXPECT_EQ(node->numa_node, gpu.index < 4 ? 0 : 1);
  }
  const PciNode* const spare = find(host, "0000:a3:00.1");
  ASSERT_TRUE(spare);
  EXPECT_EQ(spare->virtual_function, true);
  EXPECT_EQ(spare->max_payload_bytes, std::nullopt);
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("NVML: not asked")));
}

TEST(RecordedMachine, DgxH100WithAnX8GpuAndADeadNic) {
  const SysTree tree;
  add_dgx_h100(tree);
  const std::string gpu = "sys/bus/pci/devices/0000:33:00.0";
  tree.file(gpu + "/current_link_width", "8\n");
  tree.remove("sys/class/infiniband/mlx5_4");
  tree.remove("sys/bus/pci/devices/0000:54:00.0/driver");
  const Host host = probe(tree.root());
  EXPECT_EQ(find(host, "0000:33:00.0")->link, (PcieLink{32.0, 8, 32.0, 16}));
  ASSERT_THAT(host.rdma_devices, SizeIs(10));
  EXPECT_EQ(host.rdma_devices[9].name, "0000:54:00.0");
  EXPECT_EQ(host.rdma_devices[9].status, "not answering");
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("0000:54:00.0"), HasSubstr("does not answer"))));
}

TEST(RecordedMachine, FlatVirtualMachine) {
  const SysTree tree;
  add_flat_vm(tree);
  const Host host = probe(tree.root());
  EXPECT_EQ(host.environment.hypervisor, "QEMU");
  EXPECT_EQ(host.environment.passthrough, true);
  EXPECT_EQ(host.environment.flat_pci_tree, true);
  EXPECT_EQ(host.environment.iommu, "off");
  EXPECT_THAT(host.gpus, SizeIs(2));
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  EXPECT_EQ(host.rdma_devices[0].virtual_function, true);
  EXPECT_EQ(host.pci.at(1).link, PcieLink{});
  EXPECT_EQ(host.pci.at(1).numa_node, std::nullopt);
}

/// As above, recorded without root, with the closed NVIDIA driver and a second NIC that has no driver.
TEST(RecordedMachine, RecordingOfAFlatVirtualMachine) {
  const Host host = probe(FABRICHECK_FIXTURES_DIR "/sysroot/flat-vm");
  EXPECT_EQ(host.name, "node");
  EXPECT_EQ(host.kernel, "5.15.0-1057-generic");
  EXPECT_EQ(host.cores, 2);
  EXPECT_EQ(host.environment.hypervisor, "QEMU");
  EXPECT_EQ(host.environment.flat_pci_tree, true);
  EXPECT_EQ(host.environment.passthrough, true);
  EXPECT_EQ(host.environment.iommu, "off");
  EXPECT_EQ(host.environment.dmabuf, false);
  EXPECT_EQ(host.environment.memlock_bytes, 65536U);
  EXPECT_THAT(host.gpus, SizeIs(2));
  ASSERT_THAT(host.rdma_devices, SizeIs(2));
  const RdmaPort& port = host.rdma_devices[0].ports.at(0);
  EXPECT_EQ(host.rdma_devices[0].virtual_function, true);
  EXPECT_EQ(port.rate_Gbps, 400);
  EXPECT_EQ(port.net_device, "ens7");
  EXPECT_EQ(port.net_mtu_bytes, 9000);
  EXPECT_THAT(port.subnets, ElementsAre("10.0.0.0/16"));
  EXPECT_EQ(host.rdma_devices[1].name, "0000:00:08.0");
  EXPECT_EQ(host.rdma_devices[1].status, "not answering");
  EXPECT_THAT(host.unknown, ElementsAre(HasSubstr("NVML: not asked"), HasSubstr("run as root"),
                                        AllOf(HasSubstr("0000:00:08.0"), HasSubstr("does not answer"))));
}

TEST(RecordedMachine, IommuThatTranslates) {
  const SysTree tree;
  add_dgx_h100(tree);
  tree.file("sys/kernel/iommu_groups/3/type", "DMA-FQ\n");
  EXPECT_EQ(probe(tree.root()).environment.iommu, "translated");
  tree.remove("sys/kernel/iommu_groups");
  EXPECT_EQ(probe(tree.root()).environment.iommu, "passthrough");  // by the kernel's command line
  tree.file("proc/cmdline", "ro quiet\n");
  const Host host = probe(tree.root());
  EXPECT_EQ(host.environment.iommu, "");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("IOMMU:")));
}

TEST(RecordedMachine, DmabufIsKnownWhereTheModulesTell) {
  const SysTree tree;
  add_dgx_h100(tree);
  tree.file("proc/sys/kernel/osrelease", "5.4.0-100-generic\n");
  EXPECT_EQ(probe(tree.root()).environment.dmabuf, std::nullopt);
  tree.file("proc/driver/nvidia/version", "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.161.08\n");
  EXPECT_EQ(probe(tree.root()).environment.dmabuf, false);
  tree.remove("proc/driver");
  const Host host = probe(tree.root());
  EXPECT_EQ(host.environment.dmabuf, std::nullopt);
  EXPECT_THAT(host.unknown, Contains(HasSubstr("dmabuf:")));
}

TEST(RecordedMachine, EveryFileOfGarbageIsSurvived) {
  const SysTree tree;
  add_dgx_h100(tree);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(tree.root())) {
    if (entry.is_regular_file() && !entry.is_symlink()) files.push_back(entry.path());
  }
  ASSERT_GT(files.size(), 500U);
  for (const std::string& garbage :
       {std::string{}, std::string("\0\xff\xfe\x80\n\n::..//", 12), std::string(9000, '9'),
        std::string("-1\n"), std::string("../../../../../../etc/shadow")}) {
    for (const auto& file : files) std::ofstream(file, std::ios::binary) << garbage;
    const Host host = probe(tree.root());
    EXPECT_FALSE(host.unknown.empty());
    EXPECT_THAT(host.gpus, IsEmpty());
    for (const std::string& sentence : host.unknown) {
      EXPECT_TRUE(std::none_of(sentence.begin(), sentence.end(), [](char c) { return c >= 0 && c < ' '; }))
          << sentence;
    }
  }
}

TEST(RecordedMachine, LinksThatLoopAreSurvived) {
  const SysTree tree;
  add_dgx_h100(tree);
  for (const char* const path : {"sys/bus/pci/devices/0000:13:00.0", "sys/class/infiniband/mlx5_0",
                                 "sys/class/dmi/id", "sys/kernel/iommu_groups/0", "proc/self"}) {
    tree.remove(path);
    tree.link(path, std::filesystem::path(path).filename().string());
  }
  tree.link("sys/bus/pci/devices/not-an-address", "0000:23:00.0");
  tree.link("sys/bus/pci/devices/0000:ZZ:00.0", "0000:23:00.0");
  const Host host = probe(tree.root());
  EXPECT_THAT(host.gpus, SizeIs(7));
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("PCI: vendor and class of 3 devices"))));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("mlx5_0 is not a device folder")));
}

}  // namespace
}  // namespace fabricheck::topology
