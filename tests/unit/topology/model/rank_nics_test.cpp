#include "topology/model/rank_nics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"
#include "machines.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Host without_gpus(int nics, int numa_nodes = 1) {
  Host host;
  host.name = "node7";
  for (int i = 0; i < numa_nodes; ++i) host.numa_nodes.push_back({i, "", 0});
  for (int i = 0; i < nics; ++i)
    machines::add_nic(host, fmt::format("0000:{:02x}:00.0", 16 * (i + 1)), i * numa_nodes / nics);
  return host;
}

std::string refusal(const Host& host, const std::string& wishes) {
  return test::sentence_of([&] { rank_nics(host, 1, {}, parse_nic_wishes(wishes)); });
}

TEST(RankNics, WithoutGpusRanksSpreadOverTheNics) {
  const auto nics = rank_nics(without_gpus(4), 4, {}, {});
  std::set<std::size_t> devices;
  for (const auto& nic : nics) {
    ASSERT_TRUE(nic);
    devices.insert(nic->device);
    EXPECT_EQ(nic->rail, static_cast<int>(nic->device));
  }
  EXPECT_EQ(devices.size(), 4U);
}

TEST(RankNics, RanksGetNicsOfTheNumaNodeTheyArePutOn) {
  const auto nics = rank_nics(without_gpus(4, 2), 2, {}, {});
  EXPECT_EQ(nics[0]->device, 0U);
  EXPECT_EQ(nics[1]->device, 2U);
}

TEST(RankNics, MoreRanksThanNicsShareThem) {
  const auto nics = rank_nics(without_gpus(2), 4, {}, {});
  EXPECT_EQ(nics[0]->device, nics[2]->device);
  EXPECT_EQ(nics[1]->device, nics[3]->device);
}

TEST(RankNics, NearestToTheGpuWhereThereIsOne) {
  Host host = without_gpus(0, 2);
  // Two switches, the GPUs in the opposite order of the NICs.
  for (int i = 0; i < 2; ++i) {
    const std::string root = fmt::format("0000:{}0", i + 1);
    machines::add_pci(host, fmt::format("0000:{}0:01.0", i + 1), "", "root-port", root, i);
    machines::add_pci(host, fmt::format("0000:{}1:00.0", i + 1), fmt::format("0000:{}0:01.0", i + 1), "nic",
                      root, i);
    machines::add_nic(host, fmt::format("0000:{}1:00.0", i + 1), i);
  }
  for (const int i : {1, 0}) {
    machines::add_pci(host, fmt::format("0000:{}2:00.0", i + 1), fmt::format("0000:{}0:01.0", i + 1), "gpu",
                      fmt::format("0000:{}0", i + 1), i);
    machines::add_gpu(host, fmt::format("0000:{}2:00.0", i + 1), i);
  }
  const auto nics = rank_nics(host, 2, {0, 1}, {});
  ASSERT_TRUE(nics[0] && nics[1]);
  EXPECT_EQ(nics[0]->device, 1U);
  EXPECT_EQ(nics[1]->device, 0U);
  EXPECT_EQ(nics[0]->rail, 0) << "rails are numbered in the order of the GPUs";
}

TEST(RankNics, APortThatIsDownIsTakenOnlyWhereNoOtherIs) {
  Host host = without_gpus(2);
  host.rdma_devices[0].ports[0].state = "DOWN";
  EXPECT_EQ(rank_nics(host, 1, {}, {})[0]->device, 1U);
  host.rdma_devices[1].ports[0].state = "DOWN";
  EXPECT_TRUE(rank_nics(host, 1, {}, {})[0]) << "it is measured, and says that it is down";
}

TEST(RankNics, NoneWhereThereIsNone) { EXPECT_FALSE(rank_nics(without_gpus(0), 2, {}, {})[1]); }

TEST(RankNics, WishesAreTakenInTurn) {
  const auto nics = rank_nics(without_gpus(4), 3, {}, parse_nic_wishes("mlx5_3,mlx5_1:1"));
  EXPECT_EQ(*nics[0], (RankNic{3, 1, 0}));
  EXPECT_EQ(*nics[1], (RankNic{1, 1, 1}));
  EXPECT_EQ(*nics[2], (RankNic{3, 1, 0}));
}

TEST(RankNics, WhatIsNotThereIsNamedWithTheNearest) {
  EXPECT_THAT(refusal(without_gpus(4), "mlx5_9"),
              AllOf(HasSubstr("--device mlx5_9: node7"), HasSubstr("mlx5_")));
  EXPECT_THAT(refusal(without_gpus(4), "mlx5_1:2"), HasSubstr("mlx5_1 has no such port on node7"));
  EXPECT_THAT(refusal(without_gpus(0), "mlx5_1"), HasSubstr("no such RDMA device"));
  EXPECT_THAT(refusal(without_gpus(1), "mlx5_0:x"), HasSubstr("names no port"));
  EXPECT_THAT(refusal(without_gpus(1), "mlx5_0,,"), HasSubstr("empty name"));
}

}  // namespace
}  // namespace fabricheck::topology
