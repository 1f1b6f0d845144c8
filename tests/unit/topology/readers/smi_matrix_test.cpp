#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "case_files.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

Host read(const std::string& name) { return read_smi_matrix(read_case("topo-m/" + name + ".txt"), name); }

/// The matrix by names, as the file's own words.
class Matrix {
 public:
  explicit Matrix(const Host& host) : paths_(host.given_paths.value()) {
    for (std::size_t i = 0; i < paths_.names.size(); ++i) at_[paths_.names[i]] = i;
  }
  const std::string& operator()(const std::string& row, const std::string& column) const {
    return paths_.cells.at(at_.at(row)).at(at_.at(column));
  }
  /// Of the NICs that are PIX from a GPU, "NIC0 NIC1".
  std::string pix_of(const std::string& gpu) const {
    std::string names;
    for (const auto& name : paths_.names)
      if (name.substr(0, 3) != "GPU" && (*this)(gpu, name) == "PIX")
        names += names.empty() ? name : " " + name;
    return names;
  }

 private:
  GivenPaths paths_;
  std::map<std::string, std::size_t> at_;
};

Matrix matrix(const std::string& name) { return Matrix(read(name)); }

std::string gpu(int index) { return "GPU" + std::to_string(index); }
std::string nic(int index) { return "NIC" + std::to_string(index); }

/// Every pair of GPUs that the file tells about is joined by `links`; 0: by none.
void expect_links_between_all(const Host& host, int links) {
  const Matrix cells(host);
  for (const auto& a : host.gpus)
    for (const auto& b : host.gpus) {
      if (a.index == b.index) continue;
      const std::string& cell = cells(gpu(a.index), gpu(b.index));
      if (cell.empty()) continue;
      if (links > 0) {
        EXPECT_EQ(cell, "NV" + std::to_string(links)) << a.index << " " << b.index;
      } else {
        EXPECT_THAT(cell, Not(testing::StartsWith("NV")));
      }
    }
}

TEST(SmiMatrix, HoldsTheFactsOfEveryRecordedFile) {
  NEED_CASES();
  int checked = 0;
  for (const auto& path : case_files("topo-m", ".txt")) {
    SCOPED_TRACE(path);
    const std::string text = read_text(path);
    EXPECT_EQ(topology_file_kind(text), TopologyFileKind::smi_matrix);
    ASSERT_EQ(refusal(read_smi_matrix, text), "");
    const Host host = read_smi_matrix(text, path);
    EXPECT_EQ(host.source, "nvidia-smi topo -m");
    const auto facts =
        nlohmann::json::parse(read_text(std::filesystem::path(path).replace_extension(".json")));
    const auto gpus = facts.value("gpus", path.stem() == "T26" ? std::size_t{2} : std::size_t{8});
    EXPECT_THAT(host.gpus, SizeIs(gpus));
    if (facts.contains("nvlink") && facts["nvlink"].is_number())
      expect_links_between_all(host, facts["nvlink"]);
    const auto& paths = host.given_paths.value();
    ASSERT_THAT(paths.cells, SizeIs(paths.names.size()));
    for (std::size_t i = 0; i < paths.names.size(); ++i) {
      EXPECT_EQ(paths.cells[i].at(i), "X");
      for (std::size_t j = 0; j < paths.names.size(); ++j) {
        EXPECT_TRUE(paths.cells[i][j].empty() || parse_path(paths.cells[i][j])) << paths.cells[i][j];
        EXPECT_EQ(paths.cells[i][j], paths.cells[j][i]);
      }
    }
    EXPECT_EQ(paths.names.size(), host.gpus.size() + host.rdma_devices.size());
    ++checked;
  }
  EXPECT_EQ(checked, 24);
}

TEST(SmiMatrix, RowsThatAreMissingFollowFromTheirColumns) {
  NEED_CASES();
  const Host host = read("T01");
  const Matrix cells(host);
  for (int i = 0; i < 4; ++i) EXPECT_EQ(cells.pix_of(gpu(2 * i)), nic(i));
  for (int i = 1; i < 6; i += 2) EXPECT_EQ(cells.pix_of(gpu(i)), "");
  EXPECT_EQ(cells("GPU1", "NIC0"), "SYS");
  EXPECT_EQ(cells("GPU7", "GPU0"), "NV18");
  EXPECT_EQ(cells("GPU7", "NIC0"), "") << "not told";
  EXPECT_EQ(host.gpus[7].numa_node, std::nullopt);
  EXPECT_THAT(host.unknown, Contains(HasSubstr("7 of 14 rows are missing")));
  EXPECT_THAT(host.unknown, Contains(HasSubstr("NUMA node of GPU7")));
  EXPECT_EQ(host.gpus[4].numa_node, 1);
  EXPECT_EQ(host.numa_nodes.at(0).cpus, "0-47,96-143");
}

TEST(SmiMatrix, NotableFactsOfServersWithNvswitch) {
  NEED_CASES();
  const Matrix reversed = matrix("T02");
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(reversed.pix_of(gpu(i)), nic(8 - i));
    EXPECT_EQ(reversed(gpu(i), "NIC0"), "SYS");
  }
  const Matrix six_nics = matrix("T05");
  EXPECT_EQ(six_nics.pix_of("GPU0"), "NIC0");
  EXPECT_EQ(six_nics.pix_of("GPU2"), "NIC1");
  EXPECT_EQ(six_nics("GPU1", "NIC0"), "NODE");
  const Matrix odd = matrix("T06");
  EXPECT_EQ(odd.pix_of("GPU1"), "NIC0");
  EXPECT_EQ(odd.pix_of("GPU3"), "NIC3");
  EXPECT_EQ(odd.pix_of("GPU5"), "NIC4");
  for (int i = 0; i < 8; i += 2) EXPECT_EQ(odd.pix_of(gpu(i)), "");
  const Matrix h20 = matrix("T16");
  for (int i = 0; i < 6; ++i) EXPECT_EQ(h20.pix_of(gpu(i)), nic(i));
  EXPECT_EQ(h20("GPU1", "NIC2"), "PHB");
  EXPECT_EQ(h20("GPU2", "NIC1"), "PHB");
  const Matrix b200 = matrix("T15");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(b200.pix_of(gpu(i)), nic(i));
  EXPECT_EQ(b200("GPU0", "NIC8"), "NODE");
  EXPECT_EQ(b200("GPU1", "NIC8"), "NODE");
  EXPECT_EQ(b200("GPU2", "NIC8"), "SYS");
  EXPECT_EQ(b200("GPU2", "NIC3"), "NODE");
}

TEST(SmiMatrix, NotableFactsOfServersWithBridgesOrNone) {
  NEED_CASES();
  const Matrix a100 = matrix("T03");
  EXPECT_EQ(a100("GPU0", "GPU1"), "NV12");
  EXPECT_EQ(a100("GPU6", "GPU7"), "NV12");
  EXPECT_EQ(a100("GPU1", "GPU2"), "NODE");
  EXPECT_EQ(a100("GPU3", "GPU4"), "SYS");
  const Matrix a40 = matrix("T04");
  EXPECT_EQ(a40("GPU4", "GPU5"), "NV4");
  EXPECT_EQ(a40.pix_of("GPU2") + a40.pix_of("GPU3"), "NIC0NIC0");
  EXPECT_EQ(a40.pix_of("GPU6") + a40.pix_of("GPU7"), "NIC1NIC1");
  EXPECT_EQ(a40("GPU5", "NIC1"), "NODE");
  const Matrix l40s = matrix("T17");
  EXPECT_EQ(l40s("GPU2", "mlx5_0"), "NODE") << "the legend names NIC0";
  EXPECT_EQ(l40s("GPU0", "mlx5_1"), "SYS");
  EXPECT_EQ(l40s("mlx5_0", "mlx5_1"), "PIX");
  EXPECT_EQ(matrix("T19")("GPU0", "GPU1"), "NV2");
  EXPECT_EQ(matrix("T20")("GPU0", "GPU1"), "PHB");
  const Matrix dgx1 = matrix("T27");
  EXPECT_EQ(dgx1("GPU0", "GPU3"), "NV2");
  EXPECT_EQ(dgx1("GPU0", "GPU1"), "NV1");
  EXPECT_EQ(dgx1("GPU0", "GPU7"), "SYS");
  EXPECT_EQ(dgx1.pix_of("GPU3"), "mlx5_1");
}

TEST(SmiMatrix, NotableFactsOfNumaNodes) {
  NEED_CASES();
  const Host epyc = read("T09");
  std::vector<int> nodes;
  for (const auto& each : epyc.gpus) nodes.push_back(each.numa_node.value());
  EXPECT_THAT(nodes, ElementsAre(1, 0, 3, 2));
  EXPECT_EQ(Matrix(epyc).pix_of("GPU1"), "mlx5_0");
  EXPECT_EQ(Matrix(epyc).pix_of("GPU2"), "mlx5_1");
  const Host grace = read("T08");
  EXPECT_EQ(grace.numa_nodes.at(1).cpus, "72-143");
  EXPECT_THAT(grace.rdma_devices, IsEmpty());
  const Host pcie = read("T10");
  EXPECT_THAT(pcie.rdma_devices, SizeIs(2));
  EXPECT_EQ(pcie.rdma_devices[0].name, "mlx5_1") << "the file's order";
  EXPECT_EQ(Matrix(pcie).pix_of("GPU2"), "mlx5_0");
  EXPECT_EQ(Matrix(pcie).pix_of("GPU5"), "mlx5_1");
}

TEST(SmiMatrix, CellsThatLostTheirTabs) {
  NEED_CASES();
  const Host dgx = read("T12");
  ASSERT_THAT(dgx.rdma_devices, SizeIs(16)) << "the header counts; four rows have a SYS too many";
  const Matrix cells(dgx);
  const std::vector<int> nearest{4, 7, 8, 9, 10, 13, 14, 15};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(cells.pix_of(gpu(i)), nic(nearest[static_cast<std::size_t>(i)]));
  EXPECT_EQ(cells("GPU4", "NIC11"), "NODE");
  EXPECT_EQ(cells("GPU0", "NIC15"), "SYS");
  const Host glued_header = read("T14");
  ASSERT_THAT(glued_header.rdma_devices, SizeIs(12));
  EXPECT_EQ(glued_header.rdma_devices[11].name, "NIC11");
  EXPECT_EQ(Matrix(glued_header).pix_of("GPU0"), "NIC0");
  EXPECT_EQ(Matrix(glued_header).pix_of("GPU1"), "NIC3");
  EXPECT_EQ(glued_header.gpus[2].numa_node, 1);
}

TEST(SmiMatrix, AMatrixWithoutHeaderAndWithGluedAffinities) {
  NEED_CASES();
  const Host host = read("T13");
  EXPECT_THAT(host.gpus, SizeIs(8));
  EXPECT_THAT(host.rdma_devices, SizeIs(10));
  for (int i = 0; i < 7; ++i) EXPECT_EQ(Matrix(host).pix_of(gpu(i)), nic(i));
  EXPECT_EQ(host.gpus[0].numa_node, 0) << "0N/A";
  EXPECT_EQ(host.gpus[4].numa_node, 1) << "56-111,168-2231";
  ASSERT_THAT(host.numa_nodes, SizeIs(2));
  EXPECT_EQ(host.numa_nodes[0].cpus, "0-55,112-167");
  EXPECT_EQ(host.numa_nodes[1].cpus, "56-111,168-223");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("no header")));
}

TEST(SmiMatrix, EscapeCodesAndNamesThatAreMissingOrCutShort) {
  NEED_CASES();
  const Host blank = read("T23");
  ASSERT_THAT(blank.rdma_devices, SizeIs(8));
  EXPECT_EQ(Matrix(blank)("GPU0", "NIC0"), "NODE");
  EXPECT_EQ(Matrix(blank)("NIC0", "NIC4"), "NODE") << "rows without names are placed by their X";
  EXPECT_THAT(blank.unknown, Contains(HasSubstr("8 columns have no name")));
  const Host cut = read("T24");
  EXPECT_EQ(cut.rdma_devices.at(7).name, "mlx5_ib#7");
  EXPECT_EQ(Matrix(cut)("mlx5_ib#3", "mlx5_ib#7"), "NODE");
  const Host accelerated = read("T25");
  ASSERT_THAT(accelerated.rdma_devices, SizeIs(9));
  EXPECT_EQ(Matrix(accelerated)("mlx5_an", "GPU2"), "NODE");
  EXPECT_EQ(Matrix(accelerated)("mlx5_an", "mlx5_ib#1"), "NODE");
  EXPECT_EQ(matrix("T26")("mlx5_0", "mlx5_1"), "PIX");
}

TEST(SmiMatrix, PathsFollowTheMatrix) {
  NEED_CASES();
  const Host host = read("T02");
  const auto nearest = nearest_nics(host, paths_of(host));
  for (std::size_t i = 0; i < 8; ++i)
    EXPECT_EQ(host.rdma_devices[nearest.at(i).value()].name, nic(8 - static_cast<int>(i)));
}

const std::string kSmall =
    "\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\n"
    "GPU0\t X \tNV18\tPIX\t0-7\t0\n"
    "GPU1\tNV18\t X \tSYS\t8-15\t1\n"
    "NIC0\tPIX\tSYS\t X \n";

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

/// Whatever was done to the matrix, it says the same.
void expect_small(const std::string& text) {
  SCOPED_TRACE(text);
  ASSERT_EQ(refusal(read_smi_matrix, text), "");
  EXPECT_EQ(topology_file_kind(text), TopologyFileKind::smi_matrix);
  const Host host = read_smi_matrix(text, "x");
  const Host plain = read_smi_matrix(kSmall, "x");
  EXPECT_EQ(host.given_paths, plain.given_paths);
  EXPECT_EQ(host.gpus, plain.gpus);
  EXPECT_EQ(host.numa_nodes, plain.numa_nodes);
}

TEST(SmiMatrix, WhatTerminalsAndLaunchersDoIsUndone) {
  expect_small(replaced(kSmall, "\n", "\r\n"));
  expect_small("[1,0]<stdout>:" + replaced(kSmall, "\n", "\n[1,0]<stdout>:"));
  expect_small(replaced(kSmall, "NV18", "[1,0]<stdout>:NV18"));
  for (const std::string tag :
       {"[prterun-node7-4711@1,0]<stdout>:", "[prterun-node7-4711@1,0][node7:4712]<stdout>: ",
        "Tue Nov 24 10:51:00 2026[1,0]<stdout>:"})
    expect_small(tag + replaced(kSmall.substr(0, kSmall.size() - 1), "\n", "\n" + tag));
  expect_small(replaced(kSmall, "GPU0\t", "\x1b[4mGPU0\x1b[0m\t"));
  expect_small(replaced(kSmall, "GPU0\t", "[4mGPU0[0m\t"));
  expect_small(replaced(kSmall, "\t", "\xc2\xa0\xc2\xa0"));
  expect_small("\xef\xbb\xbf" + kSmall);
  expect_small("node7: " + replaced(kSmall, "\n", "\nnode7: ") + "done\n");
  expect_small("+ nvidia-smi topo -m\nTue Nov 24 2026\n```\n" + kSmall + "```\nLegend:\n  X    = Self\n");
  expect_small(replaced(kSmall, " X \tNV18", "XNV18"));
  expect_small(replaced(kSmall, "GPU1\tNV18", "GPU1NV18"));
  expect_small(replaced(kSmall, "PIX\t0-7", "PIX0-7"));
  expect_small(replaced(kSmall, "GPU0\tGPU1\tNIC0\t", "GPU0GPU1NIC0"));
  expect_small(kSmall.substr(0, kSmall.find("NIC0\tPIX")));
  expect_small(kSmall + kSmall);
  expect_small(kSmall.substr(0, kSmall.size() - 1));
}

TEST(SmiMatrix, TheFirstOfSeveralMatricesIsRead) {
  const std::string other = "\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tPHB\t0-7\nGPU1\tPHB\t X \t0-7\n";
  const Host host = read_smi_matrix(kSmall + "\n" + other, "x");
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "NV18");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("line 6 begins another matrix")));
}

TEST(SmiMatrix, DigitsGluedToNvlinksAreDecidedByTheRest) {
  const std::string glued =
      "\tGPU0\tGPU1\tGPU2\tCPU Affinity\nGPU0\t X \tNV18\tNV180-27\nGPU1\tNV18\t X "
      "\tNV18\t0-27\nGPU2\tNV18\tNV18\t X \t0-27\n";
  EXPECT_EQ(Matrix(read_smi_matrix(glued, "x"))("GPU0", "GPU2"), "NV18");
  const std::string hopeless = "\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV999\nGPU1\t\t X \t0-27\n";
  const Host host = read_smi_matrix(hopeless, "x");
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("1 pair of devices is not told")));
}

TEST(SmiMatrix, UnknownWordsAndEmptyCellsAreUnknownPaths) {
  const Host word = read_smi_matrix(replaced(kSmall, "PIX", "QPI"), "x");
  EXPECT_EQ(Matrix(word)("GPU0", "NIC0"), "");
  EXPECT_EQ(Matrix(word)("GPU1", "NIC0"), "SYS");
  const Host blank = read_smi_matrix(replaced(kSmall, "\t X \tNV18\tPIX", "\t X \t\tPIX"), "x");
  EXPECT_EQ(Matrix(blank)("GPU0", "NIC0"), "PIX");
  EXPECT_EQ(Matrix(blank)("GPU0", "GPU1"), "NV18") << "from the other row";
  const Host old = read_smi_matrix(replaced(kSmall, "SYS", "SOC"), "x");
  EXPECT_EQ(Matrix(old)("GPU1", "NIC0"), "SYS");
}

TEST(SmiMatrix, ARowWhoseCellsMovedIsLeftOut) {
  const Host host = read_smi_matrix(replaced(kSmall, "GPU1\tNV18\t X ", "GPU1\t X "), "x");
  EXPECT_THAT(host.unknown, Contains(AllOf(HasSubstr("line 3"), HasSubstr("'GPU1'"))));
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "NV18");
  EXPECT_EQ(host.gpus[1].numa_node, std::nullopt);
}

/// Each line cut into parts of so many characters, as a terminal does.
std::string wrapped(const std::string& text, std::size_t width) {
  std::string parts;
  std::size_t in_line = 0;
  for (const char c : text) {
    if (c == '\n') in_line = 0;
    if (c != '\n' && in_line++ == width) {
      parts += '\n';
      in_line = 1;
    }
    parts += c;
  }
  return parts;
}

const std::string kFour =
    "        GPU0    GPU1    GPU2    GPU3    NIC0    NIC1    CPU Affinity    NUMA Affinity   GPU NUMA ID\n"
    "GPU0     X      NV18    NV18    NV18    PIX     SYS     0-55,112-167    0               N/A\n"
    "GPU1    NV18     X      NV18    NV18    NODE    SYS     0-55,112-167    0               N/A\n"
    "GPU2    NV18    NV18     X      NV18    SYS     NODE    56-111,168-223  1               N/A\n"
    "GPU3    NV18    NV18    NV18     X      SYS     PIX     56-111,168-223  1               N/A\n"
    "NIC0    PIX     NODE    SYS     SYS      X      SYS\n"
    "NIC1    SYS     SYS     NODE    PIX     SYS      X\n"
    "\nNIC Legend:\n\n  NIC0: mlx5_0\n  NIC1: mlx5_1\n";

void expect_four(const std::string& text) {
  SCOPED_TRACE(text);
  ASSERT_EQ(refusal(read_smi_matrix, text), "");
  EXPECT_EQ(topology_file_kind(text), TopologyFileKind::smi_matrix);
  const Host host = read_smi_matrix(text, "x");
  const Host plain = read_smi_matrix(kFour, "x");
  EXPECT_EQ(host.given_paths, plain.given_paths);
  EXPECT_EQ(host.gpus, plain.gpus);
  EXPECT_EQ(host.numa_nodes, plain.numa_nodes);
  EXPECT_EQ(host.unknown, plain.unknown);
}

TEST(SmiMatrix, LinesThatAreWrappedBelongTogether) {
  ASSERT_EQ(read_smi_matrix(kFour, "x").gpus[3].numa_node, 1);
  for (const std::size_t width : {40U, 56U, 60U, 66U, 72U, 80U, 90U}) expect_four(wrapped(kFour, width));
  expect_four("        GPU0\n" + kFour.substr(kFour.find("GPU1")));
  const std::string by_tabs =
      "\tGPU0\tGPU1\tGPU2\n\tNIC0\tNIC1\tNIC2\n"
      "GPU0\t X \tNV18\tNV18\nPIX\tNODE\tSYS\n"
      "GPU1\tNV18\t X \tNV18\nNODE\tPIX\tSYS\n"
      "GPU2\tNV18\tNV18\t X \nSYS\tSYS\tPIX\n"
      "NIC0\tPIX\tNODE\tSYS\n X \tNODE\tSYS\n";
  const Host host = read_smi_matrix(by_tabs, "x");
  EXPECT_EQ(Matrix(host)("GPU1", "NIC1"), "PIX");
  EXPECT_EQ(Matrix(host)("NIC0", "NIC2"), "SYS");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("2 of 6 rows are missing")));
}

TEST(SmiMatrix, WhatFollowsAWholeLineIsNoContinuation) {
  const Host host = read_smi_matrix(
      "\tGPU0\tGPU1\tNIC0\tNIC1\tCPU Affinity\nGPU0\t X \tNV18\n"
      "GPU1\tNV18\t X \tNODE\tPIX\t0-7\nnode7: PIX is what it should be\n",
      "x");
  EXPECT_EQ(Matrix(host)("GPU0", "NIC0"), "");
  EXPECT_EQ(Matrix(host)("GPU1", "NIC1"), "PIX");
}

TEST(SmiMatrix, TablesOfMarkdownAndLinesOfDiff) {
  std::string table;
  for (const char c : replaced(kSmall, "CPU Affinity\tNUMA Affinity", "CPU Affinity\t NUMA Affinity"))
    table += c == '\t' ? std::string(" | ") : std::string(1, c);
  table = "| " + replaced(table, "\n", " |\n| ");
  table.insert(table.find('\n') + 1, "|---|---|---|---|---|---|\n");
  expect_small(table.substr(0, table.size() - 2));
  expect_small("+" + replaced(kSmall.substr(0, kSmall.size() - 1), "\n", "\n+") + "\n");
}

TEST(SmiMatrix, MatricesOfOtherThingsAreRefused) {
  const std::string header = " \tGPU0\tGPU1\n";
  EXPECT_THAT(refusal(read_smi_matrix, header + " GPU0\tX\tGNS\n GPU1\tGNS\tX\n"),
              HasSubstr("given.file:3: is the matrix of nvidia-smi topo -p2p"));
  EXPECT_THAT(refusal(read_smi_matrix, header + " GPU0\tX\tOK\n GPU1\tOK\tX\n"), HasSubstr("topo -p2p"));
  EXPECT_THAT(refusal(read_smi_matrix, header + "GPU0   0    XGMI\nGPU1   XGMI  0\n"),
              HasSubstr("is a matrix of AMD's tools"));
  const Host host = read_smi_matrix(header + " GPU0\tX\tOK\n GPU1\tOK\tX\n\n" + kSmall, "x");
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "NV18") << "the matrix of paths follows";
}

TEST(SmiMatrix, ARowThatLostACellSaysOnlyWhatIsSureOfTheRest) {
  const Host host = read_smi_matrix(
      "\tGPU0\tGPU1\tNIC0\tNIC1\tNIC2\tNIC3\tCPU Affinity\n"
      "GPU0\t X \tNV18\tPIX\tNODE\tNODE\t0-7\nGPU1\tNV18\t X \tNODE\tNODE\tPIX\tNODE\t0-7\n",
      "x");
  EXPECT_EQ(Matrix(host)("GPU0", "NIC2"), "NODE") << "whichever of PIX NODE NODE was lost";
  EXPECT_EQ(Matrix(host)("GPU0", "NIC3"), "NODE");
  EXPECT_EQ(Matrix(host)("GPU0", "NIC0"), "") << "PIX, or what stood before it";
  EXPECT_EQ(Matrix(host)("GPU0", "NIC1"), "");
  EXPECT_EQ(Matrix(host)("GPU1", "NIC2"), "PIX");
  EXPECT_THAT(host.unknown, Contains(HasSubstr("line 2: the row has 5 cells and the matrix 6 columns")));
}

TEST(SmiMatrix, WithoutNvlinksItIsNotKnownWhetherThereAreNone) {
  const std::string sentence = "whether NVLinks join the GPUs";
  EXPECT_THAT(read_smi_matrix(replaced(kSmall, "NV18", "NODE"), "x").unknown, Contains(HasSubstr(sentence)));
  EXPECT_THAT(read_smi_matrix(kSmall, "x").unknown, Not(Contains(HasSubstr(sentence))));
}

TEST(SmiMatrix, ANumberThatMayBeCutOffIsNotTaken) {
  const Host host = read_smi_matrix("\tGPU0\tGPU1\tCPU Affinity\nGPU0\t X \tNV1", "x");
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "");
}

TEST(SmiMatrix, PathsThatDifferByDirectionAreSaid) {
  const Host host = read_smi_matrix(replaced(kSmall, "GPU1\tNV18", "GPU1\tNV17"), "x");
  EXPECT_EQ(Matrix(host)("GPU0", "GPU1"), "") << "which of the two is right is not known";
  EXPECT_THAT(host.unknown, Contains(HasSubstr("the path between GPU0 and GPU1 (NV18 and NV17)")));
}

struct Bad {
  const char* what;
  std::string text;
  const char* expected;
};

TEST(SmiMatrix, BadFilesAreRefusedWithLineAndReason) {
  std::string wide = "\t";
  for (int i = 0; i < 10'000; ++i) wide += gpu(i) + "\t";
  std::string row = "GPU0 X";
  for (int i = 0; i < 10'000; ++i) row += " SYS";
  const std::vector<Bad> table{
      {"empty", "", "given.file: is empty"},
      {"blank", " \r\n\n", "given.file: is empty"},
      {"prose", "No devices were found\n", "given.file: holds no matrix"},
      {"header alone", "\n\tGPU0\tGPU1\tCPU Affinity\n", "given.file:2: the matrix has a header and no row"},
      {"10,000 columns", wide + "CPU Affinity\n", "given.file:1: the matrix has more than 512 columns"},
      {"10,000 cells", row, "given.file:1: the row has more than 512 cells"},
      {"a line of 10 MB", "GPU0\n" + std::string(10U << 20, 'X'), "given.file:2: the line has 10240 KiB"},
      {"NUL", kSmall + std::string(1, '\0'), "given.file:5: holds NUL bytes"},
      {"UTF-16", std::string("\xff\xfe\tG\0P\0U\0", 9), "given.file: is UTF-16; convert it with iconv"},
      {"UTF-16 without mark", std::string("G\0P\0U\0", 6), "given.file: is UTF-16; convert it with iconv"},
      {"a GPU twice", "\tGPU0\tGPU0\tCPU Affinity\nGPU0\tX\tX\n",
       "given.file:1: the header names GPU0 twice"},
      {"no X where it belongs", "\tGPU0\tGPU1\tCPU Affinity\nGPU1\tX\tNV4\n",
       "given.file:2: no row of the matrix"},
  };
  for (const auto& bad : table) {
    SCOPED_TRACE(bad.what);
    EXPECT_THAT(refusal(read_smi_matrix, bad.text), HasSubstr(bad.expected));
  }
}

TEST(SmiMatrix, APartOfAFileHasTheFilesLineNumbers) {
  const auto read_part = [](std::string_view text, const std::string& file) {
    return read_smi_matrix_part(text, file, 70000);
  };
  EXPECT_THAT(refusal(read_part, "\tGPU0\tGPU1\tCPU Affinity\nGPU1\tX\tNV4\n"),
              HasSubstr("given.file:70001: no row of the matrix"));
}

TEST(SmiMatrix, ALineOfOneIsKnown) {
  for (const char* line :
       {"\tGPU0\tGPU1\tCPU Affinity", "\x1b[4mGPU0\tCPU Affinity\x1b[0m", "GPU0\t X \tNV18",
        "[1,0]<stdout>:GPU3\tNV18\t X", "GPU12NV4SYS", "GPU0 \x1b[1mX\x1b[0m PIX"})
    EXPECT_TRUE(is_smi_matrix_line(line)) << line;
  for (const char* line : {"", "GPU 0: NVIDIA H100", "GPU0", "GPU0 memory 12 GiB", "step 7 GPU0: Xid",
                           "NIC0\tPIX", "MYGPU0 X", "GPU0 Some"})
    EXPECT_FALSE(is_smi_matrix_line(line)) << line;
}

TEST(SmiMatrix, CutOffFilesAreReadOrRefused) {
  NEED_CASES();
  for (const auto& path : case_files("topo-m", ".txt")) {
    SCOPED_TRACE(path);
    const std::string text = read_text(path);
    const Matrix whole(read_smi_matrix(text, path));
    for (std::size_t length = 0; length < text.size(); length += 19) {
      const std::string part = text.substr(0, length);
      if (!refusal(read_smi_matrix, part).empty()) continue;
      const auto told = read_smi_matrix(part, "x").given_paths.value();
      if (path.stem() == "T13") continue;  // without a header, columns are what rows are there
      for (std::size_t i = 0; i < told.names.size(); ++i)
        for (std::size_t j = 0; j < told.names.size(); ++j) {
          const std::string& cell = told.cells[i][j];
          if (cell.empty() || told.names[i].substr(0, 3) != "GPU" || told.names[j].substr(0, 3) != "GPU")
            continue;
          ASSERT_EQ(cell, whole(told.names[i], told.names[j])) << length << ": no path may be made up";
        }
    }
  }
}

}  // namespace
}  // namespace fabricheck::topology
