#include "app/result_file.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "core/error.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

namespace fs = std::filesystem;

class ResultFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("result_file_test." + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  static RunRecord run_of(const std::string& started) {
    RunRecord record;
    record.started = started;
    record.verdict = Verdict::pass;
    record.verdict_reason = "as of " + started;
    return record;
  }
  fs::path folder_;
};

TEST_F(ResultFile, AnEarlierResultIsNotThatOfTheJournalBesideIt) {
  { const auto journal = report::Journal::create(folder_.string(), run_of("2026-11-28T10:00:00Z")); }
  // As on a disk where it could not be set aside.
  report::write_file((folder_ / "result.json").string(), report::to_json(run_of("2026-11-27T10:00:00Z")));
  const RunRecord read = read_result(folder_.string());
  EXPECT_EQ(read.started, "2026-11-28T10:00:00Z");
  EXPECT_NE(read.verdict, Verdict::pass);
  report::write_file((folder_ / "result.json").string(), report::to_json(run_of("2026-11-28T10:00:00Z")));
  EXPECT_EQ(read_result(folder_.string()).verdict, Verdict::pass);
}

TEST_F(ResultFile, OneThatIsNoResultIsAWrongArgument) {
  const std::string file = (folder_ / "notes.md").string();
  report::write_file(file, "# notes\n");
  EXPECT_THROW(read_result_argument("", file), UsageError);
  try {
    read_result_argument("OLD: ", file);
  } catch (const UsageError& error) {
    EXPECT_EQ(std::string(error.what()).find("OLD: " + file + ": not JSON"), 0U) << error.what();
  }
}

TEST_F(ResultFile, IsNotWrittenOverByWhatIsMadeOfIt) {
  for (const char* name : {"result.json", "journal.jsonl", "report.md"})
    report::write_file((folder_ / name).string(), "x");
  const std::string folder = folder_.string(), result = folder + "/result.json",
                    journal = folder + "/journal.jsonl";
  for (const std::string& input : {folder, result})
    EXPECT_THROW(refuse_own_input(input, folder + "/./result.json", "--output"), UsageError) << input;
  EXPECT_THROW(refuse_own_input(folder, journal, "--output"), UsageError);
  EXPECT_THROW(refuse_own_input(journal, journal, "--output"), UsageError);
  for (const std::string& output :
       {folder + "/report.md", folder + "/new.md", std::string(), std::string("-")})
    EXPECT_NO_THROW(refuse_own_input(folder, output, "--output")) << output;
}

}  // namespace
}  // namespace fabricheck::app
