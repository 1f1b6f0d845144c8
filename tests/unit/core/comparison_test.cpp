#include "core/comparison.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/statistics.hpp"
#include "unit/core/compared_runs.hpp"

namespace fabricheck {
namespace {

using compared::bandwidth;
using compared::check;
using compared::exact;
using compared::inside;
using compared::judged;
using compared::machine;
using compared::reason_of;
using compared::run;
using compared::Single;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST(Compare, TenPercentSlowerIsWorseAndFasterIsBetter) {
  EXPECT_EQ(Single(exact(3.0), exact(3.3)).outcome(), Outcome::worse);
  EXPECT_EQ(Single(exact(3.3), exact(2.9)).outcome(), Outcome::better);
  EXPECT_EQ(Single(exact(3.0), exact(3.03)).outcome(), Outcome::unchanged);
  const Single slower(exact(3.0), exact(3.3));
  EXPECT_NEAR(*slower.pair().change, 10.0, 1e-9);
  EXPECT_LT(slower.pair().interval->lo, 10.0);
  EXPECT_GT(slower.pair().interval->hi, 10.0);
}

TEST(Compare, MoreBandwidthIsBetter) {
  EXPECT_EQ(Single(bandwidth(40), bandwidth(46)).outcome(), Outcome::better);
  EXPECT_EQ(Single(bandwidth(46), bandwidth(40)).outcome(), Outcome::worse);
}

TEST(Compare, ShareIsComparedInPoints) {
  CheckRecord was = check(2.0, 0.1), is = check(4.0, 0.1);
  was.metric = is.metric = "overlap";
  was.unit = is.unit = "%";
  const Single doubled(was, is);
  EXPECT_EQ(doubled.outcome(), Outcome::unchanged)
      << "2 of 100 points are little, though it is twice as much";
  EXPECT_EQ(change_text(doubled.pair()), "+2.0 points");
}

TEST(Compare, LatencyAndItsBandwidthAgree) {
  CheckRecord was = check(100.0, 1.5), is = check(109.0, 2.5);
  const auto inverse = [](CheckRecord record) {
    record.metric = "busbw";
    record.unit = "GB/s";
    record.ci95 = Interval{1000.0 / record.ci95->hi, 1000.0 / record.ci95->lo};
    record.value = 1000.0 / *record.value;
    return record;
  };
  const Interval latency = *Single(was, is).pair().interval;
  const Interval rate = *Single(inverse(was), inverse(is)).pair().interval;
  EXPECT_NEAR((1.0 + latency.lo / 100.0) * (1.0 + rate.hi / 100.0), 1.0, 1e-9);
  EXPECT_NEAR((1.0 + latency.hi / 100.0) * (1.0 + rate.lo / 100.0), 1.0, 1e-9);
}

TEST(Compare, ToleranceDecidesWhatCounts) {
  EXPECT_EQ(Single(exact(3.0), exact(3.3), 20.0).outcome(), Outcome::unchanged);
  EXPECT_EQ(Single(exact(3.0), exact(3.3), 9.9).outcome(), Outcome::incomparable) << "within the noise of it";
  EXPECT_EQ(Single(exact(3.0), exact(3.03), 0.0).outcome(), Outcome::worse);
}

TEST(Compare, WideIntervalsAreUndecidedAndSayHowWide) {
  const Single wide(check(3.0, 0.2), check(3.4, 0.2));
  EXPECT_EQ(wide.outcome(), Outcome::incomparable);
  EXPECT_THAT(wide.pair().reason, HasSubstr("too wide"));
  EXPECT_THAT(wide.pair().reason, HasSubstr("--budget"));
  EXPECT_THAT(wide.pair().detail, HasSubstr("+13.3 % ["));
}

TEST(Compare, ClockErrorCountsInFullForBothRunsAndDoesNotGrowWithConfidence) {
  CheckRecord was = exact(10.0), is = exact(11.0);
  for (CheckRecord* one : {&was, &is}) {
    one->statistics.clock_error = 0.2;
    one->ci95 = Interval{one->ci95->lo - 0.2, one->ci95->hi + 0.2};
  }
  const Single clocks(was, is), plain(exact(10.0), exact(11.0));
  const double wider =
      std::log1p(clocks.pair().interval->hi / 100) - std::log1p(plain.pair().interval->hi / 100);
  EXPECT_NEAR(wider, std::log(11.2 / 11.0) + std::log(10.0 / 9.8), 1e-9);
}

TEST(Compare, WhatWasMeasuredOnceIsNotComparable) {
  CheckRecord once = exact(3.0);
  once.statistics.repeats.reset();
  const Single single(once, exact(3.6));
  EXPECT_EQ(single.outcome(), Outcome::incomparable);
  EXPECT_THAT(single.pair().reason, HasSubstr("measured once in OLD"));
}

TEST(Compare, WhatHadRoomForAnotherSizeIsNotComparable) {
  CheckRecord was = bandwidth(46), is = bandwidth(6);
  for (CheckRecord* one : {&was, &is}) one->path.emplace();
  (*was.path)["bytes_used"] = std::int64_t{512 << 10};
  (*is.path)["bytes_used"] = std::int64_t{64 << 10};
  const Single smaller(was, is);
  EXPECT_EQ(smaller.outcome(), Outcome::incomparable);
  EXPECT_THAT(smaller.pair().reason, HasSubstr("512 KiB -> 64 KiB"));
  (*is.path)["bytes_used"] = std::int64_t{512 << 10};
  EXPECT_EQ(Single(was, is).outcome(), Outcome::worse);
  was.path.reset();
  EXPECT_THAT(Single(was, is).pair().reason, HasSubstr("as asked -> 512 KiB"));
}

TEST(Compare, FewerBlocksAreTrustedLess) {
  const double half = 0.05;
  CheckRecord few = exact(3.0), many = exact(3.0);
  few.ci95 = many.ci95 = Interval{3.0 - half, 3.0 + half};
  few.statistics.blocks = 4;
  many.statistics.blocks = 64;
  EXPECT_GT(Single(few, few).pair().interval->hi, 1.3 * Single(many, many).pair().interval->hi);
}

/// Draws what a run would store of a true value: the mean of 16 blocks and its t interval.
class Machine {
 public:
  explicit Machine(double noise) : noise_(noise) {}
  CheckRecord measure(double truth, std::int64_t bytes) {
    constexpr int blocks = 16;
    double sum = 0, squares = 0;
    for (int i = 0; i < blocks; ++i) {
      const double block = truth * (1.0 + noise_ * normal_(random_));
      sum += block;
      squares += block * block;
    }
    const double mean = sum / blocks;
    const double variance = (squares - blocks * mean * mean) / (blocks - 1);
    return check(mean, std::sqrt(variance / blocks), bytes, blocks);
  }
  RunRecord measure_all(double truth, int checks = 50) {
    std::vector<CheckRecord> all;
    for (std::int64_t i = 0; i < checks; ++i) all.push_back(measure(truth, i));
    return run(std::move(all));
  }

 private:
  double noise_;
  std::mt19937_64 random_{2024};
  std::normal_distribution<double> normal_;
};

int runs_with_worse(Machine machine, double truth_after, double tolerance, int runs) {
  ComparisonPolicy policy;
  policy.tolerance_percent = tolerance;
  int alarms = 0;
  for (int i = 0; i < runs; ++i) {
    const RunRecord before = machine.measure_all(3.0), after = machine.measure_all(truth_after);
    alarms += compare_runs(before, after, policy).count(Outcome::worse) > 0 ? 1 : 0;
  }
  return alarms;
}

TEST(CompareFamily, AHealthyMachineRaisesNoAlarm) {
  EXPECT_EQ(runs_with_worse(Machine(0.1), 3.0, 5.0, 1000), 0);
}

TEST(CompareFamily, EvenWithoutToleranceOneComparisonInAHundredAtMostAlarms) {
  EXPECT_LE(runs_with_worse(Machine(0.1), 3.0, 0.0, 1000), 10);
}

TEST(CompareFamily, ASlowdownOfTheToleranceItselfIsNotBeyondIt) {
  EXPECT_LE(runs_with_worse(Machine(0.1), 3.0 * 1.05, 5.0, 1000), 10);
}

TEST(CompareFamily, TenPercentSlowerIsFoundInEveryCheck) {
  Machine machine(0.01);
  const RunRecord before = machine.measure_all(3.0), after = machine.measure_all(3.3);
  EXPECT_EQ(compare_runs(before, after).count(Outcome::worse), 50u);
}

TEST(CompareFamily, MoreChecksNeedMoreEvidence) {
  std::vector<CheckRecord> before{check(3.0, 0.02)}, after{check(3.27, 0.02)};
  const RunRecord one_before = run(before), one_after = run(after);
  const RunComparison alone = compare_runs(one_before, one_after);
  for (std::int64_t i = 1; i < 500; ++i) {
    before.push_back(exact(3.0, 8 + i));
    after.push_back(exact(3.0, 8 + i));
  }
  const RunRecord many_before = run(before), many_after = run(after);
  const RunComparison among_many = compare_runs(many_before, many_after);
  EXPECT_EQ(alone.checks.at(0).outcome, Outcome::worse);
  EXPECT_EQ(among_many.count(Outcome::worse), 0u);
}

TEST(CompareFamily, RealQuantileIntervalsOfSkewedSamplesRaiseNoAlarm) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> draw(std::log(3.0), 0.5);
  std::bernoulli_distribution slow(0.1);
  const auto measured = [&](std::int64_t bytes) {
    std::vector<double> samples(400);
    for (double& one : samples) one = draw(random) * (slow(random) ? 4.0 : 1.0);
    const auto interval = quantile_interval(samples, 0.5, 0.95);
    CheckRecord record = check(*describe(samples).median, 0.1, bytes, interval->blocks);
    record.ci95 = interval->interval;
    return record;
  };
  for (int i = 0; i < 20; ++i) {
    std::vector<CheckRecord> before, after;
    for (std::int64_t bytes = 0; bytes < 50; ++bytes) {
      before.push_back(measured(bytes));
      after.push_back(measured(bytes));
    }
    const RunRecord was = run(std::move(before)), is = run(std::move(after));
    const RunComparison comparison = compare_runs(was, is);
    EXPECT_EQ(comparison.count(Outcome::worse) + comparison.count(Outcome::better), 0u);
  }
}

TEST(CompareVerdicts, PassToFailIsWorseAndBackIsBetterHoweverLittleChanged) {
  const Single failed(judged(4.99, Verdict::pass), judged(5.01, Verdict::fail));
  EXPECT_EQ(failed.outcome(), Outcome::worse);
  EXPECT_THAT(failed.pair().reason, HasSubstr("PASS -> FAIL"));
  EXPECT_EQ(Single(judged(5.01, Verdict::fail), judged(4.99, Verdict::pass)).outcome(), Outcome::better);
}

TEST(CompareVerdicts, ATargetThatMovedMakesNoRegression) {
  EXPECT_EQ(Single(judged(4.5, Verdict::pass), judged(4.5, Verdict::fail, 4.0)).outcome(),
            Outcome::unchanged);
  EXPECT_EQ(Single(judged(4.5, Verdict::fail, 4.0), judged(4.5, Verdict::pass)).outcome(),
            Outcome::unchanged);
  EXPECT_EQ(Single(judged(4.5, Verdict::pass), judged(5.2, Verdict::fail, 4.8)).outcome(), Outcome::worse)
      << "the old figure would have met the new target";
}

TEST(CompareVerdicts, FactsAreComparedByVerdict) {
  const auto facts = [](Verdict verdict, double faults) {
    CheckRecord record;
    record.id = "topology.devices";
    record.scope = "inside node";
    record.metric = "faults";
    record.value = faults;
    record.verdict = verdict;
    return record;
  };
  EXPECT_EQ(Single(facts(Verdict::pass, 0), facts(Verdict::fail, 2)).outcome(), Outcome::worse);
  EXPECT_EQ(Single(facts(Verdict::fail, 2), facts(Verdict::pass, 0)).outcome(), Outcome::better);
  EXPECT_EQ(Single(facts(Verdict::pass, 0), facts(Verdict::pass, 0)).outcome(), Outcome::unchanged);
  EXPECT_EQ(Single(facts(Verdict::fail, 1), facts(Verdict::fail, 3)).outcome(), Outcome::worse);
  EXPECT_EQ(Single(facts(Verdict::inconclusive, 0), facts(Verdict::pass, 0)).outcome(),
            Outcome::incomparable);
}

TEST(CompareVerdicts, WhatHasNoFigureIsComparedByVerdictUnlessNobodyJudgedIt) {
  const auto without_figure = [](Verdict verdict) {
    CheckRecord record = exact(3.0);
    record.value.reset();
    record.ci95.reset();
    record.verdict = verdict;
    return record;
  };
  const auto outcome = [&](Verdict before, Verdict after) {
    return Single(without_figure(before), without_figure(after)).outcome();
  };
  EXPECT_EQ(outcome(Verdict::pass, Verdict::pass), Outcome::unchanged);
  EXPECT_EQ(outcome(Verdict::pass, Verdict::inconclusive), Outcome::incomparable);
  EXPECT_EQ(outcome(Verdict::unchecked, Verdict::unchecked), Outcome::incomparable);
}

TEST(CompareVerdicts, AWrongResultIsWorseThanAnyFigure) {
  CheckRecord wrong = exact(3.0);
  wrong.value.reset();
  wrong.ci95.reset();
  wrong.verdict = Verdict::fail;
  wrong.reason = "wrong result: rank 1 on n2";
  const Single single(exact(3.0), wrong);
  EXPECT_EQ(single.outcome(), Outcome::worse);
  EXPECT_EQ(single.pair().detail, "wrong result: rank 1 on n2");
  EXPECT_EQ(Single(wrong, exact(3.0)).outcome(), Outcome::better);
}

TEST(CompareNot, SaysWhy) {
  CheckRecord other = exact(3.0);
  other.unit = "ms";
  EXPECT_EQ(reason_of(exact(3.0), other), "unit differs: us -> ms");
  CheckRecord p99 = judged(3.0, Verdict::pass);
  p99.target->statistic = "p99";
  EXPECT_EQ(reason_of(p99, exact(3.0)), "statistic differs: p99 -> median");
  CheckRecord none = exact(3.0);
  none.value.reset();
  EXPECT_EQ(reason_of(exact(3.0), none), "no value in NEW");
  CheckRecord few = exact(3.0);
  few.ci95.reset();
  EXPECT_THAT(reason_of(few, exact(3.0)), StartsWith("no interval in OLD"));
  CheckRecord error = exact(3.0);
  error.verdict = Verdict::error;
  EXPECT_EQ(reason_of(exact(3.0), error), "ERROR in NEW");
  CheckRecord unknown = exact(3.0);
  unknown.unit = "furlongs";
  unknown.metric = "length";
  EXPECT_THAT(reason_of(unknown, unknown), HasSubstr("not known whether"));
  CheckRecord broken = exact(3.0);
  broken.value = std::nan("");
  EXPECT_EQ(reason_of(broken, exact(3.0)), "no value in OLD");
}

TEST(CompareMachines, AFirmwareUpgradeIsNamedAndTheRegressionStays) {
  Single single(exact(3.0), exact(3.6));
  single.after.topology.kinds[0].rdma_devices[0].firmware = "28.40.1000";
  single.again();
  EXPECT_EQ(single.outcome(), Outcome::worse);
  ASSERT_EQ(single.comparison.differences.size(), 1u);
  EXPECT_EQ(difference_text(single.comparison.differences[0]), "NIC firmware 28.39.1002 -> 28.40.1000");
  EXPECT_THAT(meanwhile_text(single.comparison, single.pair()), StartsWith("not explained away: "));
  EXPECT_THAT(meanwhile_text(single.comparison, single.pair()), HasSubstr("NIC firmware"));
  EXPECT_EQ(comparison_status(single.comparison), 1);
}

TEST(CompareMachines, WhatCannotMatterIsNotBlamed) {
  Single single(exact(3.0), exact(3.6));
  single.after.topology.kinds[0].gpu_driver = "560";
  single.before.topology.kinds[0].gpu_driver = "550";
  single.again();
  EXPECT_EQ(single.comparison.differences.size(), 1u);
  EXPECT_THAT(single.pair().changed_meanwhile, IsEmpty()) << "MPI in host memory does not use the GPU";
}

TEST(CompareMachines, OtherHardwareIsNotComparable) {
  Single single(exact(3.0), exact(3.6));
  single.after.topology.kinds[0].rdma_devices[0].ids = "15b3:101b";
  single.again();
  EXPECT_EQ(single.outcome(), Outcome::incomparable);
  EXPECT_EQ(single.pair().reason, "other hardware: NIC 15b3:1021 -> 15b3:101b");
  EXPECT_EQ(comparison_status(single.comparison), 3);
}

TEST(CompareMachines, OtherHardwareTouchesOnlyWhatUsesIt) {
  Single single(exact(3.0), exact(3.6));
  single.after.topology.kinds[0].gpus[0].name = "NVIDIA H200";
  single.again();
  EXPECT_EQ(single.outcome(), Outcome::worse);
  single.before.checks[0].id = single.after.checks[0].id = "nccl.allreduce.latency";
  single.again();
  EXPECT_EQ(single.pair().reason, "other hardware: GPU NVIDIA H100 -> NVIDIA H200");
}

TEST(CompareMachines, ASlowerLinkOfTheSameHostIsALossAndOfAnotherHostOtherHardware) {
  Single single(exact(3.0), exact(3.6));
  single.after.topology.kinds[0].rdma_devices[0].ports[0].rate_Gbps = 200.0;
  single.again();
  EXPECT_EQ(single.outcome(), Outcome::worse);
  EXPECT_THAT(meanwhile_text(single.comparison, single.pair()), HasSubstr("NIC rate (400 Gb/s -> 200 Gb/s)"));
  single.after.world.hosts = single.after.checks[0].participants = {"m1", "m2"};
  single.after.topology.hosts[0].name = "m1";
  single.after.topology.hosts[1].name = "m2";
  single.again();
  EXPECT_EQ(single.pair().reason, "other hardware: NIC rate 400 Gb/s -> 200 Gb/s");
}

TEST(CompareMachines, OnlyTheHostThatChangedIsNamed) {
  Single single(exact(3.0), exact(3.0));
  single.after.topology.kinds.push_back(machine());
  single.after.topology.kinds[1].kernel = "6.5.0";
  single.after.topology.hosts[1].kind = 1;
  single.after.world.mpi["UCX_TLS"] = "tcp";
  single.again();
  ASSERT_EQ(single.comparison.differences.size(), 2u);
  EXPECT_EQ(difference_text(single.comparison.differences[0]), "UCX_TLS not set -> tcp");
  EXPECT_EQ(difference_text(single.comparison.differences[1]), "kernel 6.1.0 -> 6.5.0 on n2");
}

TEST(CompareMachines, UnknownIsNoDifference) {
  Single single(exact(3.0), exact(3.0));
  single.before.topology = {};
  single.after.world.mpi["transport"] = "ucx";
  single.again();
  EXPECT_THAT(single.comparison.differences, IsEmpty());
  EXPECT_EQ(single.outcome(), Outcome::unchanged);
}

TEST(CompareResult, WorstFirstAndCounted) {
  const RunRecord before = run({exact(1, 1), exact(1, 2), exact(1, 3), exact(1, 4), exact(1, 5)});
  const RunRecord after = run({exact(1, 1), exact(1.2, 2), exact(1.5, 3), exact(0.5, 4), exact(1, 6)});
  const RunComparison comparison = compare_runs(before, after);
  EXPECT_EQ(comparison_headline(comparison), "2 worse, 1 better, 1 unchanged, 2 not comparable");
  EXPECT_NEAR(*comparison.checks[0].change, 50.0, 1e-9);
  EXPECT_NEAR(*comparison.checks[1].change, 20.0, 1e-9);
  EXPECT_EQ(comparison.checks[2].outcome, Outcome::better);
  EXPECT_EQ(comparison.checks.back().outcome, Outcome::unchanged);
  for (const auto& [reason, bytes] : {std::pair("only in OLD", 5), std::pair("only in NEW", 6)}) {
    const auto one =
        std::find_if(comparison.checks.begin(), comparison.checks.end(),
                     [reason = reason](const ComparedCheck& pair) { return pair.reason == reason; });
    ASSERT_NE(one, comparison.checks.end()) << reason;
    EXPECT_EQ(one->shown().parameters.at("bytes"), Parameter(std::int64_t{bytes})) << reason;
  }
}

TEST(CompareResult, WhatIsUndecidedStaysInTheOrderOfTheRun) {
  const RunRecord before = run({check(1.0, 0.1, 1), check(1.0, 0.1, 2), check(1.0, 0.1, 3)});
  const RunRecord after = run({check(1.0, 0.1, 1), check(1.1, 0.1, 2), check(1.05, 0.1, 3)});
  const RunComparison comparison = compare_runs(before, after);
  ASSERT_EQ(comparison.count(Outcome::incomparable), 3u);
  for (std::int64_t bytes = 1; bytes <= 3; ++bytes)
    EXPECT_EQ(comparison.checks[static_cast<std::size_t>(bytes) - 1].after->parameters.at("bytes"),
              Parameter(bytes));
}

TEST(CompareResult, NothingComparableIsNeverFine) {
  const RunRecord empty = run({}), one = run({exact(1)});
  EXPECT_EQ(comparison_status(compare_runs(empty, empty)), 3);
  const RunComparison comparison = compare_runs(one, empty);
  EXPECT_EQ(comparison_status(comparison), 3);
  EXPECT_EQ(comparison_headline(comparison), "nothing could be compared: 1 of 1 check: only in OLD");
  ASSERT_EQ(regressions(comparison).size(), 1u);
  EXPECT_EQ(regressions(comparison)[0].slug, "baseline-not-compared");
}

TEST(CompareResult, RegressionsBecomeFindingsOfTheirHostsAndTheExitStatus) {
  const RunRecord before = run({exact(3.0), inside("n1", 0, 1.0), inside("n1", 0, 1.0)});
  RunRecord after = run({exact(3.0), inside("n1", 0, 1.2), inside("n1", 0, 1.3)});
  const std::vector<Finding> findings = regressions(compare_runs(before, after));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].slug, "regression");
  EXPECT_EQ(findings[0].severity, Severity::bad);
  EXPECT_EQ(findings[0].component, (Component{"host", "n1", "n1"}));
  ASSERT_EQ(findings[0].evidence.size(), 2u);
  EXPECT_THAT(findings[0].evidence[0].text,
              StartsWith("mpi.allreduce.latency 8 B, inside node: 1 -> 1.3 us, +30.0 % [+"));
  EXPECT_THAT(findings[0].explains, ElementsAre("mpi.allreduce.latency"));
  after.findings = findings;
  conclude(after);
  EXPECT_EQ(after.exit_status, 1);
  EXPECT_EQ(after.verdict, Verdict::fail);
  EXPECT_EQ(after.verdict_reason, "n1: 2 checks are worse than in the baseline");
}

TEST(CompareResult, ALostRankGoesBeforeARegression) {
  RunRecord record = run({judged(3.0, Verdict::pass)});
  Finding regression, lost;
  regression.slug = "regression";
  lost.slug = "rank-lost";
  record.findings = {regression, lost};
  conclude(record);
  EXPECT_EQ(record.exit_status, 4);
}

TEST(CompareResult, APassWithABaselineThatToldNothingIsNotAPass) {
  RunRecord record = run({judged(3.0, Verdict::pass)});
  Finding finding;
  finding.slug = "baseline-not-compared";
  record.findings = {finding};
  conclude(record);
  EXPECT_EQ(record.exit_status, 3);
  EXPECT_EQ(record.verdict, Verdict::inconclusive);
}

}  // namespace
}  // namespace fabricheck
