#include "app/executor.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <stdexcept>

#include "core/thread_communicator.hpp"
#include "support/clocks.hpp"

namespace fabricheck::app {
namespace {

using test::TickingClock;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr std::int64_t second_ns = 1'000'000'000;

/// Takes what `cost_ns` says of an iteration; compares for `verify_ns` where that is not 0.
class Scripted final : public Operation {
 public:
  Scripted(TickingClock& clock, std::function<std::int64_t(std::uint64_t)> cost_ns, std::int64_t verify_ns)
      : clock_(clock), cost_ns_(std::move(cost_ns)), verify_ns_(verify_ns) {}
  void execute(std::uint64_t iteration) override { clock_.advance(cost_ns_(iteration)); }
  std::optional<Mismatch> verify(std::uint64_t) override {
    clock_.advance(verify_ns_);
    return std::nullopt;
  }
  bool verifies() const override { return verify_ns_ != 0; }

 private:
  TickingClock& clock_;
  std::function<std::int64_t(std::uint64_t)> cost_ns_;
  std::int64_t verify_ns_;
};

CheckRow row(const std::string& id, OperationFactory make) {
  CheckRow row;
  row.id = id;
  row.title = "a test's " + id;
  row.metric = "latency";
  row.unit = "us";
  row.make = std::move(make);
  return row;
}

Target target(const std::string& check, const std::string& statistic, Comparison comparison, double value) {
  Target target;
  target.check = check;
  target.statistic = statistic;
  target.comparison = comparison;
  target.value = value;
  target.unit = "us";
  return target;
}

plan::PlannedCheck planned(const CheckRow& row, std::vector<std::vector<int>> groups) {
  plan::PlannedCheck check;
  check.row = &row;
  check.scope = Scope::all_ranks;
  check.groups = std::move(groups);
  check.nodes = 1;
  check.ranks_per_node = static_cast<int>(check.groups.front().size());
  check.budget_ns = 4 * second_ns;
  check.repeats = max_repeats;
  check.all_repeats = true;
  check.wanted_samples = 4000;
  return check;
}

/// Rank 0's log in a folder of its own, and what surrounds an executor.
class ExecutorTest : public ::testing::Test {
 protected:
  ExecutorTest() {
    const auto* info = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::temp_directory_path() /
              (std::string("fabricheck-executor-") + info->name() + "-" + std::to_string(::getpid()));
    log_ = std::make_unique<RunLog>(RunRecord{}, folder_.string(), clock_);
  }
  ~ExecutorTest() override { std::filesystem::remove_all(folder_); }

  /// Carries out the plan as one rank of `world`.
  void run(Communicator& world, const Clock& clock, const plan::TestPlan& plan,
           std::uint64_t verify_repeat = 0) {
    const Hooks hooks;
    Progress progress;
    report::ProgressPrinter printer(report::ProgressPrinter::Mode::off, stderr);
    ExecutorWorld around;
    around.world = &world;
    around.host = "h1";
    around.rank_hosts.assign(static_cast<std::size_t>(world.size()), "h1");
    around.clock = &clock;
    around.progress = &progress;
    around.yield = world.size() > 1;
    around.verify_repeat = verify_repeat;
    around.hooks = &hooks;
    around.log = world.rank() == 0 ? log_.get() : nullptr;
    around.printer = world.rank() == 0 ? &printer : nullptr;
    Executor(std::move(around), plan).run();
  }
  /// As a world of one rank on a clock that the operations advance.
  std::vector<CheckRecord> run_alone(const plan::TestPlan& plan, std::uint64_t verify_repeat = 0) {
    SelfCommunicator self;
    run(self, clock_, plan, verify_repeat);
    return log_->checks();
  }
  OperationFactory scripted(std::function<std::int64_t(std::uint64_t)> cost_ns, std::int64_t verify_ns = 0) {
    return [this, cost_ns, verify_ns](const OperationRequest&) {
      return std::make_unique<Scripted>(clock_, cost_ns, verify_ns);
    };
  }

  TickingClock clock_;
  std::unique_ptr<RunLog> log_;

 private:
  std::filesystem::path folder_;
};

TEST_F(ExecutorTest, ATargetOnTheTailIsJudgedByTheTail) {
  // One in fifty takes ten times as long: the median says nothing of that.
  const CheckRow spiky =
      row("test.spiky.latency", scripted([](std::uint64_t i) { return i % 50 == 0 ? 30'000 : 3'000; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(spiky, {{0}})};
  plan.checks[0].target = target(spiky.id, "p99", Comparison::at_most, 20.0);
  const CheckRecord missed = run_alone(plan).at(0);
  EXPECT_EQ(missed.verdict, Verdict::fail) << missed.reason;
}

TEST_F(ExecutorTest, TheRunsDurationIsOfTheClockThatMeasures) {
  clock_.advance(7'000'000'000);
  const auto record = log_->finish(std::chrono::seconds(30));
  ASSERT_TRUE(record);
  EXPECT_GE(record->duration_s, 7.0);
}

TEST_F(ExecutorTest, ATailWithinItsTargetPasses) {
  const CheckRow spiky =
      row("test.spiky.latency", scripted([](std::uint64_t i) { return i % 50 == 0 ? 30'000 : 3'000; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(spiky, {{0}})};
  plan.checks[0].target = target(spiky.id, "p99", Comparison::at_most, 40.0);
  const CheckRecord met = run_alone(plan).at(0);
  EXPECT_EQ(met.verdict, Verdict::pass) << met.reason;
}

TEST_F(ExecutorTest, AVerdictThatTheRestOfTheRunContradictsIsNone) {
  int repeats = 0;
  CheckRow turning = row("test.turning.latency", [&](const OperationRequest&) {
    const std::int64_t cost_ns = ++repeats <= min_repeats ? 3'000 : 9'000;
    return std::make_unique<Scripted>(
        clock_, [cost_ns](std::uint64_t) { return cost_ns; }, 0);
  });
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(turning, {{0}})};
  plan.checks[0].target = target(turning.id, "median", Comparison::at_most, 5.0);
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.verdict, Verdict::inconclusive);
  EXPECT_THAT(record.reason, HasSubstr("it changed during the run: PASS after the first repeats, 9"));
  EXPECT_NEAR(record.value.value_or(0.0), 9.0, 0.5) << "the figures are those of the whole run";
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(max_repeats));
}

TEST_F(ExecutorTest, WhatTakesLongIsMeasuredLessOftenAndStillHasItsVerdict) {
  // A visit takes at least three samples of 200 ms and their warm-up: 16 of them would not end in twice the
  // budget.
  const CheckRow slow = row("test.slow.latency", [&](const OperationRequest&) {
    return std::make_unique<Scripted>(
        clock_,
        [](std::uint64_t iteration) { return 200'000'000 + 1000 * static_cast<std::int64_t>(iteration % 7); },
        0);
  });
  plan::TestPlan plan;
  plan.checks = {planned(slow, {{0}})};
  plan.judged = 1;
  plan.checks[0].budget_ns = 5 * second_ns;
  plan.checks[0].target = target(slow.id, "median", Comparison::at_most, 210'000.0);
  const auto records = run_alone(plan);
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].verdict, Verdict::pass) << records[0].reason;
  EXPECT_LT(records[0].statistics.repeats.value_or(0), 16u);
  EXPECT_GE(records[0].statistics.samples, min_gate_samples);
}

TEST_F(ExecutorTest, AMissInFewRepeatsIsLookedAtAgainBeforeItAccuses) {
  const CheckRow missing = row("test.missing.latency", scripted([](std::uint64_t) { return 9'000; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(missing, {{0}})};
  plan.checks[0].repeats = min_repeats;
  plan.checks[0].all_repeats = false;
  plan.checks[0].wanted_samples = 400;
  plan.checks[0].target = target(missing.id, "median", Comparison::at_most, 5.0);
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.verdict, Verdict::fail) << record.reason;
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(fewest_repeats_of_a_fail));
}

TEST_F(ExecutorTest, ASpellOfNoiseInTheFirstRepeatsAccusesNobody) {
  int repeats = 0;
  CheckRow spell = row("test.spell.latency", [&](const OperationRequest&) {
    const std::int64_t cost_ns = ++repeats <= min_repeats ? 9'000 : 3'000;
    return std::make_unique<Scripted>(
        clock_, [cost_ns](std::uint64_t) { return cost_ns; }, 0);
  });
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(spell, {{0}})};
  plan.checks[0].repeats = min_repeats;
  plan.checks[0].all_repeats = false;
  plan.checks[0].target = target(spell.id, "median", Comparison::at_most, 5.0);
  EXPECT_NE(run_alone(plan).at(0).verdict, Verdict::fail);
  EXPECT_GT(repeats, min_repeats);
}

TEST_F(ExecutorTest, AFailOfHalfTheRepeatsThatAllTogetherDoNotGiveIsNone) {
  int repeats = 0;
  CheckRow spell = row("test.spell.latency", [&](const OperationRequest&) {
    const std::int64_t cost_ns = ++repeats <= 9 ? 9'000 : 3'000;
    return std::make_unique<Scripted>(
        clock_, [cost_ns](std::uint64_t) { return cost_ns; }, 0);
  });
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(spell, {{0}})};
  plan.checks[0].target = target(spell.id, "median", Comparison::at_most, 5.0);
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.verdict, Verdict::inconclusive) << record.reason;
  EXPECT_THAT(record.reason, HasSubstr("FAIL after the first repeats"));
}

TEST_F(ExecutorTest, WithoutTimeToLookAgainAMissIsNoFail) {
  const CheckRow missing = row("test.missing.latency", scripted([](std::uint64_t) { return 9'000; }));
  // Not judged, and takes more time than the run has.
  const CheckRow endless =
      row("test.endless.latency", scripted([](std::uint64_t) { return 40 * second_ns; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(missing, {{0}}), planned(endless, {{0}})};
  plan.checks[0].repeats = min_repeats;
  plan.checks[0].wanted_samples = 400;
  plan.checks[0].target = target(missing.id, "median", Comparison::at_most, 5.0);
  plan.checks[1].repeats = 1;
  plan.checks[1].budget_ns = second_ns;
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.verdict, Verdict::inconclusive);
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(min_repeats));
  EXPECT_THAT(record.reason, HasSubstr(" us in 4 repeats, the target is <= 5 us"));
  EXPECT_THAT(record.reason, HasSubstr("a FAIL wants at least 8: a longer --budget gives them"));
}

TEST_F(ExecutorTest, AMissThatTheBudgetCutsOffStillGetsItsEightRepeats) {
  // A visit takes some seconds, and the run's time is over after 19 s: between two looks.
  const CheckRow slow = row("test.slow.latency", scripted([](std::uint64_t) { return 500'000'000; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(slow, {{0}})};
  plan.checks[0].budget_ns = 12 * second_ns;
  plan.checks[0].target = target(slow.id, "median", Comparison::at_most, 150'000.0);
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.verdict, Verdict::fail) << record.reason;
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(fewest_repeats_of_a_fail));
  EXPECT_GT(clock_.now_ns(), 19 * second_ns) << "it was cut off once";
}

TEST_F(ExecutorTest, WhatPointsToAFailWaitsUntilAllOthersAreDone) {
  std::vector<std::string> order;
  const auto noted = [&](const std::string& name, std::int64_t cost_ns) {
    return row("test." + name + ".latency", [this, &order, name, cost_ns](const OperationRequest&) {
      order.push_back(name);
      return std::make_unique<Scripted>(
          clock_, [cost_ns](std::uint64_t) { return cost_ns; }, 0);
    });
  };
  const CheckRow missing = noted("missing", 9'000), other = noted("other", 3'000);
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(missing, {{0}}), planned(other, {{0}})};
  plan.checks[0].all_repeats = false;
  plan.checks[0].wanted_samples = plan.checks[1].wanted_samples = 400;
  plan.checks[0].target = target(missing.id, "median", Comparison::at_most, 5.0);
  const std::vector<CheckRecord> records = run_alone(plan);
  EXPECT_EQ(records.at(0).verdict, Verdict::fail);
  const auto last_other = std::find(order.rbegin(), order.rend(), "other");
  EXPECT_EQ(last_other - order.rbegin(), fewest_repeats_of_a_fail - min_repeats)
      << "its last four repeats come after everything else";
}

TEST_F(ExecutorTest, WhatIsMeasuredOnceIsNotRepeatedForAVerdict) {
  const CheckRow once = row("test.once.latency", scripted([](std::uint64_t) { return 9'000; }));
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(once, {{0}})};
  plan.checks[0].repeats = 1;
  plan.checks[0].target = target(once.id, "median", Comparison::at_most, 5.0);
  EXPECT_EQ(run_alone(plan).at(0).statistics.repeats.value_or(1), 1u);
}

TEST_F(ExecutorTest, WhatIsUndecidedGoesOnWhileTheRunHasTime) {
  // Every third visit is slow, so that four repeats do not agree.
  int repeats = 0;
  CheckRow noisy = row("test.noisy.latency", [&](const OperationRequest&) {
    const std::int64_t cost_ns = ++repeats % 3 == 0 ? 5'500 : 3'000;
    return std::make_unique<Scripted>(
        clock_, [cost_ns](std::uint64_t) { return cost_ns; }, 0);
  });
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(noisy, {{0}})};
  plan.checks[0].repeats = min_repeats;
  plan.checks[0].all_repeats = false;
  plan.checks[0].wanted_samples = 400;
  plan.checks[0].target = target(noisy.id, "median", Comparison::at_most, 5.0);
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(max_repeats));
}

TEST_F(ExecutorTest, TheHuntForCorruptionCostsNoRepeat) {
  // 10,000 comparisons of 1 ms are 10 s; the budget is 1 s.
  const CheckRow compared =
      row("test.compared.latency", scripted([](std::uint64_t) { return 3'000; }, 1'000'000));
  plan::TestPlan plan;
  plan.checks = {planned(compared, {{0}})};
  plan.checks[0].budget_ns = second_ns;
  const CheckRecord record = run_alone(plan, 10'000).at(0);
  EXPECT_EQ(record.statistics.repeats, static_cast<std::uint64_t>(max_repeats));
  EXPECT_GE(record.statistics.verified, 10'000u);
}

TEST_F(ExecutorTest, AnOverlapIsHeldAgainstItsTarget) {
  const CheckRow call = row("test.call.latency", scripted([](std::uint64_t) { return 3'000; }));
  CheckRow overlap = row("test.call.overlap", scripted([](std::uint64_t) { return 3'600; }));  // 80 % of 3 us
  overlap.computes_for = call.id;
  overlap.unit = "%";
  plan::TestPlan plan;
  plan.judged = 1;
  plan.checks = {planned(overlap, {{0}}), planned(call, {{0}})};  // in whatever order they are planned
  plan.checks[0].target = target(overlap.id, "median", Comparison::at_least, 50.0);
  const std::vector<CheckRecord> records = run_alone(plan);
  ASSERT_THAT(records, SizeIs(2));
  const CheckRecord& judged = records[0].id == overlap.id ? records[0] : records[1];
  EXPECT_EQ(judged.verdict, Verdict::pass) << judged.reason;
  EXPECT_NEAR(judged.value.value_or(0.0), 80.0, 3.0);
}

TEST_F(ExecutorTest, WhatBeginsFarBeyondTheBudgetIsNotMeasuredAndSaysWhy) {
  // An iteration takes a second, so each check takes far longer than its 100 ms.
  std::vector<CheckRow> rows;
  for (int i = 0; i < 40; ++i)
    rows.push_back(row("test.slow." + std::to_string(i), scripted([](std::uint64_t) { return second_ns; })));
  plan::TestPlan plan;
  for (const CheckRow& slow : rows) {
    plan.checks.push_back(planned(slow, {{0}}));
    plan.checks.back().budget_ns = second_ns / 10;
  }
  CheckRow rate = row("test.rate", nullptr);
  plan.checks[39].show = false;
  plan.checks[39].derived = {&rate};
  // Judged ones take their turn before all others; one that computes for another comes after them.
  CheckRow overlap = row("test.overlap", scripted([](std::uint64_t) { return second_ns; }));
  overlap.computes_for = rows[0].id;
  plan.checks.push_back(planned(overlap, {{0}}));
  plan.checks.back().target = target(overlap.id, "median", Comparison::at_least, 50.0);
  plan.judged = 1;
  const std::vector<CheckRecord> records = run_alone(plan);
  ASSERT_THAT(records, SizeIs(41));
  EXPECT_EQ(records[0].verdict, Verdict::unchecked);
  EXPECT_TRUE(records[0].value);
  EXPECT_EQ(records[39].id, rate.id) << "what was asked for is named, not what it follows from";
  EXPECT_EQ(records[39].verdict, Verdict::skipped);
  EXPECT_THAT(records[39].reason, HasSubstr("where 8.0 s were planned for all; give a larger --budget"));
  EXPECT_EQ(records[40].id, overlap.id);
  EXPECT_EQ(records[40].verdict, Verdict::inconclusive)
      << "what should be judged is not well for lack of a look";
  EXPECT_LT(clock_.now_ns(), 60 * second_ns);
}

/// Takes 5 us, or 1 us where it could have only half of its size.
class Shrinking final : public TimedOperation {
 public:
  Shrinking(TickingClock& clock, bool is_small) : clock_(clock), is_small_(is_small) {}
  void run(std::uint64_t, std::span<double> times_us) override {
    for (double& time_us : times_us) {
      time_us = is_small_ ? 1.0 : 5.0;
      clock_.advance(5'000);
    }
  }
  Verified verify(std::uint64_t, std::size_t) override { return {1, std::nullopt}; }
  std::map<std::string, Parameter> path() const override {
    if (!is_small_) return {};
    return {{"bytes_used", std::int64_t{512}}};
  }

 private:
  TickingClock& clock_;
  bool is_small_;
};

TEST_F(ExecutorTest, RepeatsOfAnotherSizeAreSaidAndDoNotCount) {
  int repeats = 0;
  CheckRow shrinking = row("test.shrinking.latency", nullptr);
  shrinking.make_timed = [&](const TimedRequest&) {
    const int repeat = repeats++;
    return std::make_unique<Shrinking>(clock_, repeat == 2 || repeat == 5);
  };
  plan::TestPlan plan;
  plan.checks = {planned(shrinking, {{0}})};
  plan.checks[0].bytes = 1024;
  const CheckRecord record = run_alone(plan).at(0);
  EXPECT_EQ(repeats, max_repeats);
  EXPECT_EQ(record.value, 5.0);
  EXPECT_EQ(record.statistics.max, 5.0);
  EXPECT_EQ(record.statistics.min, 5.0) << "none of the small ones is among them";
  EXPECT_EQ(record.reason, "2 of 16 repeats could have only another size and do not count");
}

/// Compares nothing, or finds an element wrong; or cannot prepare.
class Faulty final : public Operation {
 public:
  enum class Kind { none, wrong, throws };
  explicit Faulty(Kind kind) : kind_(kind) {}
  void prepare(std::uint64_t) override {
    if (kind_ == Kind::throws) throw std::runtime_error("no memory left");
  }
  void execute(std::uint64_t) override {}
  std::optional<Mismatch> verify(std::uint64_t iteration) override {
    if (kind_ != Kind::wrong) return std::nullopt;
    return Mismatch{3, "h1", iteration, 7, 1.0, 2.0};
  }
  bool verifies() const override { return true; }

 private:
  Kind kind_;
};

class ExecutorCulprit : public ExecutorTest {
 protected:
  /// Two groups of two ranks, the fault is rank 3's; the records by group.
  std::pair<CheckRecord, CheckRecord> run_with(Faulty::Kind kind) {
    const CheckRow faulty = row("test.faulty.latency", [kind](const OperationRequest& request) {
      return std::make_unique<Faulty>(request.world_rank == 3 ? kind : Faulty::Kind::none);
    });
    plan::TestPlan plan;
    plan.checks = {planned(faulty, {{0, 1}, {2, 3}})};
    plan.checks[0].mode = "together";
    plan.checks[0].budget_ns = second_ns / 4;
    const SteadyClock clock;
    run_ranks(4, [&](Communicator& world) { run(world, clock, plan); });
    const std::vector<CheckRecord> records = log_->checks();
    if (records.size() != 2) throw std::runtime_error("a record for each group was expected");
    return {records[0], records[1]};
  }
};

TEST_F(ExecutorCulprit, AWrongResultIsTheFailOfItsOwnGroup) {
  const auto [first, second] = run_with(Faulty::Kind::wrong);
  EXPECT_EQ(second.verdict, Verdict::fail);
  EXPECT_THAT(second.reason, HasSubstr("wrong result"));
  EXPECT_EQ(first.verdict, Verdict::skipped) << "a group without fault is not accused";
  EXPECT_THAT(first.reason, HasSubstr("stopped together with another group"));
}

TEST_F(ExecutorCulprit, AnErrorIsTheErrorOfItsOwnGroup) {
  const auto [first, second] = run_with(Faulty::Kind::throws);
  EXPECT_EQ(second.verdict, Verdict::error);
  EXPECT_THAT(second.reason, HasSubstr("no memory left"));
  EXPECT_EQ(first.verdict, Verdict::skipped);
  EXPECT_THAT(first.reason, HasSubstr("no memory left"));
}

}  // namespace
}  // namespace fabricheck::app
