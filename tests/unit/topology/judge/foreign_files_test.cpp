// Machines as other programs' files show them, which is less than there is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "unit/topology/judge/platform_machines.hpp"

namespace fabricheck::topology {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

/// As nvidia-smi topo -m shows it: every GPU over `links`, each with one NIC.
Host matrix_of(int gpus, const std::string& links, const std::string& nics = "mlx5_") {
  Host host;
  host.name = "node1";
  host.source = "nvidia-smi topo -m";
  GivenPaths paths;
  for (int i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.index = i;
    host.gpus.push_back(gpu);
    RdmaDevice nic;
    nic.name = nics + std::to_string(i);
    host.rdma_devices.push_back(nic);
    paths.names.push_back("GPU" + std::to_string(i));
  }
  for (const RdmaDevice& nic : host.rdma_devices) paths.names.push_back(nic.name);
  const auto size = static_cast<std::size_t>(gpus);
  for (std::size_t row = 0; row < 2 * size; ++row) {
    paths.cells.emplace_back(2 * size, "NODE");
    for (std::size_t column = 0; column < 2 * size; ++column) {
      if (row < size && column < size) paths.cells[row][column] = links;
      if (row % size == column % size) paths.cells[row][column] = row == column ? "X" : "PIX";
    }
  }
  host.given_paths = std::move(paths);
  return host;
}

void set_path(Host& host, std::size_t a, std::size_t b, const std::string& word) {
  host.given_paths->cells[a][b] = host.given_paths->cells[b][a] = word;
}

/// As NCCL writes an H100 machine: no names, what links can be instead of what they are.
Host nccl_file(int gpus = 8) {
  Host host = machines::h100("node1", gpus);
  host.source = "NCCL XML";
  host.environment = {};
  for (Gpu& gpu : host.gpus) {
    gpu.name.clear();
    for (NvLink& link : gpu.nvlinks) link.remote = "switch";
  }
  machines::add_nics(host, gpus, 400);
  for (RdmaDevice& nic : host.rdma_devices)
    for (RdmaPort& port : nic.ports) port.state.clear();
  return host;
}

Judged as_dgx(const Host& host) {
  return judge_platform(merge_hosts({host}), machines::built_in(), "dgx-h100");
}

Judged against(const Host& host, const Expectation& expected) {
  return judge_expectation(merge_hosts({host}), expected);
}

TEST(ForeignFiles, AMatrixThatTellsNoRatesAccusesNoNic) {
  const Judged judged = as_dgx(matrix_of(8, "NV18"));
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, AllOf(HasSubstr("the rate of 8 NIC ports is not known"),
                                         HasSubstr("the PCIe width of GPU0"), Not(HasSubstr("NVLink"))));
  Host none = matrix_of(8, "NV18");
  none.source = "hwloc XML";
  none.rdma_devices.clear();
  EXPECT_THAT(as_dgx(none).check.reason, HasSubstr("the file shows 0 of the 8 NIC ports"));
  EXPECT_EQ(as_dgx(none).check.verdict, Verdict::inconclusive);
}

TEST(ForeignFiles, AMatrixShowsNvlinksThatAreLost) {
  Host host = matrix_of(8, "NV18");
  for (std::size_t other = 0; other < 8; ++other)
    if (other != 3) set_path(host, 3, other, "NV17");
  EXPECT_EQ(as_dgx(host).check.verdict, Verdict::fail);
  EXPECT_THAT(as_dgx(host).check.reason, HasSubstr("GPU3 of node1: has 17 of 18 active NVLinks of dgx-h100"));
  for (std::size_t other = 0; other < 8; ++other)
    if (other != 3) set_path(host, 3, other, "SYS");
  EXPECT_THAT(as_dgx(host).check.reason, HasSubstr("GPU3 of node1: has 0 of 18 active NVLinks"));
  Host pair = matrix_of(8, "NV18");
  set_path(pair, 2, 5, "SYS");
  EXPECT_EQ(as_dgx(pair).check.verdict, Verdict::fail);
  EXPECT_THAT(as_dgx(pair).check.reason, HasSubstr("GPU2-GPU5 of node1: has SYS between them"));
  EXPECT_EQ(as_dgx(matrix_of(8, "SYS")).check.verdict, Verdict::inconclusive)
      << "nvidia-smi topo -mp leaves NVLinks out";
}

TEST(ForeignFiles, AnExpectationIsWrittenFromAMatrixAndHeldAgainstOne) {
  const Expectation expected = expectation_from(matrix_of(8, "NV18"));
  EXPECT_EQ(expected.nvlinks_per_gpu, 18);
  EXPECT_EQ(expected.nvlink_islands, 1);
  EXPECT_EQ(against(matrix_of(8, "NV18"), expected).check.verdict, Verdict::pass);
  Host pair = matrix_of(8, "NV18");
  set_path(pair, 2, 5, "SYS");
  EXPECT_THAT(against(pair, expected).check.reason, HasSubstr("GPU2-GPU5 of node1: active NVLinks: SYS"));
  Host alone = matrix_of(8, "NV18");
  for (std::size_t other = 0; other < 8; ++other)
    if (other != 6) set_path(alone, 6, other, "SYS");
  EXPECT_THAT(against(alone, expected).check.reason,
              AllOf(HasSubstr("GPU6 of node1: active NVLinks: 0 of 18"), HasSubstr("2 instead of 1")));
  EXPECT_EQ(against(matrix_of(8, "SYS"), expected).check.verdict, Verdict::inconclusive);
}

TEST(ForeignFiles, NumbersOfNicsAreNoNames) {
  const Expectation expected = expectation_from(matrix_of(8, "NV18"));
  const Judged judged = against(matrix_of(8, "NV18", "NIC"), expected);
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive);
  EXPECT_THAT(judged.check.reason, HasSubstr("the file numbers them and names none"));
  Host lost = matrix_of(8, "NV18");
  lost.rdma_devices[5].name = "mlx5_9";
  lost.given_paths->names[13] = "mlx5_9";
  EXPECT_THAT(against(lost, expected).check.reason, HasSubstr("mlx5_5 of node1: RDMA NICs: it is not there"));
  Expectation ports;
  ports.nics.push_back({});
  ports.nics[0].count = 8;
  ports.nics[0].rate_Gbps = 400;
  EXPECT_EQ(against(matrix_of(8, "NV18"), ports).check.verdict, Verdict::inconclusive);
  EXPECT_THAT(against(matrix_of(8, "NV18"), ports).check.reason, HasSubstr("the ports of mlx5_0"));
}

TEST(ForeignFiles, TheGpusAndNicsOfAJobAreNotAllThatThereAre) {
  EXPECT_EQ(as_dgx(nccl_file(4)).check.verdict, Verdict::inconclusive);
  EXPECT_THAT(as_dgx(nccl_file(4)).check.reason, AllOf(HasSubstr("the file shows 4 of 8 GPUs"),
                                                       HasSubstr("the file shows 4 of the 8 NIC ports")));
  EXPECT_EQ(as_dgx(nccl_file(7)).check.verdict, Verdict::fail) << "nobody asks for seven";
  Expectation expected;
  expected.gpus = 8;
  EXPECT_EQ(against(nccl_file(4), expected).check.verdict, Verdict::inconclusive);
  EXPECT_EQ(against(nccl_file(7), expected).check.verdict, Verdict::fail);
  Host live = nccl_file(4);
  live.source = "live";
  EXPECT_EQ(against(live, expected).check.verdict, Verdict::fail);
}

TEST(ForeignFiles, NcclWritesWhatLinksCanBe) {
  const Judged judged = as_dgx(nccl_file());
  EXPECT_EQ(judged.check.verdict, Verdict::inconclusive) << "a link on half of its lanes would not show";
  EXPECT_THAT(judged.check.reason, HasSubstr("how many PCIe lanes are in use"));
  Host narrow = nccl_file();
  narrow.gpus[2].pcie.width = 8;
  EXPECT_THAT(as_dgx(narrow).check.reason, HasSubstr("GPU2 of node1: has 8 of 16 PCIe lanes"));
  Expectation expected;
  expected.gpu_pcie_width = 16;
  EXPECT_EQ(against(nccl_file(), expected).check.verdict, Verdict::inconclusive);
  EXPECT_EQ(against(narrow, expected).check.verdict, Verdict::fail);
}

TEST(ForeignFiles, AGpuWithoutLinksAmongOthersWithThemHasLostThem) {
  Host host = nccl_file();
  host.gpus[6].nvlinks.clear();
  EXPECT_THAT(as_dgx(host).check.reason, HasSubstr("GPU6 of node1: has 0 of 18 active NVLinks"));
  Expectation expected;
  expected.nvlinks_per_gpu = 18;
  EXPECT_THAT(against(host, expected).check.reason, HasSubstr("GPU6 of node1: active NVLinks: 0 of 18"));
  for (Gpu& gpu : host.gpus) gpu.nvlinks.clear();
  EXPECT_EQ(against(host, expected).check.verdict, Verdict::inconclusive);
}

TEST(ForeignFiles, NvswitchesThatAHypervisorKeepsAreNotLost) {
  Host host = nccl_file();
  std::erase_if(host.pci, [](const PciNode& node) { return node.kind == "nvswitch"; });
  Expectation expected;
  expected.nvswitches = 4;
  EXPECT_EQ(against(host, expected).check.verdict, Verdict::inconclusive);
  host = nccl_file();
  host.pci.pop_back();
  EXPECT_EQ(against(host, expected).check.verdict, Verdict::fail);
}

}  // namespace
}  // namespace fabricheck::topology
