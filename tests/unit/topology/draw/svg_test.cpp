#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <regex>

#include "topology/draw/draw.hpp"
#include "topology/draw/svg_canvas.hpp"
#include "unit/topology/draw/clusters.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// What is wrong with the XML, empty when nothing is: tags that match, attributes in quotes, known entities.
std::string malformed(const std::string& xml) {
  static const std::regex tag(R"(^<(/?)([a-z]+)((?: [A-Za-z0-9:-]+="[^"<]*")*) ?(/?)>)",
                              std::regex::optimize);
  static const std::regex entity(R"(^&(?:amp|lt|gt|quot|#39);)");
  std::vector<std::string> open;
  const std::string declaration = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  if (xml.substr(0, declaration.size()) != declaration) return "no declaration";
  for (std::size_t at = declaration.size(); at < xml.size();) {
    std::smatch match;
    const std::string here = xml.substr(at, 4000);
    if (xml[at] == '<') {
      if (!std::regex_search(here, match, tag)) return "no tag: " + here.substr(0, 80);
      if (match[1] == "/") {
        if (open.empty() || open.back() != match[2]) return "closes another tag: " + here.substr(0, 80);
        open.pop_back();
      } else if (match[4] != "/") {
        open.push_back(match[2]);
      }
      at += static_cast<std::size_t>(match.length());
    } else if (xml[at] == '&') {
      if (!std::regex_search(here, match, entity)) return "no entity: " + here.substr(0, 80);
      at += static_cast<std::size_t>(match.length());
    } else if ((xml[at] >= 0 && xml[at] < ' ' && xml[at] != '\n') || (xml[at] == '>')) {
      return "a character that may not be here: " + here.substr(0, 80);
    } else {
      ++at;
    }
  }
  return open.empty() ? "" : "never closed: " + open.back();
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::string svg_of(Host host) { return draw_svg(merge_hosts({std::move(host)})); }

/// Of the whole picture, from its first tag.
std::pair<double, double> size_of(const std::string& svg) {
  std::smatch match;
  if (!std::regex_search(svg, match, std::regex(R"re(width="(\d+)" height="(\d+)")re"))) return {};
  return {std::stod(match[1]), std::stod(match[2])};
}

TEST(DrawSvg, ChecksItself) {
  const std::string start = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
  EXPECT_THAT(malformed(start + "<svg a=\"1\"><rect/>&lt;</svg>"), IsEmpty());
  for (const std::string bad :
       {"<svg>", "<svg></g></svg>", "<svg a=1/>", "<svg>&</svg>", "<svg>\x01</svg>", "<svg>a > b</svg>"})
    EXPECT_THAT(malformed(start + bad), Not(IsEmpty())) << bad;
}

TEST(DrawSvg, DgxH100) {
  const std::string svg = svg_of(machines::dgx_h100());
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_EQ(size_of(svg).first, 1200);
  for (int i = 0; i < 8; ++i) {
    EXPECT_THAT(svg, HasSubstr(fmt::format(">GPU {}<", i)));
    EXPECT_THAT(svg, HasSubstr(fmt::format(">mlx5_{0} · rail {0}<", i)));
  }
  EXPECT_THAT(svg, HasSubstr(">mlx5_8<"));
  EXPECT_THAT(svg, HasSubstr(">NUMA node 1 · CPUs 56-111,168-223 · 1008 GiB<"));
  EXPECT_THAT(svg, HasSubstr("switch 0000:11:00.0<"));
  EXPECT_THAT(svg, HasSubstr(">NVLink over 4 NVSwitches joins all 8 GPUs (NV18)<"));
  EXPECT_EQ(count(svg, ">18 of 18 links<"), 8U);
  EXPECT_THAT(svg, HasSubstr("NVIDIA DGXH100, bare metal"));
  EXPECT_EQ(count(svg, std::string(kWarningPaint.stroke)), 1U);  // the legend's
  EXPECT_THAT(svg, Not(HasSubstr("Look at")));
}

TEST(DrawSvg, IsSelfContained) {
  for (const std::string& svg :
       {svg_of(machines::dgx_h100()), draw_svg(machines::cluster_with_odd_hosts())}) {
    EXPECT_EQ(count(svg, "http"), 1U);  // the name of SVG itself
    for (const std::string never : {"<script", "<image", "<style", "href", "url(", "@import", "onload"})
      EXPECT_THAT(svg, Not(HasSubstr(never)));
    // A white page below everything, for viewers that are dark.
    EXPECT_THAT(svg, HasSubstr("fill=\"#ffffff\"/>"));
  }
}

TEST(DrawSvg, FaultsAreColouredAndSaidInWords) {
  Host host = machines::dgx_h100();
  host.gpus[3].nvlinks[4].active = false;
  host.gpus[6].status = "not answering";
  host.gpus[6].problem = "GPU is lost";
  host.gpus[0].health = GpuHealth{};
  host.gpus[0].health->remap_failed = true;
  host.rdma_devices[1].ports[0].state = "DOWN";
  for (PciNode& node : host.pci) {
    if (node.address == host.rdma_devices[5].pci_address) node.link.width = 8;
    if (node.address == "0000:11:00.0") node.link.speed_GTps = 16;
  }
  const std::string svg = svg_of(host);
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr(">ONLY 17 of 18 links<"));
  EXPECT_THAT(svg, HasSubstr(">NOT ANSWERING<"));
  EXPECT_THAT(svg, HasSubstr(">PCIe x8 of x16<"));
  EXPECT_THAT(svg, HasSubstr(">port DOWN<"));
  EXPECT_THAT(svg, HasSubstr(">16 of 32 GT/s<"));
  EXPECT_THAT(svg, HasSubstr(">Look at: GPU3: 17 of 18 NVLinks active<"));
  EXPECT_THAT(svg, HasSubstr(">Look at: GPU6: NOT ANSWERING: GPU is lost<"));
  EXPECT_THAT(svg, HasSubstr(">Look at: GPU0: row remapping FAILED: the GPU needs replacing<"));
  EXPECT_THAT(svg, HasSubstr(">Look at: mlx5_5: PCIe x8 of x16<"));
  // GPUs 0, 3 and 6, two NICs, a switch, the line of GPU 3, the legend.
  EXPECT_EQ(count(svg, std::string(kWarningPaint.stroke)), 8U);
}

TEST(DrawSvg, DirectNvlinksAreCurvesBetweenPairs) {
  const std::string svg = svg_of(machines::dgx1v());
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_EQ(count(svg, "<path "), 16U);
  EXPECT_EQ(count(svg, ">NV2<"), 8U);
  EXPECT_EQ(count(svg, ">NV1<"), 8U);
}

TEST(DrawSvg, CurvesOfNvlinksReachTheirGpus) {
  const std::string svg = svg_of(machines::dgx1v());
  std::size_t joined = 0;
  const std::string style = fmt::format("stroke=\"{}\" stroke-width=\"2\"", kNvlinkPaint.stroke);
  for (std::size_t at = svg.find("<line "); at != std::string::npos; at = svg.find("<line ", at + 1))
    if (svg.substr(at, svg.find('\n', at) - at).find(style) != std::string::npos) ++joined;
  EXPECT_EQ(joined, 8U);
}

TEST(DrawSvg, RailNumberIsNeverCutOff) {
  Host host = machines::dgx_h100();
  for (std::size_t i = 0; i < host.rdma_devices.size(); ++i)
    host.rdma_devices[i].name = fmt::format("mlx5_{}", 100 + i);
  const std::string svg = svg_of(host);
  for (int rail = 0; rail < 8; ++rail) {
    EXPECT_THAT(svg, HasSubstr(fmt::format("rail {}<", rail)));
    EXPECT_THAT(svg, HasSubstr(fmt::format(">mlx5_{}", 100 + rail)));
  }
  EXPECT_THAT(svg, Not(HasSubstr("rail…")));
}

TEST(DrawSvg, NothingIsWrittenAcrossTheNvlinkLines) {
  Host host = machines::dgx_h100();
  host.rdma_devices.clear();
  const std::string svg = svg_of(host);
  EXPECT_GT(svg.find(">No RDMA NIC.<"), svg.find(">NVLink over "));
  EXPECT_THAT(svg, HasSubstr(">No RDMA NIC.<"));
}

TEST(DrawSvg, SlowSwitchIsSaid) {
  Host host = machines::dgx_h100();
  for (PciNode& node : host.pci)
    if (node.address == "0000:11:00.0") node.link = {5, 16, std::nullopt, std::nullopt};
  const std::string svg = svg_of(host);
  EXPECT_THAT(svg, HasSubstr(">only 5 GT/s"));
  EXPECT_THAT(svg, Not(HasSubstr("PCI s…"))) << "half an address";
  EXPECT_THAT(svg, HasSubstr(">Look at: the PCI link of 0000:11:00.0 is slower than those of the devices"));
}

TEST(DrawSvg, LongWarningsAreWrapped) {
  Host host = machines::dgx_h100();
  for (PciNode& node : host.pci)
    if (node.kind == "switch-upstream") node.link = {5, 16, std::nullopt, std::nullopt};
  const std::string svg = svg_of(host);
  const std::regex text(R"re(<text x="([0-9.]+)"[^>]*font-size="([0-9.]+)"([^>]*)>([^<]*)<)re");
  bool warned = false;
  for (std::sregex_iterator at(svg.begin(), svg.end(), text), end; at != end; ++at) {
    if ((*at)[3].str().find("middle") != std::string::npos) continue;
    const bool bold = (*at)[3].str().find("bold") != std::string::npos;
    warned = warned || (*at)[4].str().rfind("Look at:", 0) == 0;
    EXPECT_LE(std::stod((*at)[1]) + text_width((*at)[4].str(), std::stod((*at)[2]), bold), size_of(svg).first)
        << (*at)[4];
  }
  EXPECT_TRUE(warned);
}

TEST(DrawSvg, SlowerPortThanOnMostHostsIsMarkedInItsTile) {
  EXPECT_THAT(draw_svg(machines::cluster_with_odd_hosts()), HasSubstr(">200 of 400 Gb/s IB<"));
}

TEST(DrawSvg, Gb200Tray) {
  const std::string svg = svg_of(machines::gb200_tray());
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr(">NVLink joins all 4 GPUs (NV18)<"));
  EXPECT_EQ(count(svg, ">18 of 18 links<"), 4U);
}

TEST(DrawSvg, MachineWithoutGpuStaysSmall) {
  const std::string svg = svg_of(machines::small_vm());
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr(">No GPU and no RDMA NIC.<"));
  EXPECT_THAT(svg, HasSubstr("libnvidia-ml.so.1 is not on this host<"));
  EXPECT_LT(size_of(svg).second, 300);
  EXPECT_THAT(malformed(draw_svg({})), IsEmpty());
  EXPECT_THAT(draw_svg({}), HasSubstr("0 hosts"));
}

TEST(DrawSvg, ClusterMarksOddHostsAndSaysHowTheyDiffer) {
  const std::string svg = draw_svg(machines::cluster_with_odd_hosts());
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr(">Topology: 64 hosts, 3 different kinds<"));
  EXPECT_THAT(svg, HasSubstr(">62 hosts: 8 × NVIDIA H100 80GB HBM3, 8 × 400 Gb/s, 2 × 200 Gb/s<"));
  EXPECT_THAT(svg, HasSubstr(">7 GPUs instead of 8<"));
  EXPECT_THAT(svg, HasSubstr(">GPU0-7: PCIe x8 of x16; mlx5_2: 200 instead of 400 Gb/s<"));
  for (int i = 1; i <= 64; ++i) EXPECT_THAT(svg, HasSubstr(fmt::format(">gpu-{:04}<", i)));
  EXPECT_THAT(svg, HasSubstr(">leaf-r7-02<"));
  EXPECT_THAT(svg, HasSubstr(">gpu-0002: rail 0 is cabled to leaf-r1-01, where most NICs are of rail 1<"));
  EXPECT_THAT(svg, HasSubstr(">gpu-0002: rail 1 is cabled to leaf-r0-01, where most NICs are of rail 0<"));
}

TEST(DrawSvg, AHostThatLostAGpuKeepsItsRails) {
  const auto lost = [](int number, Host& host) {
    if (number == 3) host.gpus.erase(host.gpus.begin() + 2);
  };
  EXPECT_THAT(draw_svg(machines::dgx_cluster(5, lost)), Not(HasSubstr("is cabled to")));
  const std::string crossed = draw_svg(machines::dgx_cluster(5, [&](int number, Host& host) {
    lost(number, host);
    if (number == 3)
      std::swap(host.rdma_devices[5].ports[0].neighbour, host.rdma_devices[6].ports[0].neighbour);
  }));
  EXPECT_THAT(crossed, HasSubstr("gpu-0003: rail 5 is cabled to leaf-r6-01"));
  EXPECT_EQ(count(crossed, "is cabled to"), 2U);
}

TEST(DrawSvg, TieAccusesNobody) {
  const std::string svg = draw_svg(machines::dgx_cluster(2, [](int number, Host& host) {
    if (number == 2) host.gpus.pop_back();
  }));
  EXPECT_THAT(svg, HasSubstr(">1 host: 7 × NVIDIA H100 80GB HBM3, 8 × 400 Gb/s, 2 × 200 Gb/s<"));
  EXPECT_THAT(svg, Not(HasSubstr("instead of")));
}

TEST(DrawSvg, ThousandsOfHostsAreFolded) {
  const std::string svg = draw_svg(machines::dgx_cluster(1024, [](int number, Host& host) {
    if (number == 1000) host.gpus.pop_back();
  }));
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr(">gpu-[0001-0016] (16)<"));
  EXPECT_THAT(svg, HasSubstr(">gpu-1000<"));
  EXPECT_THAT(svg, HasSubstr(">leaf-r3-[01-32]<"));
  EXPECT_THAT(svg, HasSubstr(">32 leaf switches with 32 hosts each<"));
  EXPECT_LT(size_of(svg).second, 3000);
  EXPECT_LT(svg.size(), 200'000U);
}

TEST(DrawSvg, ManyKindsAndManyDevicesEnd) {
  std::vector<Host> hosts;
  for (int i = 0; i < 40; ++i) {
    hosts.push_back(machines::dgx_h100(fmt::format("n{}", i)));
    hosts.back().kernel = fmt::format("6.{}", i);
  }
  const std::string svg = draw_svg(merge_hosts(hosts));
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, HasSubstr("… and 16 more kinds of hosts<"));
  EXPECT_THAT(svg, HasSubstr("… and 34 more kinds of hosts, not drawn from inside<"));
  Host crowd = machines::small_vm();
  for (int i = 0; i < 64; ++i) {
    machines::add_gpu(
        crowd, machines::add_pci(crowd, fmt::format("0000:{:02x}:00.0", i), "", "gpu", "0000:00", 0), 0);
    machines::add_nvlinks(crowd.gpus.back(), 18, "switch");
    machines::add_nic(
        crowd, machines::add_pci(crowd, fmt::format("0001:{:02x}:00.0", i), "", "nic", "0000:00", 0), 0);
  }
  EXPECT_THAT(malformed(svg_of(crowd)), IsEmpty());
}

/// No shape may leave the page, whatever the machine.
TEST(DrawSvg, EverythingIsOnThePage) {
  Host crowd = machines::small_vm();
  for (int i = 0; i < 20; ++i) {
    const auto up =
        machines::add_pci(crowd, fmt::format("0000:{:02x}:00.0", i), "", "switch-upstream", "0000:00", 0);
    machines::add_gpu(
        crowd, machines::add_pci(crowd, fmt::format("0001:{:02x}:00.0", i), up, "gpu", "0000:00", 0), 0);
    machines::add_nic(
        crowd, machines::add_pci(crowd, fmt::format("0002:{:02x}:00.0", i), up, "nic", "0000:00", 0), 0);
  }
  const std::vector<std::string> pictures{svg_of(machines::dgx_h100()), svg_of(machines::dgx1v()),
                                          svg_of(machines::gb200_tray()), svg_of(crowd),
                                          draw_svg(machines::cluster_with_odd_hosts())};
  const std::regex box(R"re(<rect x="([0-9.-]+)" y="([0-9.-]+)" width="([0-9.-]+)" height="([0-9.-]+)")re");
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const std::string& svg = pictures[i];
    const auto [width, height] = size_of(svg);
    for (std::sregex_iterator at(svg.begin(), svg.end(), box), end; at != end; ++at) {
      EXPECT_GE(std::stod((*at)[1]), 0) << i;
      EXPECT_LE(std::stod((*at)[1]) + std::stod((*at)[3]), width) << i << " " << (*at)[0];
      EXPECT_LE(std::stod((*at)[2]) + std::stod((*at)[4]), height) << i << " " << (*at)[0];
      EXPECT_GT(std::stod((*at)[3]), 0) << i;
      EXPECT_GT(std::stod((*at)[4]), 0) << i;
    }
  }
}

TEST(DrawSvg, HostileNamesAreText) {
  const std::string svg = draw_svg(merge_hosts({machines::hostile_host(), machines::dgx_h100()}));
  EXPECT_THAT(malformed(svg), IsEmpty());
  EXPECT_THAT(svg, Not(HasSubstr("<script")));
  EXPECT_THAT(svg, HasSubstr("&lt;script"));
  EXPECT_THAT(svg, Not(HasSubstr("\u202e")));
}

/// Python's XML parser, which is nobody's of this project, reads them too.
TEST(DrawSvg, AnotherParserReadsThem) {
  // NOLINTNEXTLINE(cert-env33-c): the command is this test's own
  if (std::system("python3 -c 'import xml.dom.minidom' 2>/dev/null") != 0) GTEST_SKIP() << "no python3";
  for (const std::string& svg :
       {svg_of(machines::hostile_host()), draw_svg(machines::cluster_with_odd_hosts())}) {
    // NOLINTNEXTLINE(cert-env33-c): the command is this test's own
    std::FILE* const parser =
        popen("python3 -c 'import sys,xml.dom.minidom as m; m.parse(sys.stdin.buffer)'", "w");
    ASSERT_NE(parser, nullptr);
    ASSERT_EQ(std::fwrite(svg.data(), 1, svg.size(), parser), svg.size());
    EXPECT_EQ(pclose(parser), 0);
  }
}

TEST(SvgText, FitsItsPlace) {
  EXPECT_EQ(fitted("short", 100, 10), "short");
  const std::string cut = fitted(std::string(100, 'x'), 100, 10);
  EXPECT_LE(text_width(cut, 10), 100);
  EXPECT_GT(text_width(cut, 10), 80);
  EXPECT_THAT(cut, HasSubstr("…"));
  for (int width = 0; width < 60; ++width) {
    const std::string umlauts = fitted("üüüüüüüüüüüüüüüü", width, 10);  // never half a character
    EXPECT_EQ(count(umlauts, "ü") * 2 + count(umlauts, "…") * 3, umlauts.size());
  }
  EXPECT_THAT(wrapped("one two three", 50, 10), ::testing::ElementsAre("one two", "three"));
  EXPECT_THAT(wrapped("", 40, 10), IsEmpty());
  for (const std::string& line : wrapped("one two three four five six seven", 100, 10, true))
    EXPECT_LE(text_width(line, 10, true), 100);
}

}  // namespace
}  // namespace fabricheck::topology
