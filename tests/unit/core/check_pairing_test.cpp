#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "unit/core/compared_runs.hpp"

namespace fabricheck {
namespace {

using compared::exact;
using compared::inside;
using compared::reason_of;
using compared::run;

TEST(ComparePairs, MissingOnesAreNamedOnEitherSide) {
  const RunRecord before = run({exact(3.0, 8), exact(4.0, 64)}),
                  after = run({exact(3.0, 8), exact(5.0, 512)});
  const RunComparison comparison = compare_runs(before, after);
  ASSERT_EQ(comparison.checks.size(), 3u);
  EXPECT_EQ(comparison.count(Outcome::unchanged), 1u);
  EXPECT_EQ(comparison.checks[0].reason, "only in OLD");
  EXPECT_EQ(comparison.checks[1].reason, "only in NEW");
}

TEST(ComparePairs, AnotherNumberOfRanksIsNoRegression) {
  CheckRecord larger = exact(6.0);
  larger.parameters["ranks"] = std::int64_t{16};
  EXPECT_EQ(reason_of(exact(3.0), larger), "other size of the world: ranks 2 -> 16");
}

TEST(ComparePairs, OneHostIsFoundByItsName) {
  const RunRecord before = run({inside("n1", 0, 1.0), inside("n2", 1, 2.0)});
  const RunRecord after = run({inside("n2", 0, 2.0), inside("n3", 1, 1.0)}, {"n2", "n3"});
  const RunComparison comparison = compare_runs(before, after);
  EXPECT_EQ(comparison.count(Outcome::unchanged), 1u);
  EXPECT_EQ(comparison.checks.back().after->participants, std::vector<std::string>{"n2"});
  EXPECT_EQ(comparison.count(Outcome::incomparable), 2u);
}

TEST(ComparePairs, HostsThatAreAllNamedAnewArePairedByNumber) {
  const RunRecord before = run({inside("pod-a", 0, 1.0), inside("pod-b", 1, 2.0)}, {"pod-a", "pod-b"});
  const RunRecord after = run({inside("pod-c", 0, 1.0), inside("pod-d", 1, 2.5)}, {"pod-c", "pod-d"});
  const RunComparison comparison = compare_runs(before, after);
  EXPECT_EQ(comparison.count(Outcome::unchanged), 1u);
  EXPECT_EQ(comparison.count(Outcome::worse), 1u);
}

TEST(ComparePairs, GroupsAreFoundByTheirHostsBeforeTheirNumbers) {
  const auto group = [](std::vector<std::string> hosts, std::int64_t number, double value) {
    CheckRecord record = exact(value);
    record.participants = std::move(hosts);
    record.parameters["group"] = number;
    return record;
  };
  const RunRecord before = run({group({"n1", "n2"}, 0, 1.0), group({"n3", "n4"}, 1, 2.0)});
  const RunRecord swapped = run({group({"n4", "n3"}, 0, 2.0), group({"n1", "n2"}, 1, 1.0)});
  EXPECT_EQ(compare_runs(before, swapped).count(Outcome::unchanged), 2u);
  const RunRecord renamed = run({group({"m1", "m2"}, 0, 1.0), group({"m3", "m4"}, 1, 2.0)});
  EXPECT_EQ(compare_runs(before, renamed).count(Outcome::unchanged), 2u);
}

}  // namespace
}  // namespace fabricheck
