#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "case_files.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Host read(const std::string& name) { return read_nccl_xml(read_case("topo-xml/" + name), name); }

const PciNode& node(const Host& host, const std::string& address) {
  const auto found = std::find_if(host.pci.begin(), host.pci.end(),
                                  [&](const PciNode& pci) { return pci.address == address; });
  if (found == host.pci.end()) throw Error("no PCI function at " + address);
  return *found;
}

std::size_t count_kind(const Host& host, const std::string& kind) {
  return static_cast<std::size_t>(
      std::count_if(host.pci.begin(), host.pci.end(), [&](const PciNode& pci) { return pci.kind == kind; }));
}

Path between(const Host& host, const std::string& a, const std::string& b) {
  const auto paths = paths_of(host);
  std::map<std::string, std::size_t> at;
  for (std::size_t i = 0; i < paths.ends.size(); ++i) at[paths.ends[i].name] = i;
  return paths.at(at.at(a), at.at(b));
}

struct Facts {
  std::string file;
  std::size_t gpus, nics, switches, nvswitches;
  std::optional<double> rate_Gbps;  // of every NIC
};

/// The table of topo-xml/README.md.
TEST(NcclXml, HoldsTheFactsOfEveryRecordedFile) {
  NEED_CASES();
  const std::vector<Facts> table{
      {"aws-p4d-24xl.xml", 8, 4, 4, 0, std::nullopt},
      {"aws-p4de-24xl.xml", 8, 4, 4, 0, std::nullopt},
      {"aws-p5.48xl-79565c0e.xml", 8, 32, 8, 0, 100},
      {"azure-ncv4-topo.xml", 4, 1, 0, 0, 100},
      {"azure-ndv2-topo.xml", 8, 1, 0, 0, std::nullopt},
      {"azure-ndv4-topo.xml", 8, 8, 4, 0, std::nullopt},
      {"superbench-ndv4-topo.xml", 8, 8, 4, 0, std::nullopt},
      {"azure-ndv5-topo.xml", 8, 8, 8, 0, std::nullopt},
      {"superbench-ndv5-topo.xml", 8, 8, 8, 0, std::nullopt},
      {"oci-H100-topology.xml", 8, 16, 24, 4, 180},
      {"oci-H100-topology-kubernetes.xml", 8, 16, 24, 4, 200},
      {"oci-topo-flattened.xml", 8, 8, 4, 0, std::nullopt},
      {"oci-topo-flattened-b4.xml", 8, 8, 4, 0, std::nullopt},
      {"ibm-vpc-h100-vsi.xml", 8, 8, 8, 4, 200},
      {"rccl-models/topo_16p1h.xml", 16, 8, 28, 0, 200},
      {"rccl-models/topo_4p_942.xml", 4, 4, 0, 0, std::nullopt},
      {"rccl-models/topo_8p_90a_1.xml", 8, 1, 0, 0, 1},
      {"rccl-models/topo_8p_942.xml", 8, 8, 24, 0, 400},
      {"rccl-models/topo_8p_942vm.xml", 8, 8, 0, 0, 400},
      {"rccl-models/topo_8p_950.xml", 8, 8, 16, 0, 400},
      {"rccl-models/topo_8p_pcie_2nic.xml", 8, 2, 10, 0, 100},
      {"rccl-models/topo_8p_rome_4nics.xml", 8, 4, 20, 0, 200},
      {"rccl-models/topo_8p_rome_vm1.xml", 8, 1, 0, 0, 100},
  };
  for (const auto& facts : table) {
    SCOPED_TRACE(facts.file);
    const Host host = read(facts.file);
    EXPECT_EQ(host.source, "NCCL XML");
    EXPECT_THAT(host.gpus, SizeIs(facts.gpus));
    EXPECT_THAT(host.rdma_devices, SizeIs(facts.nics));
    EXPECT_EQ(count_kind(host, "switch-upstream"), facts.switches);
    EXPECT_EQ(count_kind(host, "nvswitch"), facts.nvswitches);
    EXPECT_THAT(host.unknown, Not(IsEmpty()));
    for (std::size_t i = 0; i < host.gpus.size(); ++i) EXPECT_EQ(host.gpus[i].index, static_cast<int>(i));
    if (facts.rate_Gbps)
      for (const auto& nic : host.rdma_devices) {
        ASSERT_THAT(nic.ports, SizeIs(1));
        EXPECT_EQ(nic.ports[0].rate_Gbps, facts.rate_Gbps);
      }
  }
}

TEST(NcclXml, ReadsOrRefusesEveryRecordedFile) {
  NEED_CASES();
  std::set<std::string> refused;
  for (const auto& path : case_files("topo-xml", ".xml")) {
    const std::string text = read_text(path);
    EXPECT_EQ(topology_file_kind(text), TopologyFileKind::nccl_xml) << path;
    if (!refusal(read_nccl_xml, text).empty()) refused.insert(path.filename());
  }
  EXPECT_THAT(refused, ElementsAre("azure-ncv4-graph.xml", "nccltests256-h200-baremetal.partial.xml",
                                   "nccltests256-h200-vm-flat.partial.xml"));
}

TEST(NcclXml, RefusalsSayLineAndReason) {
  NEED_CASES();
  EXPECT_THAT(refusal(read_nccl_xml, read_case("topo-xml/azure-ncv4-graph.xml")),
              AllOf(HasSubstr("given.file:1:"), HasSubstr("graph file")));
  EXPECT_THAT(
      refusal(read_nccl_xml, read_case("topo-xml/nccltests256-h200-baremetal.partial.xml")),
      AllOf(HasSubstr("given.file:18:"), HasSubstr("cut off"), HasSubstr("1 <gpu>, 1 <net>, 3 <pci>")));
}

TEST(NcclXml, TreeSpeedsAndNumaOfAnH100Server) {
  NEED_CASES();
  const Host host = read("oci-H100-topology.xml");
  const Gpu& gpu = host.gpus[0];
  EXPECT_EQ(gpu.pci_address, "0000:0f:00.0");
  EXPECT_EQ(gpu.numa_node, 0);
  EXPECT_EQ(gpu.compute_capability, "9.0");
  EXPECT_EQ(gpu.pcie.speed_GTps, 32);
  EXPECT_EQ(gpu.pcie.width, 16);
  EXPECT_THAT(gpu.nvlinks, SizeIs(18));
  EXPECT_EQ(gpu.nvlinks[0].remote, "switch");
  EXPECT_EQ(gpu.nvlinks[0].remote_pci_address, "0000:1c:00.0");
  const PciNode& own = node(host, gpu.pci_address);
  EXPECT_EQ(own.kind, "gpu");
  EXPECT_EQ(own.ids, "10de:2330");
  EXPECT_EQ(own.parent, "0000:0d:00.0");
  EXPECT_EQ(node(host, "0000:0d:00.0").parent, "0000:08:00.0");
  EXPECT_EQ(node(host, "0000:08:00.0").parent, "");
  EXPECT_EQ(host.numa_nodes[0].cpus, "0-55,112-167");
  EXPECT_EQ(host.numa_nodes[1].cpus, "56-111,168-223");
  EXPECT_EQ(host.hardware_threads, 224);
  EXPECT_EQ(host.rdma_devices[1].name, "mlx5_1");
  EXPECT_EQ(host.rdma_devices[1].pci_address, "0000:0c:00.0");
  EXPECT_EQ(host.rdma_devices[1].ports[0].number, 2);
  EXPECT_EQ(host.rdma_devices[1].virtual_function, false);
}

TEST(NcclXml, SlowUpperLinksAreSeen) {
  NEED_CASES();
  const auto slow = [](const Host& host) {
    return std::count_if(host.pci.begin(), host.pci.end(),
                         [](const PciNode& pci) { return pci.link.speed_GTps == 5.0; });
  };
  EXPECT_EQ(slow(read("oci-H100-topology.xml")), 8);
  EXPECT_EQ(slow(read("oci-H100-topology-kubernetes.xml")), 0);
}

TEST(NcclXml, EmptyAndZeroLinksAreUnknown) {
  NEED_CASES();
  const Host azure = read("azure-ncv4-topo.xml");
  for (const auto& gpu : azure.gpus) EXPECT_EQ(gpu.pcie, PcieLink{});
  const Host vm = read("ibm-vpc-h100-vsi.xml");
  EXPECT_EQ(vm.gpus[0].pcie.speed_GTps, 32);
  EXPECT_EQ(vm.gpus[0].pcie.width, std::nullopt);
  EXPECT_EQ(node(vm, "0000:a1:00.0").link.speed_GTps, 2.5);
  EXPECT_EQ(vm.rdma_devices[0].virtual_function, true);
}

TEST(NcclXml, DevicesOfOneSwitchAreNear) {
  NEED_CASES();
  const Host ndv4 = read("azure-ndv4-topo.xml");
  EXPECT_EQ(ndv4.gpus[0].pci_address, "0001:00:00.0");
  EXPECT_EQ(ndv4.gpus[0].numa_node, 1);
  EXPECT_EQ(between(ndv4, "GPU0", "0101:00:00.0").type, PathType::pix);
  EXPECT_EQ(between(ndv4, "GPU0", "0103:00:00.0").type, PathType::sys);
  const Host oci = read("oci-H100-topology.xml");
  EXPECT_EQ(between(oci, "GPU0", "GPU7"), (Path{PathType::nvlink, 18}));
  const auto nearest = nearest_nics(ndv4, paths_of(ndv4));
  EXPECT_EQ(ndv4.rdma_devices.at(nearest.at(0).value()).numa_node, 1);
}

TEST(NcclXml, NvlinksThatLeadToThemselvesLeadNowhereKnown) {
  NEED_CASES();
  const Host host = read("azure-ncv4-topo.xml");
  EXPECT_THAT(host.gpus[0].nvlinks, SizeIs(12));
  EXPECT_EQ(host.gpus[0].nvlinks[0].remote, "gpu");
  EXPECT_EQ(host.gpus[0].nvlinks[0].remote_pci_address, "");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("lead to itself")));
  EXPECT_NE(between(host, "GPU0", "GPU1").type, PathType::nvlink);
}

TEST(NcclXml, FunctionsWithoutClassAreNeitherGpuNorNic) {
  NEED_CASES();
  const Host host = read("aws-g5.48xl.xml");
  EXPECT_THAT(host.pci, SizeIs(9));
  EXPECT_EQ(count_kind(host, "other"), 9U);
  EXPECT_THAT(host.gpus, IsEmpty());
  EXPECT_EQ(node(host, "0000:00:16.0").numa_node, 0);
  EXPECT_EQ(node(host, "0000:00:15.0").numa_node, 1);
  EXPECT_THAT(host.unknown,
              Contains(HasSubstr("the file tells 9 PCI functions without a class, so which of them are "
                                 "GPUs and which are NICs is not told")));
  const Host p5 = read("aws-p5.48xl-8807ce1e.xml");
  EXPECT_EQ(count_kind(p5, "bridge"), 8U);
  EXPECT_EQ(count_kind(p5, "other"), 32U);
  EXPECT_THAT(p5.gpus, IsEmpty());
  EXPECT_THAT(p5.unknown, Contains(HasSubstr("the file tells 32 PCI functions without a class")));
  EXPECT_EQ(node(p5, "0000:4f:00.0").link.speed_GTps, 32);
}

TEST(NcclXml, RcclLinksBecomeNvlinks) {
  NEED_CASES();
  const Host host = read("rccl-models/topo_8p_942.xml");
  for (const auto& gpu : host.gpus) EXPECT_THAT(gpu.nvlinks, SizeIs(7));
  EXPECT_EQ(host.gpus[0].name, "AMD gfx942");
  EXPECT_EQ(host.gpus[0].compute_capability, "");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("XGMI")));
  EXPECT_EQ(between(host, "GPU0", "GPU7"), (Path{PathType::nvlink, 1}));
  const Host vm = read("rccl-models/topo_8p_942vm.xml");
  EXPECT_EQ(vm.gpus[1].pci_address, "0021:00:00.0") << "dev numbers GPUs, not their order";
  EXPECT_THAT(read("rccl-models/topo_4p_942.xml").unknown, Contains(HasSubstr("200000000 Mb/s, is beyond")));
}

TEST(NcclXml, RcclNumbersOfArchitecturesBecomeNames) {
  NEED_CASES();
  EXPECT_EQ(read("rccl-models/topo_8p_90a_1.xml").gpus[0].name, "AMD gfx90a") << "910 in the file";
  const auto name = [](const std::string& gcn) {
    return read_nccl_xml("<system><cpu numaid=\"0\"><pci busid=\"1:0.0\"><gpu dev=\"0\" gcn=\"" + gcn +
                             "\"/></pci></cpu></system>",
                         "x")
        .gpus.at(0)
        .name;
  };
  EXPECT_EQ(name("906"), "AMD gfx906");
  EXPECT_EQ(name("908"), "AMD gfx908");
  EXPECT_EQ(name("910"), "AMD gfx90a");
  EXPECT_EQ(name("942"), "AMD gfx942");
  EXPECT_EQ(name("950"), "AMD gfx950");
  EXPECT_EQ(name("gfx90a"), "AMD gfx90a");
}

const std::string kOneGpu = R"(<system version="1"><cpu numaid="0" affinity="ff">
<pci busid="0000:18:00.0" class="0x030200"><gpu dev="0" sm="90">%</gpu></pci>
</cpu></system>)";

std::string with(const std::string& inner) {
  std::string text = kOneGpu;
  return text.replace(text.find('%'), 1, inner);
}

TEST(NcclXml, HostsOfOneNvlinkDomainAreNotMixed) {
  const std::string text = R"(<system>
<cpu host_hash="0x1" numaid="0"><pci busid="0008:01:00.0" class="0x030200"><gpu dev="0" sm="100"/></pci></cpu>
<cpu host_hash="0x2" numaid="0"><pci busid="0008:01:00.0" class="0x030200"><gpu dev="0" sm="100"/></pci></cpu>
</system>)";
  const Host host = read_nccl_xml(text, "x");
  EXPECT_THAT(host.gpus, SizeIs(1));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("2 hosts of one NVLink domain")));
}

TEST(NcclXml, ABridgeThatIsWrittenTwiceIsOne) {
  const auto file = [](const std::string& second) {
    return R"(<system><cpu numaid="0">
<pci busid="c5:00.0" class="0x060400" link_width="16"><pci busid="cf:00.0" class="0x030200"><gpu dev="0"/></pci></pci>
<pci busid="c5:00.0" class="0x060400" link_width=")" +
           second + R"("><pci busid="d0:00.0" class="0x030200"><gpu dev="1"/></pci></pci></cpu></system>)";
  };
  const Host host = read_nccl_xml(file("16"), "x");
  EXPECT_THAT(host.gpus, SizeIs(2));
  EXPECT_THAT(host.pci, SizeIs(3));
  EXPECT_EQ(path_name(paths_of(host).at(0, 1)), "PIX");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("line 3: the bridge at 0000:c5:00.0 is there twice")));
  EXPECT_THAT(refusal(read_nccl_xml, file("8")),
              HasSubstr("given.file:3: busid 0000:c5:00.0 is there twice"));
}

TEST(NcclXml, SeveralNetsOfOneNameArePortsOfOneDevice) {
  const std::string text = R"(<system><cpu numaid="-1"><pci busid="18:00.0" class="0x020700"><nic>
<net name="mlx4_0" port="2" speed="40000"/><net name="mlx4_0" port="1" speed="40000"/></nic></pci></cpu></system>)";
  const Host host = read_nccl_xml(text, "x");
  ASSERT_THAT(host.rdma_devices, SizeIs(1));
  ASSERT_THAT(host.rdma_devices[0].ports, SizeIs(2));
  EXPECT_EQ(host.rdma_devices[0].ports[0].number, 1);
  EXPECT_EQ(host.rdma_devices[0].ports[0].link_layer, "InfiniBand");
  EXPECT_EQ(host.rdma_devices[0].numa_node, std::nullopt);
  EXPECT_EQ(host.rdma_devices[0].pci_address, "0000:18:00.0");
}

TEST(NcclXml, UnknownTargetsOfNvlinksStayUnknown) {
  const Host host =
      read_nccl_xml(with(R"(<nvlink target="fffffff:ff:ff.0" count="18" tclass="0x068000"/>)"), "x");
  EXPECT_THAT(host.gpus[0].nvlinks, SizeIs(18));
  EXPECT_EQ(host.gpus[0].nvlinks[0].remote, "switch");
  EXPECT_EQ(host.gpus[0].nvlinks[0].remote_pci_address, "");
}

TEST(NcclXml, SpeedsThatAreNoneAreLeftOut) {
  for (const char* const speed : {"nan", "inf", "-100000", "1e300", "", "0", "fast"}) {
    SCOPED_TRACE(speed);
    const Host host =
        read_nccl_xml("<system><cpu numaid=\"0\"><pci busid=\"18:00.0\" class=\"0x020000\" link_speed=\"" +
                          std::string(speed) + "\"><nic><net name=\"a0\" speed=\"" + speed +
                          "\"/></nic></pci></cpu></system>",
                      "x");
    ASSERT_THAT(host.rdma_devices, SizeIs(1));
    EXPECT_EQ(host.rdma_devices[0].ports[0].rate_Gbps, std::nullopt);
    if (std::string(speed) != "1e300") {
      EXPECT_EQ(host.pci[0].link.speed_GTps, std::nullopt);
    }
  }
}

struct Bad {
  const char* what;
  std::string text;
  const char* expected;
};

TEST(NcclXml, BadFilesAreRefusedWithLineAndReason) {
  const std::vector<Bad> table{
      {"empty", "", "given.file: is empty"},
      {"blank", " \n ", "given.file: is empty"},
      {"no element", "<!-- a -->", "has no XML element"},
      {"another root", "<html/>", "given.file:1: the root element is <html>"},
      {"not XML", "GPU0 X NV18", "given.file:1: is no well-formed XML"},
      {"NUL", std::string("<system>\0</system>", 18), "given.file:1: is no well-formed XML"},
      {"a billion links", with("\n<nvlink target=\"0000:19:00.0\" count=\"1000000000\"/>"),
       "given.file:3: count of <nvlink> is '1000000000'"},
      {"negative links", with("<nvlink target=\"0000:19:00.0\" count=\"-3\"/>"), "count of <nvlink> is '-3'"},
      {"too many links", with("<nvlink count=\"60\"/><nvlink count=\"60\"/>"), "more than 64 NVLinks"},
      {"link outside", "<system><nvlink count=\"1\"/></system>", "<nvlink> belongs into <gpu>"},
      {"address", "<system><cpu numaid=\"0\">\n<pci busid=\"here\"/></cpu></system>",
       "given.file:2: busid 'here' is no PCI address"},
      {"address twice",
       "<system><cpu numaid=\"0\"><pci busid=\"18:00.0\">\n<pci "
       "busid=\"0000:18:00.0\"/></pci></cpu></system>",
       "given.file:2: busid 0000:18:00.0 is there twice, first in line 1"},
      {"cycle by address",
       "<system><cpu numaid=\"0\"><pci busid=\"1:0.0\"><pci busid=\"2:0.0\">\n<pci "
       "busid=\"1:0.0\"/></pci></pci></cpu></system>",
       "given.file:2: busid 0000:01:00.0 is there twice"},
      {"two GPUs",
       "<system><cpu numaid=\"0\"><pci busid=\"1:0.0\"><gpu dev=\"0\"/><gpu dev=\"1\"/></pci></cpu></system>",
       "a second <gpu>"},
      {"GPU number", "<system><cpu numaid=\"0\"><pci busid=\"1:0.0\"><gpu dev=\"1e9\"/></pci></cpu></system>",
       "dev of <gpu> is '1e9'"},
      {"NUMA number", "<system><cpu numaid=\"99999999999\"/></system>", "numaid of <cpu>"},
      {"affinity", "<system><cpu numaid=\"0\" affinity=\"zz\"/></system>", "affinity 'zz' is no mask"},
      {"pci outside", "<system><pci busid=\"1:0.0\"/></system>", "<pci> belongs into <cpu>"},
      {"net outside", "<system><net name=\"a\"/></system>", "<net> belongs into <nic>"},
      {"cpu in cpu", "<system><cpu numaid=\"0\"><cpu numaid=\"1\"/></cpu></system>",
       "<cpu> belongs directly"},
  };
  for (const auto& bad : table) {
    SCOPED_TRACE(bad.what);
    EXPECT_THAT(refusal(read_nccl_xml, bad.text), HasSubstr(bad.expected));
  }
}

TEST(NcclXml, CutOffFilesAreReadOrRefused) {
  NEED_CASES();
  for (const auto& path : case_files("topo-xml", ".xml")) {
    SCOPED_TRACE(path);
    expect_sane_when_cut(read_nccl_xml, read_text(path));
  }
}

}  // namespace
}  // namespace fabricheck::topology
