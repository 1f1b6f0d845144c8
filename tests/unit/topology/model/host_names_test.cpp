#include "topology/model/host_names.hpp"

#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

TEST(FoldNames, FoldsRuns) {
  EXPECT_EQ(fold_names({"node1", "node2", "node3"}), "node[1-3]");
  EXPECT_EQ(fold_names({"node10", "node9", "node8", "node12"}), "node[8-10,12]");
  EXPECT_EQ(fold_names({"n08", "n09", "n10"}), "n[08-10]");
  EXPECT_EQ(fold_names({"n9", "n010"}), "n[9,010]");
  EXPECT_EQ(fold_names({"node1"}), "node1");
  EXPECT_EQ(fold_names({"login", "node1", "node2"}), "login, node[1-2]");
  EXPECT_EQ(fold_names({"a1", "b1"}), "a1, b1");
  EXPECT_EQ(fold_names({"gpu-1.rack2.org", "gpu-2.rack2.org"}), "gpu-[1-2].rack2.org");
  EXPECT_EQ(fold_names({"gpu-1.rack2.org", "gpu-2.rack3.org"}), "gpu-1.rack2.org, gpu-2.rack3.org");
  EXPECT_EQ(fold_names({"node1", "node1"}), "node1");
  EXPECT_EQ(fold_names({"n99999999999999999999", "n99999999999999999998"}),
            "n[99999999999999999998,99999999999999999999]");
  EXPECT_EQ(fold_names({}), "");
}

}  // namespace
}  // namespace fabricheck::topology
