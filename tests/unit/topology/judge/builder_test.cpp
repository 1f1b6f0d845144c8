#include <gtest/gtest.h>

#include "topology/model/merge.hpp"
#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

TEST(ClusterBuilder, BuildsWhatAddHostBuilds) {
  std::vector<Host> hosts = sample::hosts(6, true);
  hosts[2].gpus[3].max_sm_clock_MHz = 1755;  // in no digest
  hosts[4].unknown.push_back("something");
  ClusterTopology one_by_one;
  ClusterBuilder builder;
  for (const Host& host : hosts) {
    add_host(one_by_one, host);
    builder.add(host);
  }
  const ClusterTopology built = builder.take();
  EXPECT_EQ(built.kinds.size(), 3U);
  EXPECT_EQ(built, one_by_one);
  EXPECT_EQ(built, merge_hosts(hosts));
  EXPECT_EQ(builder.take(), ClusterTopology{});
}

TEST(ClusterBuilder, TakesKindsAndParticularsApart) {
  Host kind = sample::host(0);
  kind.name.clear();
  HostParticulars own = take_particulars(kind);
  ClusterBuilder builder;
  const int first = builder.add_kind(kind);
  EXPECT_EQ(builder.add_kind(kind), first);
  builder.add("node0", first, std::move(own));
  EXPECT_EQ(whole_host(builder.take(), 0), sample::host(0));
}

}  // namespace
}  // namespace fabricheck::topology
