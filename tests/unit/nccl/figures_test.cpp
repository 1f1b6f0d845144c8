#include <gtest/gtest.h>

#include "collectives/nccl/catalog.hpp"
#include "core/figure_table.hpp"

namespace fabricheck::collectives::nccl {
namespace {

TEST(NcclFigures, APlatformMayStateOneOfEachCheck) {
  for (const CheckRow& row : catalog()) {
    const bool is_bandwidth = row.id.ends_with(".busbw");
    if (!is_bandwidth && !row.id.ends_with(".latency")) continue;
    const FigureKey* key = figure_key(row.id);
    ASSERT_NE(key, nullptr) << row.id;
    EXPECT_EQ(key->units.front(), is_bandwidth ? "GB/s" : "us") << row.id;
  }
}

}  // namespace
}  // namespace fabricheck::collectives::nccl
