#include <algorithm>

#include "case_files.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Host read(const std::string& name) { return read_hwloc_xml(read_case("hwloc/" + name), name); }

const PciNode& node(const Host& host, const std::string& address) {
  const auto found = std::find_if(host.pci.begin(), host.pci.end(),
                                  [&](const PciNode& pci) { return pci.address == address; });
  if (found == host.pci.end()) throw Error("no PCI function at " + address);
  return *found;
}

TEST(HwlocXml, ReadsEveryRecordedFile) {
  NEED_CASES();
  for (const auto& path : case_files("hwloc", ".xml")) {
    SCOPED_TRACE(path);
    const std::string text = read_text(path);
    EXPECT_EQ(topology_file_kind(text), TopologyFileKind::hwloc_xml);
    EXPECT_EQ(refusal(read_hwloc_xml, text), "");
    const Host host = read_hwloc_xml(text, path);
    EXPECT_GT(host.hardware_threads, 0);
    EXPECT_THAT(host.numa_nodes, Not(IsEmpty()));
    EXPECT_THAT(host.unknown, Not(IsEmpty()));
    EXPECT_EQ(host.source, "hwloc XML");
  }
}

TEST(HwlocXml, GpusOfADgx2AllReachEachOtherBySixLinks) {
  NEED_CASES();
  const Host host = read("nvidiaDGX2.xml");
  ASSERT_THAT(host.gpus, SizeIs(16));
  EXPECT_EQ(host.environment.product, "NVIDIA DGX-2H");
  EXPECT_EQ(host.gpus[2].name, "Tesla V100-SXM3-32GB-H");
  EXPECT_EQ(host.gpus[2].uuid, "GPU-22344fb6-c824-994f-a244-d6cc78506ee9");
  EXPECT_EQ(host.gpus[8].pci_address, "0000:b7:00.0");
  EXPECT_EQ(host.gpus[8].numa_node, 1);
  EXPECT_EQ(std::count_if(host.pci.begin(), host.pci.end(),
                          [](const PciNode& pci) { return pci.kind == "nvswitch"; }),
            12);
  for (const auto& gpu : host.gpus) {
    EXPECT_EQ(gpu.status, "answers");
    ASSERT_THAT(gpu.nvlinks, SizeIs(6));
    EXPECT_EQ(gpu.nvlinks[0].remote, "switch");
    EXPECT_EQ(gpu.nvlinks[0].speed_GBps, 25);
  }
  const auto paths = paths_of(host);
  for (std::size_t a = 0; a < 16; ++a)
    for (std::size_t b = 0; b < 16; ++b)
      if (a != b) {
        EXPECT_EQ(paths.at(a, b), (Path{PathType::nvlink, 6})) << a << " " << b;
      }
}

TEST(HwlocXml, LinksOfPower8LeadToGpusAndCpus) {
  NEED_CASES();
  const Host host = read("power8gpudistances.xml");
  ASSERT_THAT(host.gpus, SizeIs(4));
  EXPECT_EQ(host.name, "drac-12.grenoble.grid5000.fr");
  EXPECT_EQ(host.gpus[0].memory_bytes, std::uint64_t{16671616} << 10);
  ASSERT_THAT(host.gpus[0].nvlinks, SizeIs(4));
  const auto& links = host.gpus[0].nvlinks;
  EXPECT_EQ(
      std::count_if(links.begin(), links.end(), [](const NvLink& link) { return link.remote == "cpu"; }), 2);
  EXPECT_EQ(links[0].speed_GBps, 20);
  const auto paths = paths_of(host);
  EXPECT_EQ(paths.at(0, 1), (Path{PathType::nvlink, 2}));
  EXPECT_EQ(paths.at(2, 3), (Path{PathType::nvlink, 2}));
  EXPECT_NE(paths.at(0, 2).type, PathType::nvlink);
  EXPECT_EQ(host.numa_nodes[1].cpus, "80-81,88-89,96-97,104-105") << "empty groups of a mask count";
  EXPECT_EQ(host.numa_nodes[0].memory_bytes, 68556816384U);
}

TEST(HwlocXml, RdmaDevicesWithTheirPorts) {
  NEED_CASES();
  const Host dell = read("32em64t-2n8c+dax+nvme+mic+dimms.xml");
  ASSERT_THAT(dell.rdma_devices, SizeIs(1));
  const RdmaDevice& mlx4 = dell.rdma_devices[0];
  EXPECT_EQ(mlx4.name, "mlx4_0");
  EXPECT_EQ(mlx4.pci_address, "0000:82:00.0");
  EXPECT_EQ(mlx4.numa_node, 1);
  EXPECT_EQ(mlx4.node_guid, "0002:c903:00f9:bfa0");
  ASSERT_THAT(mlx4.ports, SizeIs(1));
  EXPECT_EQ(mlx4.ports[0].state, "ACTIVE");
  EXPECT_EQ(mlx4.ports[0].lid, 0x3a4);
  EXPECT_EQ(mlx4.ports[0].net_device, "ib0");
  EXPECT_EQ(mlx4.ports[0].link_layer, "InfiniBand");
  ASSERT_THAT(mlx4.ports[0].gids, SizeIs(1));
  EXPECT_EQ(mlx4.ports[0].rate_Gbps, std::nullopt);
  EXPECT_EQ(node(dell, "0000:00:02.0").kind, "nvme");
  EXPECT_EQ(read("40intel64-2g2n4c+pcilocality.xml").rdma_devices.at(0).name, "qib0");
  EXPECT_EQ(read("24em64t-2n6c2t-pci.xml").rdma_devices.at(0).name, "mlx4_0");
}

TEST(HwlocXml, DeviceTypesOfHwloc2AreNumbers) {
  NEED_CASES();
  const Host host = read("devel09-pci.xml");
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  EXPECT_EQ(host.rdma_devices[0].name, "mlx4_0");
  EXPECT_EQ(node(host, "0000:01:00.0").kind, "nic");
}

TEST(HwlocXml, GpusAndNicOfOneFile) {
  NEED_CASES();
  for (const char* const name : {"32em64t-2n8c2t-pci-normalio.xml", "32em64t-2n8c2t-pci-wholeio.xml"}) {
    SCOPED_TRACE(name);
    const Host host = read(name);
    EXPECT_EQ(std::count_if(host.pci.begin(), host.pci.end(),
                            [](const PciNode& pci) { return pci.ids == "10de:1094"; }),
              3);
    ASSERT_THAT(host.gpus, SizeIs(4)) << "three Tesla and a Radeon that OpenCL shows";
    EXPECT_EQ(host.gpus[0].status, "not asked");
    EXPECT_EQ(host.gpus[2].name, "Tesla K40m");
    EXPECT_EQ(host.gpus[3].pci_address, "0000:84:00.1");
    ASSERT_THAT(host.rdma_devices, SizeIs(1));
    EXPECT_EQ(host.rdma_devices[0].name, "mlx5_0");
    EXPECT_EQ(node(host, "0000:04:00.0").ids, "15b3:1013") << "a storage controller has the same address";
    EXPECT_EQ(node(host, "0000:04:00.0").parent, "0000:80:03.0");
    EXPECT_EQ(node(host, "0000:80:03.0").kind, "root-port");
    EXPECT_EQ(node(host, "0000:80:03.0").root, "0000:80");
  }
}

TEST(HwlocXml, GpusSeenByPciAloneAreNotAsked) {
  NEED_CASES();
  const Host host = read("24em64t-2n6c2t-pci.xml");
  ASSERT_THAT(host.gpus, SizeIs(3)) << "the display of the management controller is none";
  for (const auto& gpu : host.gpus) EXPECT_EQ(gpu.status, "not asked");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("order of PCI address")));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("speed and width apart are not known")));
  EXPECT_EQ(host.gpus[0].pcie, PcieLink{});
}

TEST(HwlocXml, AFileWithoutDevicesSaysSo) {
  NEED_CASES();
  for (const char* const name : {"nvidia-dgx-gb10.xml", "nvidia-dgx-gb10-nomidr.xml"}) {
    const Host host = read(name);
    EXPECT_THAT(host.gpus, IsEmpty());
    EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("no PCI devices"), HasSubstr("is not known"))));
    EXPECT_EQ(host.cores, 20);
    EXPECT_EQ(host.environment.product, "NVIDIA_DGX_Spark");
  }
}

TEST(HwlocXml, Hwloc1WrapsNodesAndHasNoVersion) {
  const std::string text = R"(<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc.dtd">
<topology>
  <object type="Machine" os_index="0" cpuset="0xf...f" nodeset="0x00000001">
    <info name="HostName" value="old"/>
    <object type="NUMANode" os_index="0" cpuset="0x0000000f" nodeset="0x00000001" local_memory="1024">
      <object type="Socket" os_index="0"><object type="Core" os_index="0"><object type="PU" os_index="0"/></object></object>
      <object type="Bridge" bridge_type="0-1" bridge_pci="0000:[00-ff]">
        <object type="PCIDev" pci_busid="0000:02:00.0" pci_type="0302 [10de:1db1] [10de:1db1] a1" pci_link_speed="0.000000">
          <object type="OSDev" name="cuda0" osdev_type="5"/></object>
        <object type="PCIDev" pci_busid="0000:03:00.0" pci_type="0207 [15b3:1013] [15b3:0013] 00">
          <object type="OSDev" name="ib0" osdev_type="2"/>
          <object type="OSDev" name="mlx5_0" osdev_type="3"><info name="Port1State" value="1"/></object></object>
      </object>
    </object>
  </object>
</topology>)";
  const Host host = read_hwloc_xml(text, "x");
  EXPECT_EQ(host.name, "old");
  ASSERT_THAT(host.gpus, SizeIs(1));
  EXPECT_EQ(host.gpus[0].numa_node, 0);
  EXPECT_EQ(host.gpus[0].status, "answers");
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  EXPECT_EQ(host.rdma_devices[0].ports.at(0).state, "DOWN");
  EXPECT_EQ(host.numa_nodes.at(0).cpus, "0-3");
}

std::string with_matrix(const std::string& matrix) {
  return R"(<topology version="3.0"><object type="Machine"><object type="Bridge" bridge_type="0-1">
<object type="PCIDev" gp_index="5" pci_busid="0000:02:00.0" pci_type="0302 [10de:1db1] [10de:1db1] a1">
<object type="OSDev" gp_index="6" name="nvml0" osdev_type="12"><info name="GPUModel" value="NVIDIA B200"/></object></object>
<object type="PCIDev" gp_index="7" pci_busid="0000:03:00.0" pci_type="0302 [10de:1db1] [10de:1db1] a1">
<object type="OSDev" gp_index="8" name="nvml1" osdev_type="12"><info name="GPUModel" value="NVIDIA B200"/></object></object>
</object></object>)" +
         matrix + "</topology>";
}

TEST(HwlocXml, LinksPerBandwidthFollowTheModel) {
  const Host host = read_hwloc_xml(
      with_matrix(R"(<distances2 type="OSDev" nbobjs="2" kind="9" name="NVLinkBandwidth" indexing="gp">
<indexes length="4">6 8 </indexes><u64values length="9">0 900000 900000 0 </u64values></distances2>)"),
      "x");
  EXPECT_THAT(host.gpus.at(0).nvlinks, SizeIs(18));
  EXPECT_EQ(host.gpus.at(0).nvlinks.at(0).remote_pci_address, "0000:03:00.0");
  const Host odd =
      read_hwloc_xml(with_matrix(R"(<distances2 type="OSDev" nbobjs="2" name="NVLinkBandwidth" indexing="gp">
<indexes>6 8</indexes><u64values>0 70001 70001 0</u64values></distances2>)"),
                     "x");
  EXPECT_THAT(odd.gpus.at(0).nvlinks, IsEmpty());
  EXPECT_THAT(odd.unknown, Contains(HasSubstr("70001 MB/s of NVLink")));
}

struct Bad {
  const char* what;
  std::string text;
  const char* expected;
};

TEST(HwlocXml, BadFilesAreRefusedWithLineAndReason) {
  const std::string pci = "<object type=\"PCIDev\" pci_busid=\"0000:01:00.0\" pci_type=\"0302 [10de:1db1]\">";
  const std::string bridge =
      "<object type=\"Bridge\" bridge_type=\"1-1\" pci_busid=\"0000:01:00.0\" pci_type=\"0604 [10de:1db1]\">";
  const std::vector<Bad> table{
      {"no object", "<topology/>", "given.file:1: holds no <object>"},
      {"another root", "<system/>", "the root element is <system>"},
      {"address", "<topology>\n<object type=\"PCIDev\" pci_busid=\"?\"/></topology>",
       "given.file:2: pci_busid '?' is no PCI address"},
      {"bridge below itself", "<topology>" + bridge + "\n" + bridge + "</object></object></topology>",
       "given.file:2: pci_busid 0000:01:00.0 is there twice, first in line 1"},
      {"device with a bridge's address", "<topology>" + bridge + pci + "</object></object></topology>",
       "is there twice"},
      {"NUMA node twice",
       "<topology><object type=\"NUMANode\" os_index=\"0\"/><object type=\"NUMANode\" "
       "os_index=\"0\"/></topology>",
       "NUMANode 0 is there twice"},
      {"NUMA number", "<topology><object type=\"NUMANode\" os_index=\"-1\"/></topology>", "os_index '-1'"},
      {"cpuset", "<topology><object type=\"NUMANode\" os_index=\"0\" cpuset=\"0xgg\"/></topology>",
       "cpuset '0xgg'"},
      {"object in info", "<topology><info><object type=\"PU\"/></info></topology>", "<object> belongs"},
      {"a billion objects",
       with_matrix("\n<distances2hetero nbobjs=\"1000000000\" name=\"NVLinkBandwidth\"/>"),
       "NVLinkBandwidth has 0 objects and says '1000000000'"},
      {"values missing",
       with_matrix(
           "<distances2hetero nbobjs=\"2\" name=\"NVLinkBandwidth\"><indexes>OSDev:6 OSDev:8</indexes>"
           "<u64values>1 2 3</u64values></distances2hetero>"),
       "of 2 objects has 3 values"},
      {"values that are none",
       with_matrix("<distances2hetero nbobjs=\"1\" name=\"NVLinkBandwidth\"><indexes>OSDev:6</indexes>"
                   "<u64values>nan</u64values></distances2hetero>"),
       "holds 'nan', which is no bandwidth"},
  };
  for (const auto& bad : table) {
    SCOPED_TRACE(bad.what);
    EXPECT_THAT(refusal(read_hwloc_xml, bad.text), HasSubstr(bad.expected));
  }
}

/// Every fourth file: under a sanitizer all of them take long.
class HwlocXmlCutOff : public testing::TestWithParam<std::size_t> {};

TEST_P(HwlocXmlCutOff, FilesAreReadOrRefused) {
  NEED_CASES();
  const auto files = case_files("hwloc", ".xml");
  for (std::size_t i = GetParam(); i < files.size(); i += 4) {
    SCOPED_TRACE(files[i]);
    expect_sane_when_cut(read_hwloc_xml, read_text(files[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(Quarters, HwlocXmlCutOff, testing::Range(std::size_t{0}, std::size_t{4}));

}  // namespace
}  // namespace fabricheck::topology
