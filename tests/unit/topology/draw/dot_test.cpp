#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "topology/draw/draw.hpp"
#include "unit/topology/draw/clusters.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string dot_of(Host host) { return draw_dot(merge_hosts({std::move(host)})); }

TEST(DrawDot, DgxH100) {
  const std::string dot = dot_of(machines::dgx_h100());
  EXPECT_THAT(dot, HasSubstr("graph fabricheck {\n"));
  EXPECT_THAT(dot, HasSubstr("label=\"NUMA node 1\""));
  EXPECT_THAT(dot, HasSubstr("k0_s0 [label=\"PCI switch\\n0000:11:00.0\""));
  EXPECT_THAT(dot, HasSubstr("k0_s0 -- k0_gpu0 [label=\"32 GT/s x16\"];"));
  EXPECT_THAT(dot, HasSubstr("k0_s0 -- k0_nic0 "));
  EXPECT_THAT(dot, HasSubstr("k0_gpu7 -- k0_nvlink [label=\"18 of 18\""));
  EXPECT_THAT(dot, HasSubstr("4 NVSwitches"));
  EXPECT_THAT(dot, HasSubstr("mlx5_7\\n0000:84:00.0\\nrail 7\\n400 Gb/s InfiniBand"));
  EXPECT_THAT(dot, Not(HasSubstr("c64f00")));
}

TEST(DrawDot, DirectLinksAndFaults) {
  EXPECT_THAT(dot_of(machines::dgx1v()), HasSubstr("k0_nv0_3 [label=\"NV2\", "));
  EXPECT_THAT(dot_of(machines::dgx1v()), HasSubstr("{k0_gpu0 k0_gpu3} -- k0_nv0_3 "));
  Host host = machines::dgx_h100();
  host.gpus[3].nvlinks[4].active = false;
  host.gpus[4].pcie.width = 8;
  const std::string dot = dot_of(host);
  EXPECT_THAT(dot, HasSubstr("k0_gpu3 -- k0_nvlink [label=\"17 of 18\", color=\"#c64f00\""));
  EXPECT_THAT(dot, HasSubstr("-- k0_gpu4 [label=\"32 GT/s x8 of x16 (!)\", color=\"#c64f00\""));
}

TEST(DrawDot, ClusterPerKindAndLeafSwitches) {
  const std::string dot = draw_dot(machines::cluster_with_odd_hosts());
  EXPECT_THAT(dot, HasSubstr("subgraph cluster_k2 {"));
  EXPECT_THAT(dot, Not(HasSubstr("subgraph cluster_k3 {")));
  EXPECT_THAT(dot, HasSubstr("(62 equal hosts)"));
  EXPECT_THAT(dot, HasSubstr("[label=\"leaf-r0-01\", shape=hexagon"));
  EXPECT_THAT(dot, HasSubstr("k0_nic0 -- leaf0 [label=\"30 hosts\""));  // not 17, and 2 is at the other leaf
}

TEST(DrawDot, NothingIsAGraphToo) { EXPECT_THAT(draw_dot({}), HasSubstr("graph fabricheck {\n")); }

TEST(DrawDot, HostileNamesStayInQuotes) {
  const std::string dot = dot_of(machines::hostile_host());
  bool quoted = false;
  for (std::size_t i = 0; i < dot.size(); ++i) {
    if (quoted && dot[i] == '\\') {
      ++i;
    } else if (dot[i] == '"') {
      quoted = !quoted;
    } else {
      EXPECT_FALSE(quoted && dot[i] == '\n') << i;
      EXPECT_FALSE(!quoted && dot[i] == '<') << i;
    }
  }
  EXPECT_FALSE(quoted);
}

/// As `nvidia-smi topo -m` tells it: NVLinks between all GPUs, or pairs.
Host matrix_host(const std::string& between) {
  Host host;
  host.name = "matrix";
  GivenPaths given;
  for (int i = 0; i < 4; ++i) {
    machines::add_gpu(host, "", 0);
    given.names.push_back(fmt::format("GPU{}", i));
    given.cells.emplace_back(4, between);
    given.cells.back()[static_cast<std::size_t>(i ^ 1)] = "NV4";
    given.cells.back()[static_cast<std::size_t>(i)] = "X";
  }
  host.given_paths = given;
  return host;
}

TEST(DrawDot, MatrixTellsWhatIsJoined) {
  EXPECT_THAT(dot_of(matrix_host("NV4")), HasSubstr("k0_gpu3 -- k0_nvlink "));
  EXPECT_THAT(dot_of(matrix_host("SYS")), HasSubstr("{k0_gpu2 k0_gpu3} -- k0_nv2_3 "));
  EXPECT_THAT(dot_of(matrix_host("SYS")), Not(HasSubstr("k0_nv0_2")));
}

TEST(DrawDot, GraphvizTakesThem) {
  // NOLINTNEXTLINE(cert-env33-c): the command is this test's own
  if (std::system("dot -V 2>/dev/null") != 0) GTEST_SKIP() << "graphviz (dot) is not installed";
  for (const std::string& dot : {dot_of(machines::dgx_h100()), dot_of(machines::dgx1v()),
                                 dot_of(machines::hostile_host()), dot_of({}), dot_of(matrix_host("NV4")),
                                 dot_of(matrix_host("SYS")), draw_dot(machines::cluster_with_odd_hosts())}) {
    // NOLINTNEXTLINE(cert-env33-c): the command is this test's own
    std::FILE* const graphviz = popen("dot -Tcanon -o /dev/null", "w");
    ASSERT_NE(graphviz, nullptr);
    ASSERT_EQ(std::fwrite(dot.data(), 1, dot.size(), graphviz), dot.size());
    EXPECT_EQ(pclose(graphviz), 0);
  }
}

}  // namespace
}  // namespace fabricheck::topology
