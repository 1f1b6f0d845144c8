#include "core/run_record.hpp"

#include <gtest/gtest.h>

namespace fabricheck {
namespace {

RunRecord with(std::initializer_list<Verdict> verdicts) {
  RunRecord record;
  for (const Verdict verdict : verdicts) {
    CheckRecord check;
    check.verdict = verdict;
    record.checks.push_back(check);
  }
  return record;
}

int status_of(RunRecord record) {
  conclude(record);
  EXPECT_FALSE(record.verdict_reason.empty());
  return record.exit_status;
}

Finding finding(const char* slug) {
  Finding one;
  one.slug = slug;
  one.meaning = "what it means";
  return one;
}

TEST(Conclude, AllPassedIsZero) {
  EXPECT_EQ(status_of(with({Verdict::pass, Verdict::unchecked, Verdict::skipped})), 0);
}
TEST(Conclude, NothingMeasuredIsNeverZero) {
  EXPECT_EQ(status_of(with({})), 3);
  EXPECT_EQ(status_of(with({Verdict::unchecked, Verdict::skipped})), 3);
}
TEST(Conclude, OneMissedTargetIsOne) {
  EXPECT_EQ(status_of(with({Verdict::pass, Verdict::fail, Verdict::error})), 1);
}
TEST(Conclude, UndecidedIsThreeEvenBesideAPass) {
  EXPECT_EQ(status_of(with({Verdict::pass, Verdict::inconclusive})), 3);
  EXPECT_EQ(status_of(with({Verdict::pass, Verdict::error})), 3);
}
TEST(Conclude, ALostRankComesFirst) {
  RunRecord record = with({Verdict::pass, Verdict::fail});
  record.findings.push_back(finding("rank-hung"));
  EXPECT_EQ(status_of(record), 4);
}
TEST(Conclude, AnInterruptedRunNeverPasses) {
  RunRecord record = with({Verdict::pass});
  record.findings.push_back(finding("interrupted"));
  EXPECT_EQ(status_of(record), 3);
}

TEST(VerdictNames, GoBothWays) {
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::inconclusive, Verdict::error,
                                Verdict::skipped, Verdict::unchecked})
    EXPECT_EQ(verdict_from_name(verdict_name(verdict)), verdict);
  EXPECT_FALSE(verdict_from_name("pass"));
}

}  // namespace
}  // namespace fabricheck
