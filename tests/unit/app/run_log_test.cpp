#include "app/run_log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "report/journal.hpp"
#include "report/report.hpp"

namespace fabricheck::app {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(RunLogFolder, WhereItWasRemovedMeanwhileTheResultIsWrittenAllTheSame) {
  std::string name = (fs::temp_directory_path() / "run_log_XXXXXX").string();
  ASSERT_NE(::mkdtemp(name.data()), nullptr);
  const fs::path folder = name;
  const SteadyClock clock;
  RunLog log(RunRecord{}, folder.string(), clock);
  CheckRecord check;
  check.id = "mpi.barrier.latency";
  log.add(check);
  fs::remove_all(folder);
  const auto record = log.finish(std::chrono::seconds(5));
  ASSERT_TRUE(record);
  EXPECT_TRUE(fs::exists(folder / "result.json"));
  EXPECT_TRUE(fs::exists(folder / "report.md"));
  EXPECT_THAT(log.written_words(), HasSubstr("not written, or not whole: journal.jsonl"));
  EXPECT_THAT(log.written_words(), HasSubstr("removed while the run went on"));
  fs::remove_all(folder);
}

}  // namespace
}  // namespace fabricheck::app
