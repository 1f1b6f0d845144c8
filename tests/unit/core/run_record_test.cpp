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
TEST(Conclude, OfOneRankAloneTheHeadlineSaysWhyNothingWasMeasured) {
  RunRecord record = with({Verdict::skipped});
  record.world.ranks = 1;
  record.not_tested.push_back({"mpi", "start at least two"});
  conclude(record);
  EXPECT_EQ(record.verdict_reason, "nothing was measured: start at least two");
  record.world.ranks = 2;
  conclude(record);
  EXPECT_EQ(record.verdict_reason, "nothing was measured, so nothing was judged");
}
TEST(Conclude, OneMissedTargetIsOne) {
  EXPECT_EQ(status_of(with({Verdict::pass, Verdict::fail, Verdict::error})), 1);
}
TEST(Conclude, AWrongResultIsNoMissedTarget) {
  RunRecord record = with({Verdict::pass, Verdict::fail});
  conclude(record);
  EXPECT_EQ(record.verdict_reason, "1 of 2 judged checks failed");
  record.checks.push_back(record.checks[1]);
  record.checks.back().target.emplace();
  conclude(record);
  EXPECT_EQ(record.verdict_reason, "1 of 3 judged checks failed, and 1 of 3 targets missed");
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

CheckRecord repeat(Verdict verdict, std::optional<double> value, const std::string& reason = "") {
  CheckRecord check;
  check.id = "mpi.allreduce.latency";
  check.scope = "between nodes";
  check.parameters["bytes"] = std::int64_t{8};
  check.participants = {"n1", "n2"};
  check.verdict = verdict;
  check.value = value;
  check.reason = reason;
  return check;
}

CheckRecord after(const CheckRecord& first, const CheckRecord& second) {
  std::vector<CheckRecord> checks;
  CheckList list;
  list.put(checks, first);
  list.put(checks, second);
  EXPECT_EQ(checks.size(), 1u);
  return checks.front();
}

TEST(CheckList, TheLatestRecordOfACheckCounts) {
  EXPECT_EQ(*after(repeat(Verdict::inconclusive, 2.0), repeat(Verdict::pass, 3.0)).value, 3.0);
  std::vector<CheckRecord> checks;
  CheckList list;
  list.put(checks, repeat(Verdict::pass, 1.0));
  CheckRecord other = repeat(Verdict::pass, 1.0);
  other.participants = {"n3"};
  list.put(checks, other);
  EXPECT_EQ(checks.size(), 2u);
}

TEST(CheckList, WhatIsCutShortLosesNeitherItsFiguresNorItsVerdict) {
  const CheckRecord cut = repeat(Verdict::skipped, std::nullopt, "interrupted");
  EXPECT_EQ(after(repeat(Verdict::fail, 9.0, "too slow"), cut), repeat(Verdict::fail, 9.0, "too slow"));
  EXPECT_EQ(after(repeat(Verdict::pass, 3.0), cut), repeat(Verdict::pass, 3.0));
  EXPECT_EQ(after(repeat(Verdict::inconclusive, 3.0, "2 of 16 repeats"), cut),
            repeat(Verdict::inconclusive, 3.0, "interrupted"));
  const CheckRecord lost = repeat(Verdict::error, std::nullopt, "rank 2 on n2 died");
  EXPECT_EQ(after(repeat(Verdict::pass, 3.0), lost), repeat(Verdict::error, 3.0, "rank 2 on n2 died"));
  EXPECT_EQ(after(repeat(Verdict::fail, 9.0, "too slow"), lost).verdict, Verdict::fail);
}

TEST(CheckList, FiguresOfWrongResultsAreNone) {
  const CheckRecord wrong = repeat(Verdict::fail, std::nullopt, "wrong result: rank 1");
  EXPECT_EQ(after(repeat(Verdict::pass, 3.0), wrong), wrong);
}

TEST(PathOfACheck, GivesTextAndNumbersAndNothingElse) {
  CheckRecord check;
  EXPECT_EQ(path_text(check, "access"), "");
  EXPECT_FALSE(path_number(check, "links"));
  check.path.emplace();
  (*check.path)["access"] = std::string("direct");
  (*check.path)["links"] = std::int64_t{18};
  (*check.path)["link_GBps"] = 26.5;
  EXPECT_EQ(path_text(check, "access"), "direct");
  EXPECT_EQ(path_number(check, "links"), 18.0);
  EXPECT_EQ(path_number(check, "link_GBps"), 26.5);
  EXPECT_EQ(path_text(check, "links"), "") << "a number is no text";
  EXPECT_FALSE(path_number(check, "access"));
}

}  // namespace
}  // namespace fabricheck
