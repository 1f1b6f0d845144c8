#include "topology/model/pcie_rate.hpp"

#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

TEST(PcieRate, LinesWithoutTheirCode) {
  EXPECT_NEAR(*pcie_GBps({32.0, 16, 32.0, 16}), 63.0, 0.1);
  EXPECT_NEAR(*pcie_GBps({2.5, 16, 32.0, 16}), 63.0, 0.1) << "an idle device has lowered its speed";
  EXPECT_NEAR(*pcie_GBps({16.0, 8, {}, {}}), 15.75, 0.01);
  EXPECT_NEAR(*pcie_GBps({5.0, 4, 5.0, 4}), 2.0, 0.01) << "8b/10b";
  EXPECT_FALSE(pcie_GBps({{}, 16, {}, 16}));
  EXPECT_FALSE(pcie_GBps({32.0, {}, 32.0, {}}));
}

TEST(PcieRate, AtItsBestOnlyWhereAllIsKnown) {
  EXPECT_TRUE(is_at_its_best({32.0, 4, 32.0, 4}));
  EXPECT_FALSE(is_at_its_best({16.0, 4, 32.0, 4}));
  EXPECT_FALSE(is_at_its_best({32.0, 4, 32.0, 16}));
  EXPECT_FALSE(is_at_its_best({32.0, 4, {}, 16}));
}

}  // namespace
}  // namespace fabricheck::topology
