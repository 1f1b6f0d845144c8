#include <algorithm>

#include "case_files.hpp"

namespace fabricheck::topology {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> words(const std::vector<Cable>& cables) {
  std::vector<std::string> result;
  for (const auto& cable : cables)
    result.push_back(cable.host + " " + cable.device + " " + std::to_string(cable.port) + " > " +
                     cable.neighbour.switch_name + " " + cable.neighbour.switch_port);
  return result;
}

std::vector<std::string> read(const std::string& text) {
  return words(read_switch_topology(text, "given.file"));
}

TEST(SwitchTopology, ReadsARecordedIbnetdiscover) {
  NEED_CASES();
  const auto cables = read_switch_topology(read_case("outputs/I21-ibnetdiscover-superbench.txt"), "x");
  ASSERT_THAT(cables, testing::Not(IsEmpty()));
  EXPECT_EQ(words({cables[0]}).at(0), "RMD701091901003 ibp11s0f0 1 > rmd70-0101-0919-01ib0 1");
  EXPECT_EQ(cables[0].neighbour.source, "ibnetdiscover");
  EXPECT_EQ(cables[0].line, 41);
  for (const auto& cable : cables) EXPECT_NE(cable.host, "") << cable.line;
}

const std::string kFabric = R"(#
# Topology file: generated on Mon Sep  1 10:00:00 2026
#
vendid=0x2c9
devid=0xd2f2
switchguid=0xb8cef60300e5d2a0(b8cef60300e5d2a0)
Switch	40 "S-b8cef60300e5d2a0"		# "MF0;leaf-1:MQM8790/U1" enhanced port 0 lid 1 lmc 0
[1]	"H-0c42a10300a1b2c4"[1](c42a10300a1b2c4) 		# "node01 mlx5_0" lid 5 4xHDR
[2]	"H-0c42a10300a1b2c8"[2](c42a10300a1b2c9) 		# "node02 HCA-1" lid 6 4xHDR
[3]	"H-0c42a10300a1b2cc"[1]		# "MT4123 ConnectX6   Mellanox Technologies" lid 7 4xHDR
[21]	"S-b8cef60300e5d2b0"[1]		# "MF0;spine-1:MQM8790/U1" lid 2 4xHDR
[41]	"H-b8cef60300e5d2a8"[1](b8cef60300e5d2a8)		# "Mellanox Technologies Aggregation Node" lid 9 4xHDR

vendid=0x2c9
caguid=0xc42a10300a1b2c4
Ca	1 "H-0c42a10300a1b2c4"		# "node01 mlx5_0"
[1](c42a10300a1b2c4) 	"S-b8cef60300e5d2a0"[1]		# lid 5 lmc 0 "MF0;leaf-1:MQM8790/U1" lid 1 4xHDR
)";

TEST(SwitchTopology, HostsAreNamedAsFarAsTheFabricNamesThem) {
  EXPECT_THAT(read(kFabric),
              ElementsAre("node01 mlx5_0 1 > leaf-1 1", "node02 0c42:a103:00a1:b2c9 2 > leaf-1 2",
                          " 0c42:a103:00a1:b2cc 1 > leaf-1 3"));
}

TEST(SwitchTopology, SwitchesOfOneDescriptionAreToldApartByGuid) {
  const std::string text =
      "Switch 24 \"S-0001\" # \"MT47396 Infiniscale-III Mellanox Technologies\" base port 0 lid 1 lmc 0\n"
      "[24] \"H-0002c90200267924\"[1] # \"node24 HCA-1\" lid 18\n"
      "Switch 24 \"S-0002\" # \"MT47396 Infiniscale-III Mellanox Technologies\" base port 0 lid 2 lmc 0\n"
      "[23][ext 23] \"H-0002c9020026771c\"[1] # \"node23 HCA-1\" lid 17\n"
      "Switch 41 \"S-0003\" # \"MF0;core:MCS8500/L01/U1\" base port 0 lid 3 lmc 0\n"
      "[1] \"H-0002c9020026771d\"[1] # \"node22 mlx5_0\" lid 16\n";
  EXPECT_THAT(read(text),
              ElementsAre("node24 0002:c902:0026:7924 1 > S-0001 24",
                          "node23 0002:c902:0026:771c 1 > S-0002 23", "node22 mlx5_0 1 > core/L01/U1 1"));
}

TEST(SwitchTopology, ReadsLldpOfSeveralHosts) {
  const std::string text = R"(node1: lldp.eth0.via=LLDP
node1: lldp.eth0.rid=1
node1: lldp.eth0.chassis.mac=00:11:22:33:44:55
node1: lldp.eth0.chassis.name=leaf-r3-01
node1: lldp.eth0.port.ifname=Ethernet12/1
node1: lldp.eth0.port.descr=to node1
node1: lldp.bond0.100.via=LLDP
node1: lldp.bond0.100.chassis.mac=00:11:22:33:44:66
node1: lldp.bond0.100.port.descr=swp4
node2: lldp.eth0.via=LLDP
node2: lldp.eth0.chassis.name=leaf-r3-02
node2: lldp.eth0.port.local=7
node2: lldp.eth0.unknown-tlvs.unknown-tlv.oui=00,01,42
node2: lldp.eth1.rid=2
)";
  const auto cables = read_switch_topology(text, "x");
  EXPECT_THAT(words(cables),
              ElementsAre("node1 eth0 1 > leaf-r3-01 Ethernet12/1",
                          "node1 bond0.100 1 > 00:11:22:33:44:66 swp4", "node2 eth0 1 > leaf-r3-02 7"));
  EXPECT_EQ(cables[0].neighbour.source, "LLDP");
  EXPECT_THAT(read("lldp.eth0.chassis.name=a\nlldp.eth0.port.ifname=b\n"), ElementsAre(" eth0 1 > a b"));
}

TEST(SwitchTopology, LldpOfOneHostNeedsNeitherItsNameNorEveryKey) {
  const auto cables = read_switch_topology("lldp.ens7.chassis.name=leaf3\n", "x");
  EXPECT_THAT(words(cables), ElementsAre(" ens7 1 > leaf3 "));
  EXPECT_EQ(cables.at(0).neighbour.source, "LLDP");
  EXPECT_THAT(read("lldp.ens7.port.ifname=Eth1/4\nlldp.ens7.chassis.name=leaf3\nlldp.ens8.chassis.name=b\n"),
              ElementsAre(" ens7 1 > leaf3 Eth1/4", " ens8 1 > b "));
}

TEST(SwitchTopology, SeveralNeighboursOfOneInterfaceAreSeveralCables) {
  EXPECT_THAT(read("lldp.e.via=LLDP\nlldp.e.chassis.name=a\nlldp.e.via=LLDP\nlldp.e.chassis.name=b\n"),
              ElementsAre(" e 1 > a ", " e 1 > b "));
}

TEST(SwitchTopology, ReadsSlurmsTopology) {
  const std::string text = R"(# tree
SwitchName=s0 Nodes=tux[08-10],login LinkSpeed=900
switchname=s1 nodes=rack[0-1]n[1,3] \
  LinkSpeed=900
SwitchName=top Switches=s[0-1]
)";
  const auto cables = read_switch_topology(text, "x");
  std::vector<std::string> hosts;
  for (const auto& cable : cables) hosts.push_back(cable.host + ">" + cable.neighbour.switch_name);
  EXPECT_THAT(hosts, ElementsAre("tux08>s0", "tux09>s0", "tux10>s0", "login>s0", "rack0n1>s1", "rack0n3>s1",
                                 "rack1n1>s1", "rack1n3>s1"));
  EXPECT_EQ(cables[4].line, 3);
  EXPECT_EQ(cables[4].neighbour.source, "switch topology file");
}

struct Bad {
  const char* what;
  std::string text;
  const char* expected;
};

TEST(SwitchTopology, BadFilesAreRefusedWithLineAndReason) {
  const std::string leaf = "Switch 40 \"S-1\" # \"leaf\" base port 0\n";
  const std::vector<Bad> table{
      {"empty", "", "given.file: is empty"},
      {"UTF-16", std::string("\xff\xfeS\0", 4), "given.file: is UTF-16; convert it with iconv"},
      {"other text", "hello\nlldpctl: no\n", "given.file: is no switch topology"},
      {"NUL", std::string("SwitchName=a\0", 13), "given.file:1: holds NUL bytes"},
      {"a port that is none", leaf + "[x] \"H-1\"[1]\n", "given.file:2: "},
      {"cut off", leaf + "[1] \"H-0c42a1\n", "given.file:2: "},
      {"a host's port that is none", leaf + "[1] \"H-1\"[1e9]\n", "given.file:2: the port of the host"},
      {"a billion hosts", "\nSwitchName=a Nodes=n[0-999999999]\n", "given.file:2: Nodes='n[0-999999999]'"},
      {"a billion hosts by product", "SwitchName=a Nodes=n[0-9999]m[0-9999]\n", "given.file:1: Nodes="},
      {"more hosts than any", "SwitchName=a Nodes=n[0-200000]\nSwitchName=b Nodes=m[0-200000]\n",
       "given.file:2: has more than"},
      {"brackets", "SwitchName=a Nodes=n[0-\n", "given.file:1: Nodes='n[0-'"},
      {"brackets that close first", "SwitchName=a Nodes=n]0[\n", "is no list of hosts"},
      {"a range that falls", "SwitchName=a Nodes=n[5-1]\n", "is no list of hosts"},
      {"a key without value", "lldp.eth0.via=LLDP\nlldp.eth0.chassis\n",
       "given.file:2: 'lldp.eth0.chassis' has no '='"},
      {"a line of 10 MB", std::string(10U << 20, 'a'), "given.file:1: the line has 10240 KiB"},
  };
  for (const auto& bad : table) {
    SCOPED_TRACE(bad.what);
    EXPECT_THAT(refusal(read_switch_topology, bad.text), HasSubstr(bad.expected));
  }
}

TEST(SwitchTopology, CutOffFilesAreReadOrRefused) {
  for (std::size_t length = 0; length < kFabric.size(); ++length)
    refusal(read_switch_topology, kFabric.substr(0, length));
  NEED_CASES();
  expect_sane_when_cut(read_switch_topology, read_case("outputs/I21-ibnetdiscover-superbench.txt"));
}

TEST(FileKind, IsToldByContent) {
  EXPECT_EQ(topology_file_kind(""), TopologyFileKind::unknown);
  EXPECT_EQ(topology_file_kind("{\"schema\": 1}"), TopologyFileKind::json);
  EXPECT_EQ(topology_file_kind(" \n<?xml version=\"1.0\"?><!-- <topology> --><system version=\"1\">"),
            TopologyFileKind::nccl_xml);
  EXPECT_EQ(topology_file_kind("<graphs version=\"1\">"), TopologyFileKind::nccl_xml);
  EXPECT_EQ(topology_file_kind("<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n<topology version=\"3.0\">"),
            TopologyFileKind::hwloc_xml);
  EXPECT_EQ(topology_file_kind("<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">"), TopologyFileKind::hwloc_xml);
  EXPECT_EQ(topology_file_kind("<!DOCTYPE system [ <!-- ]> --> <!ELEMENT a EMPTY> ]>\n<topology>"),
            TopologyFileKind::hwloc_xml);
  EXPECT_EQ(topology_file_kind("<!DOCTYPE html><html/>"), TopologyFileKind::unknown);
  EXPECT_EQ(topology_file_kind("<!DOCTYPE html [ <!-- <!ENTITY --> <!ELEMENT a ANY"),
            TopologyFileKind::unknown);
  EXPECT_EQ(topology_file_kind("<html>GPU0 X"), TopologyFileKind::unknown)
      << "no word of it stands in a line of its own";
  EXPECT_EQ(topology_file_kind("<!-- never closed"), TopologyFileKind::unknown);
  EXPECT_EQ(topology_file_kind("some words\nGPU0 X NV18\n"), TopologyFileKind::smi_matrix);
  EXPECT_EQ(topology_file_kind("GPU 0: Tesla\nGPU1 is fine\n"), TopologyFileKind::unknown);
  EXPECT_EQ(topology_file_kind(kFabric), TopologyFileKind::unknown);
}

}  // namespace
}  // namespace fabricheck::topology
