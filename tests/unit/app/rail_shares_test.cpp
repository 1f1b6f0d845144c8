#include "app/rail_shares.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace fabricheck::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CheckRecord rail(const std::string& mode, int group, double value, double spread = 0.01,
                 const std::string& metric = "busbw") {
  CheckRecord check;
  check.id = "nccl.allreduce." + metric;
  check.scope = "between nodes, rail";
  check.metric = metric;
  check.unit = metric == "busbw" ? "GB/s" : "us";
  check.parameters = {{"mode", mode}, {"group", std::int64_t{group}}, {"bytes", std::int64_t{1} << 33}};
  check.participants = {"n1", "n2"};
  check.value = value;
  check.ci95 = Interval{value * (1.0 - spread), value * (1.0 + spread)};
  return check;
}

TEST(RailShares, EachRailIsHeldAgainstItselfAlone) {
  const std::vector<CheckRecord> checks{rail("together", 0, 47.0), rail("together", 1, 24.0),
                                        rail("apart", 1, 48.0), rail("apart", 0, 47.5)};
  const std::vector<CheckRecord> noted = compare_rails(checks);
  ASSERT_THAT(noted, SizeIs(2));
  EXPECT_NEAR(path_number(noted[0], "share_of_alone_percent").value(), 98.9, 0.1);
  EXPECT_NEAR(path_number(noted[1], "share_of_alone_percent").value(), 50.0, 0.1);
  EXPECT_NEAR(path_number(noted[1], "share_of_alone_percent_low").value(), 49.0, 0.1);
  EXPECT_NEAR(path_number(noted[1], "share_of_alone_percent_high").value(), 51.0, 0.1);
  EXPECT_EQ(path_number(noted[1], "alone"), 48.0);
  EXPECT_EQ(noted[1].value, 24.0);
  const std::vector<Finding> findings = rail_findings(noted);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].slug, "nccl-rails-interfere");
  EXPECT_EQ(findings[0].component.name, "rail 1");
  EXPECT_THAT(findings[0].meaning, HasSubstr("rail 1 reaches as little as 50 % of what it reaches alone"));
  EXPECT_THAT(findings[0].evidence, SizeIs(1));
  EXPECT_THAT(findings[0].evidence[0].text,
              HasSubstr("nccl.allreduce.busbw, 8 GiB, rail 1: 24 GB/s at once, 48 alone: 50 % (49 to 51 %)"));
  EXPECT_THAT(findings[0].advice,
              AllOf(HasSubstr("PCIe switch"), HasSubstr("oversubscribed"), HasSubstr("ECMP")));
  EXPECT_THAT(findings[0].explains, ElementsAre("nccl.allreduce.busbw"));
}

TEST(RailShares, OneFindingForAllRailsTheWorstFirst) {
  const std::vector<Finding> findings = rail_findings(compare_rails(std::vector<CheckRecord>{
      rail("together", 0, 30.0), rail("together", 1, 24.0), rail("together", 2, 48.0), rail("apart", 0, 48.0),
      rail("apart", 1, 48.0), rail("apart", 2, 48.0)}));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_THAT(findings[0].meaning, HasSubstr("rails 0, 1 reach as little as 50 % of what they reach alone"));
  ASSERT_THAT(findings[0].evidence, SizeIs(2));
  EXPECT_THAT(findings[0].evidence[0].text, HasSubstr("rail 1"));
}

TEST(RailShares, NoiseIsNoFinding) {
  // The middle is far below, but the interval reaches up to what is allowed.
  std::vector<CheckRecord> checks{rail("together", 0, 38.0, 0.10), rail("apart", 0, 48.0, 0.05)};
  EXPECT_THAT(rail_findings(compare_rails(checks)), IsEmpty());
  checks[0] = rail("together", 0, 38.0, 0.02);
  EXPECT_THAT(rail_findings(compare_rails(checks)), SizeIs(1)) << "the same with a narrower interval";
  // A small loss that is certain is none, either.
  EXPECT_THAT(rail_findings(compare_rails(
                  std::vector<CheckRecord>{rail("together", 0, 45.0, 0.001), rail("apart", 0, 48.0, 0.001)})),
              IsEmpty());
  checks[0].ci95.reset();
  const std::vector<CheckRecord> noted = compare_rails(checks);
  ASSERT_THAT(noted, SizeIs(1));
  EXPECT_THAT(rail_findings(noted), IsEmpty()) << "without an interval nothing is certain";
}

TEST(RailShares, OfATimeAndItsBandwidthTheBandwidthIsCompared) {
  std::vector<CheckRecord> checks{rail("together", 0, 200.0, 0.01, "latency"),
                                  rail("apart", 0, 100.0, 0.01, "latency")};
  std::vector<CheckRecord> noted = compare_rails(checks);
  ASSERT_THAT(noted, SizeIs(1));
  EXPECT_NEAR(path_number(noted[0], "share_of_alone_percent").value(), 50.0, 0.1);
  EXPECT_NEAR(path_number(noted[0], "share_of_alone_percent_high").value(), 51.0, 0.1);
  checks.push_back(rail("together", 0, 24.0));
  checks.push_back(rail("apart", 0, 48.0));
  noted = compare_rails(checks);
  ASSERT_THAT(noted, SizeIs(1));
  EXPECT_EQ(noted[0].metric, "busbw");
}

TEST(RailShares, OnlyWhatWasMeasuredBothWaysAtTheSameSize) {
  CheckRecord other = rail("apart", 0, 48.0);
  other.parameters["bytes"] = std::int64_t{1024};
  EXPECT_THAT(compare_rails(std::vector<CheckRecord>{rail("together", 0, 24.0), other}), IsEmpty());
  CheckRecord failed = rail("apart", 0, 48.0);
  failed.value.reset();
  EXPECT_THAT(compare_rails(std::vector<CheckRecord>{rail("together", 0, 24.0), failed}), IsEmpty());
  CheckRecord smaller = rail("apart", 0, 48.0);
  smaller.path.emplace()["bytes_used"] = std::int64_t{1024};
  EXPECT_THAT(compare_rails(std::vector<CheckRecord>{rail("together", 0, 24.0), smaller}), IsEmpty());
  CheckRecord groups = rail("together", 0, 24.0);
  groups.scope = "between nodes, group";
  EXPECT_THAT(compare_rails(std::vector<CheckRecord>{groups, rail("apart", 0, 48.0)}), IsEmpty());
}

}  // namespace
}  // namespace fabricheck::app
