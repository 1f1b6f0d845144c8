#include "app/host_exchange.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/error.hpp"
#include "core/thread_communicator.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

Host host_of(int node, int gpus) {
  Host host;
  host.name = "node" + std::to_string(node);
  host.numa_nodes = {{0, "0-7", 1024U + static_cast<unsigned>(node)}};
  for (int i = 0; i < gpus; ++i) {
    Gpu gpu;
    gpu.index = i;
    gpu.uuid = "GPU-" + std::to_string(node) + "-" + std::to_string(i);
    host.gpus.push_back(gpu);
  }
  return host;
}

TEST(HostExchange, OneCopyOfEachDistinctMachineTravelsAndAllHostsComeBackWhole) {
  // Two ranks on each of four hosts; the third host lost a GPU.
  GatheredHosts gathered;
  run_ranks(8, [&gathered](Communicator& world) {
    const int node = world.rank() / 2;
    const bool leader = world.rank() % 2 == 0;
    const PackedHost mine = leader ? pack_host(host_of(node, node == 2 ? 7 : 8)) : PackedHost{};
    GatheredHosts here = gather_hosts(world, mine);
    if (world.rank() == 0) {
      gathered = std::move(here);
    } else {
      EXPECT_TRUE(here.hosts.empty());
    }
  });
  EXPECT_THAT(gathered.kinds_json, SizeIs(2));
  ASSERT_THAT(gathered.hosts, SizeIs(4));
  const ClusterTopology cluster = unpack_hosts(gathered);
  for (int node = 0; node < 4; ++node) {
    EXPECT_EQ(topology::whole_host(cluster, static_cast<std::size_t>(node)),
              host_of(node, node == 2 ? 7 : 8));
  }
}

TEST(HostExchange, ADescriptionThatCannotBeReadNamesItsHost) {
  GatheredHosts gathered;
  const PackedHost good = pack_host(host_of(0, 1));
  gathered.kinds_json = {good.kind_json};
  gathered.hosts = {{"node0", good.own_json, 0}, {"node1", "{", 0}};
  try {
    unpack_hosts(gathered);
    FAIL() << "half a description was read";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("the description of node1"));
  }
}

}  // namespace
}  // namespace fabricheck::app
