#include "core/metric.hpp"

#include <gtest/gtest.h>

#include "core/comparison.hpp"
#include "unit/core/compared_runs.hpp"

namespace fabricheck {
namespace {

using compared::exact;
using compared::Single;

TEST(Metric, SaysWhichWayIsBetterWhateverItsUnit) {
  for (const MetricRow& metric : metric_rows) {
    CheckRecord few = exact(10.0), many = exact(100.0);
    few.unit = many.unit = "furlongs";
    few.metric = many.metric = metric.name;
    if (metric.name == "faults") continue;  // counted, not measured
    EXPECT_EQ(Single(few, many, 5.0).outcome(),
              metric.better == Better::lower ? Outcome::worse : Outcome::better)
        << metric.name;
  }
}

}  // namespace
}  // namespace fabricheck
