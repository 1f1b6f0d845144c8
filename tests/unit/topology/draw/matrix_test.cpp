#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "topology/draw/draw.hpp"
#include "unit/topology/draw/clusters.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::vector<std::string>> words_by_line(std::istream& text) {
  std::vector<std::vector<std::string>> lines;
  std::string line;
  while (std::getline(text, line)) {
    std::istringstream words(line);
    lines.emplace_back(std::istream_iterator<std::string>(words), std::istream_iterator<std::string>());
  }
  return lines;
}

/// The part of the drawing that is the matrix: heading and one line per device.
std::vector<std::vector<std::string>> table(const std::string& drawing, std::size_t devices) {
  std::istringstream text(drawing);
  auto lines = words_by_line(text);
  lines.erase(lines.begin());  // the hosts' names
  lines.resize(devices + 1);
  return lines;
}

TEST(DrawMatrix, Gb200Tray) {
  EXPECT_EQ(draw_matrix(merge_hosts({machines::gb200_tray()})),
            "tray1\n"
            "        GPU0  GPU1  GPU2  GPU3  mlx5_0  mlx5_1  mlx5_2  mlx5_3  CPU Affinity  NUMA Affinity\n"
            "GPU0    X     NV18  NV18  NV18  NODE    NODE    SYS     SYS     0-71          0\n"
            "GPU1    NV18  X     NV18  NV18  NODE    NODE    SYS     SYS     0-71          0\n"
            "GPU2    NV18  NV18  X     NV18  SYS     SYS     NODE    NODE    72-143        1\n"
            "GPU3    NV18  NV18  NV18  X     SYS     SYS     NODE    NODE    72-143        1\n"
            "mlx5_0  NODE  NODE  SYS   SYS   X       NODE    SYS     SYS\n"
            "mlx5_1  NODE  NODE  SYS   SYS   NODE    X       SYS     SYS\n"
            "mlx5_2  SYS   SYS   NODE  NODE  SYS     SYS     X       NODE\n"
            "mlx5_3  SYS   SYS   NODE  NODE  SYS     SYS     NODE    X\n"
            "\n"
            "NVLink islands: all 4 GPUs (NV18)\n"
            "Rails: rail 0 = mlx5_0 (GPU0), rail 1 = mlx5_1 (GPU1), rail 2 = mlx5_2 (GPU2), rail 3 = mlx5_3 "
            "(GPU3)\n"
            "\n"
            "Legend:\n"
            "  X     the device itself\n"
            "  NV#   # NVLinks\n"
            "  NODE  over several host bridges of one NUMA node\n"
            "  SYS   over the link between NUMA nodes\n");
}

TEST(DrawMatrix, IslandsAndRails) {
  Host host = machines::dgx1v();
  for (Gpu& gpu : host.gpus)
    for (NvLink& link : gpu.nvlinks)
      if (gpu.index == 5 || link.remote_pci_address == host.gpus[5].pci_address) link.active = false;
  const std::string text = draw_matrix(merge_hosts({host}));
  EXPECT_THAT(text,
              HasSubstr("NVLink islands: GPU0-4,6-7 (NV1 to NV2, not every pair directly); alone: GPU5\n"));
  EXPECT_THAT(text, HasSubstr("Rails: rail 0 = mlx5_0 (GPU0-1), rail 1 = mlx5_1 (GPU2-3), "));
  EXPECT_THAT(draw_matrix(merge_hosts({machines::dgx_h100()})),
              HasSubstr("; no rail: mlx5_[8-9] (serves no GPU best: management or storage?)\n"));
  for (Gpu& gpu : host.gpus) gpu.nvlinks.clear();
  host.gpu_driver = "550.90.07";
  EXPECT_THAT(draw_matrix(merge_hosts({host})),
              HasSubstr("NVLink islands: none, no GPU reaches another by NVLink\n"));
}

TEST(DrawMatrix, NvlinksThatAreNotToldAreNotNone) {
  const auto islands = [](const Host& host) {
    const std::string text = draw_matrix(merge_hosts({host}));
    const std::size_t at = text.find("NVLink islands: ") + 16;
    return text.substr(at, text.find('\n', at) - at);
  };
  Host host = machines::dgx_h100();
  for (Gpu& gpu : host.gpus) gpu.nvlinks.clear();
  EXPECT_EQ(islands(host), "none, no GPU reaches another by NVLink");
  host.gpu_driver.clear();  // NVML did not answer
  EXPECT_EQ(islands(host), "not known");
  host.source = "NCCL XML";
  EXPECT_EQ(islands(host), "not told by the file");
  for (Gpu& gpu : host.gpus) machines::add_nvlinks(gpu, 12, "");
  EXPECT_EQ(islands(host), "NVLinks are there; what they lead to is not told");
  for (Gpu& gpu : host.gpus) gpu.nvlinks.clear();
  host.source = "nvidia-smi topo -m";
  host.gpus.resize(2);
  host.given_paths = GivenPaths{{"GPU0", "GPU1"}, {{"X", "SYS"}, {"SYS", "X"}}};
  EXPECT_EQ(islands(host), "none shown, as in any matrix of nvidia-smi topo -mp, which leaves them out");
  host.given_paths->cells = {{"X", ""}, {"", "X"}};
  EXPECT_EQ(islands(host), "none as far as it shows; the paths between some GPUs are not told");
}

TEST(DrawMatrix, WhyANicIsNoRail) {
  Host host = machines::dgx_h100();
  machines::add_nic(host, "", std::nullopt);  // nowhere
  host.rdma_devices[8].ports[0].state = "DOWN";
  host.rdma_devices[8].board = "MT_0000000001";
  host.rdma_devices[2].ports[0].state = "DOWN";
  std::string text = draw_matrix(merge_hosts({host}));
  EXPECT_THAT(text,
              HasSubstr("rail 1 = mlx5_1 (GPU1), rail 2 = mlx5_2 (GPU2, DOWN), rail 3 = mlx5_3 (GPU3), "));
  EXPECT_THAT(text, HasSubstr("; no rail: mlx5_8 (port is DOWN), mlx5_9 (serves no GPU best: management or "
                              "storage?), mlx5_10 (path to GPU0-7 not known)\n"));
  host.rdma_devices[9].status = "not answering";
  EXPECT_THAT(draw_matrix(merge_hosts({host})), HasSubstr(", mlx5_9 (does not answer), "));
  Host cut;
  cut.source = "nvidia-smi topo -m";
  for (int i = 0; i < 2; ++i) machines::add_gpu(cut, "", std::nullopt);
  for (int i = 0; i < 2; ++i) machines::add_nic(cut, "", std::nullopt);
  cut.given_paths = GivenPaths{{"GPU0", "GPU1", "mlx5_0", "mlx5_1"},
                               {{"X", "PHB", "PIX", "SYS"}, {"PHB", "X", "PIX"}, {"PIX", "PIX", "X"}, {}}};
  EXPECT_THAT(draw_matrix(merge_hosts({cut})),
              HasSubstr("Rails: rail 0 = mlx5_0 (GPU0-1); no rail: mlx5_1 (path to GPU1 not told)\n"));
}

TEST(DrawMatrix, PairsOfAnIslandThatAreNotToldAreSaid) {
  Host host;
  host.source = "nvidia-smi topo -m";
  for (int i = 0; i < 3; ++i) machines::add_gpu(host, "", std::nullopt);
  host.given_paths = GivenPaths{{"GPU0", "GPU1", "GPU2"}, {{"X", "NV18", "NV18"}, {"NV18", "X"}, {"NV18"}}};
  EXPECT_THAT(draw_matrix(merge_hosts({host})),
              HasSubstr("NVLink islands: all 3 GPUs (NV18, some pairs not told)\n"));
}

TEST(DrawMatrix, RailThatIsFarFromAGpuIsSaid) {
  Host host;
  host.numa_nodes = {{0, "0-7", machines::kGiB}, {1, "8-15", machines::kGiB}};
  machines::add_gpu(host, "", 0);
  machines::add_gpu(host, "", 1);
  machines::add_nic(host, "", 1);
  EXPECT_THAT(draw_matrix(merge_hosts({host})), HasSubstr("rail 0 = mlx5_0 (GPU0-1, GPU0 only over SYS)\n"));
}

TEST(DrawMatrix, StateThatAFileDoesNotTellIsNoFault) {
  Host host = machines::dgx_h100();
  for (Gpu& gpu : host.gpus) gpu.status = "not asked";
  EXPECT_THAT(draw_matrix(merge_hosts({host})), HasSubstr("Look at: GPU0 NOT ASKED"));
  host.source = "NCCL XML";
  EXPECT_THAT(draw_matrix(merge_hosts({host})), Not(HasSubstr("Look at")));
  host.gpus[3].status = "not answering";
  EXPECT_THAT(draw_matrix(merge_hosts({host})), HasSubstr("Look at: GPU3 NOT ANSWERING\n"));
}

TEST(DrawMatrix, OnePerKindOfMatrix) {
  const std::string text = draw_matrix(machines::cluster_with_odd_hosts());
  // Its narrow links and slow NIC change nothing in the matrix of the 40th, its paths are the same.
  EXPECT_THAT(text, HasSubstr("gpu-[0001-0016,0018-0064]  (63 hosts)\n"));
  EXPECT_THAT(text, HasSubstr("\ngpu-0017\n"));
  EXPECT_LT(text.find("(63 hosts)"), text.find("\ngpu-0017\n"));
  EXPECT_THAT(text, Not(HasSubstr("gpu-0040")));
}

TEST(DrawMatrix, DeviceThatDoesNotAnswerIsThereAndNamed) {
  Host host = machines::dgx_h100();
  host.gpus[6].status = "not answering";
  host.gpus[6].problem = "it is lost";
  host.gpus[6].nvlinks.clear();
  const std::string text = draw_matrix(merge_hosts({host}));
  EXPECT_THAT(text, HasSubstr("\nGPU6    SYS   SYS   SYS   SYS   NODE  NODE  X "));
  EXPECT_THAT(text, HasSubstr("alone: GPU6\n"));
  EXPECT_THAT(text, HasSubstr("Look at: GPU6 NOT ANSWERING: it is lost\n"));
}

TEST(DrawMatrix, WhatIsNotKnownIsNotMadeUp) {
  Host host;
  host.name = "bare";
  machines::add_gpu(host, "", std::nullopt);
  machines::add_gpu(host, "", std::nullopt);
  const std::string text = draw_matrix(merge_hosts({host}));
  EXPECT_THAT(text, HasSubstr("GPU0  X     ?     N/A           N/A\n"));
  EXPECT_THAT(text, HasSubstr("  ?     not known\n"));
  EXPECT_EQ(draw_matrix(merge_hosts({machines::small_vm()})), "runner\nno GPU and no RDMA NIC\n\n");
  EXPECT_EQ(draw_matrix({}), "0 hosts\n");
}

TEST(DrawMatrix, VirtualTreeIsSaid) {
  Host host = machines::dgx_h100();
  host.environment.flat_pci_tree = true;
  EXPECT_THAT(draw_matrix(merge_hosts({host})), HasSubstr("Note: the PCI tree is a virtual one"));
}

TEST(DrawMatrix, HostileNamesStayInTheirCells) {
  const std::string text = draw_matrix(merge_hosts({machines::hostile_host()}));
  for (const char c : text) EXPECT_TRUE(c == '\n' || (c & 0x80) != 0 || (c >= ' ' && c <= '~'));
  EXPECT_THAT(text, Not(HasSubstr("\u202e")));
}

/// Cells as nvidia-smi printed them come out as they went in.
TEST(DrawMatrix, ReproducesMatricesOfNvidiaSmi) {
  const std::filesystem::path folder = std::filesystem::path(FABRICHECK_CASES_DIR) / "topo-m";
  if (std::string(FABRICHECK_CASES_DIR).empty()) GTEST_SKIP() << "FABRICHECK_CASES_DIR is not set";
  for (const std::string name : {"T02.txt", "T09.txt", "T17.txt"}) {
    std::ifstream file(folder / name);
    ASSERT_TRUE(file) << folder / name;
    const auto lines = words_by_line(file);
    Host host;
    host.name = name;
    GivenPaths given;
    for (const std::string& word : lines[0]) {
      if (word == "CPU") break;
      given.names.push_back(word);
      if (word.substr(0, 3) == "GPU") {
        machines::add_gpu(host, "", std::nullopt);
      } else {
        machines::add_nic(host, "", std::nullopt).name = word;
      }
    }
    const std::size_t size = given.names.size();
    const auto cells_end = [&](const std::vector<std::string>& line) {
      return line.begin() + 1 + static_cast<std::ptrdiff_t>(size);
    };
    std::size_t rows = 0;  // of T02 the last ones are cut off
    while (rows + 1 < lines.size() && lines[rows + 1].size() > size) {
      ++rows;
      given.cells.emplace_back(lines[rows].begin() + 1, cells_end(lines[rows]));
    }
    ASSERT_GE(rows, 6U) << name;
    host.given_paths = given;
    const auto drawn = table(draw_matrix(merge_hosts({host})), size);
    for (std::size_t row = 1; row <= rows; ++row) {
      ASSERT_GT(drawn[row].size(), size);
      EXPECT_TRUE(std::equal(lines[row].begin(), cells_end(lines[row]), drawn[row].begin()))
          << name << " row " << row;
    }
  }
}

}  // namespace
}  // namespace fabricheck::topology
