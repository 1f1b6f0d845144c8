#include "topology/judge/catalog.hpp"

#include <gtest/gtest.h>

#include <set>

#include "topology/model/merge.hpp"

#include "unit/topology/judge/sample_cluster.hpp"

namespace fabricheck::topology {
namespace {

TEST(TopologyCatalog, EachRowJudgesUnderItsOwnIdAndCountsFaults) {
  const ClusterTopology cluster = merge_hosts(sample::hosts(4));
  const std::optional<Expectation> nobody;
  const std::optional<Expectation> told = expectation_from(sample::host(0));
  std::set<std::string> ids;
  for (const FactRow& row : catalog()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id << " is there twice";
    for (const auto* expectation : {&nobody, &told}) {
      const Judged judged = row.judge({cluster, *expectation, {}, ""});
      EXPECT_EQ(judged.check.id, row.id);
      EXPECT_FALSE(judged.check.title.empty());
      if (judged.check.verdict == Verdict::skipped) {
        EXPECT_FALSE(judged.check.reason.empty()) << row.id;
      } else {
        // What the report shows as a fact about what is there, not as a measurement.
        EXPECT_EQ(judged.check.metric, "faults") << row.id;
      }
    }
  }
}

}  // namespace
}  // namespace fabricheck::topology
