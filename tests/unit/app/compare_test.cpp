// The command compare and the baseline of a run: files in, exit status and findings out.
#include "app/compare.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "app/run_log.hpp"
#include "core/error.hpp"
#include "report/journal.hpp"
#include "support/own_folder.hpp"
#include "support/sentence_of.hpp"

namespace fabricheck::app {
namespace {

using testing::AllOf;
using testing::HasSubstr;

RunRecord result(double value) {
  RunRecord record;
  record.world.hosts = {"n1"};
  CheckRecord check;
  check.id = "mpi.bcast.latency";
  check.title = "MPI bcast latency";
  check.scope = "inside node";
  check.metric = "latency";
  check.unit = "us";
  check.value = value;
  check.ci95 = Interval{value * 0.999, value * 1.001};
  check.statistics.blocks = 64;
  check.statistics.repeats = 64;
  check.participants = {"n1"};
  check.verdict = Verdict::pass;
  check.target = AppliedTarget{"<", 100.0, "median", "test"};
  record.checks = {check};
  return record;
}

class Compare : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& text) {
    const std::string file = (folder_ / name).string();
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    report::write_file(file, text);
    return file;
  }
  std::string write(const std::string& name, double value) {
    return write(name, report::to_json(result(value)) + "\n");
  }
  static int status(const std::string& before, const std::string& after, double tolerance = 5.0) {
    testing::internal::CaptureStdout();
    const auto text = [] { return testing::internal::GetCapturedStdout(); };
    try {
      const int status = compare_results({before, after, tolerance});
      EXPECT_THAT(text(), HasSubstr("What changed besides the figures"));
      return status;
    } catch (...) {
      EXPECT_EQ(text(), "");
      throw;
    }
  }
  static std::string error(const std::string& before, const std::string& after) {
    return test::sentence_of([&] { status(before, after); });
  }

  const test::OwnFolder own_;
  const std::filesystem::path folder_ = own_.path();
};

TEST_F(Compare, ExitStatusSaysWhetherSomethingBecameWorse) {
  const std::string slow = write("slow.json", 3.6), fast = write("fast.json", 3.0);
  EXPECT_EQ(status(fast, fast), exit_status::passed);
  EXPECT_EQ(status(slow, fast), exit_status::passed);
  EXPECT_EQ(status(fast, slow), exit_status::target_missed);
  EXPECT_EQ(status(fast, slow, 30.0), exit_status::passed);
  RunRecord other = result(3.0);
  other.checks[0].id = "mpi.barrier.latency";
  EXPECT_EQ(status(fast, write("other.json", report::to_json(other))), exit_status::broken);
}

TEST_F(Compare, TakesFoldersAndJournals) {
  const std::string fast = write("fast/result.json", 3.0);
  RunRecord slow = result(3.6);
  const std::string folder = (folder_ / "slow").string();
  {
    report::Journal journal = report::Journal::create(folder, slow);
    for (const CheckRecord& check : slow.checks) journal.append(check);
    journal.finish(slow);
  }
  EXPECT_EQ(status((folder_ / "fast").string(), folder), exit_status::target_missed);
  EXPECT_EQ(status(fast, folder + "/journal.jsonl"), exit_status::target_missed);
}

TEST_F(Compare, AFileThatIsNoResultIsNamedWithWhatIsWrong) {
  const std::string good = write("good.json", 3.0);
  const std::string missing = (folder_ / "missing.json").string();
  EXPECT_THAT(error(missing, good), AllOf(HasSubstr("OLD: "), HasSubstr(missing), HasSubstr("No such file")));
  EXPECT_THAT(error(good, missing), HasSubstr("NEW: "));
  EXPECT_THAT(error(write("text.json", std::string("hello")), good), HasSubstr("text.json: not JSON"));
  EXPECT_THAT(error(write("none.json", std::string("{}")), good),
              HasSubstr("this is not a result of fabricheck"));
  RunRecord later = result(3.0);
  later.schema = "fabricheck/2";
  EXPECT_THAT(error(write("later.json", report::to_json(later)), good),
              AllOf(HasSubstr("later.json"), HasSubstr("\"fabricheck/1\""), HasSubstr("\"fabricheck/2\"")));
  EXPECT_THAT(error(folder_.string(), good), HasSubstr("holds neither result.json nor journal.jsonl"));
  EXPECT_THROW(Baseline(missing, 5.0), UsageError);
}

TEST_F(Compare, ARunWorseThanItsBaselineSaysSoInItsResult) {
  const Baseline baseline(write("baseline.json", 3.0), 5.0);
  const auto run = [&](double value, const std::string& out) {
    RunRecord header = result(value);
    const CheckRecord check = header.checks.front();
    header.checks.clear();
    const std::string folder = (folder_ / out).string();
    const SteadyClock clock;
    RunLog log(header, folder, clock);
    log.add_last_findings([&](const RunRecord& record) { return baseline.findings(record); });
    log.add(check);
    const auto record = log.finish(std::chrono::seconds(5));
    EXPECT_EQ(log.finish(std::chrono::seconds(5))->findings.size(), record->findings.size());
    EXPECT_EQ(report::rebuild(folder + "/journal.jsonl").findings, record->findings);
    return *record;
  };
  const RunRecord worse = run(3.6, "worse");
  EXPECT_EQ(worse.exit_status, exit_status::target_missed);
  ASSERT_EQ(worse.findings.size(), 1u);
  EXPECT_EQ(worse.findings[0].slug, "regression");
  EXPECT_THAT(baseline.text(worse, {}), HasSubstr("1 worse, 0 better"));
  const RunRecord same = run(3.0, "same");
  EXPECT_EQ(same.exit_status, exit_status::passed);
  EXPECT_TRUE(same.findings.empty());
}

}  // namespace
}  // namespace fabricheck::app
