// The journal: what was measured survives a full disk, a crash and a torn line.
#include "report/journal.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "core/error.hpp"
#include "report/report.hpp"
#include "support/own_folder.hpp"
#include "support/sentence_of.hpp"
#include "unit/report/sample_record.hpp"
#include "unit/report/schema_validator.hpp"

namespace fabricheck::report {
namespace {

namespace fs = std::filesystem;
using report_test::full_record;
using report_test::latency_check;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class TemporaryFolder : public testing::Test {
 protected:
  static std::string read(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static void write(const fs::path& path, const std::string& text) {
    std::ofstream out(path, std::ios::binary);
    out << text;
  }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  const test::OwnFolder own_;
  const fs::path folder_ = own_.path();
};

/// Writes past `bytes` fail, as on a full disk, after as much as fits was written.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int);
};

class JournalTest : public TemporaryFolder {
 protected:
  static RunRecord header_of(const RunRecord& record) {
    RunRecord header = record;
    header.duration_s = 0;
    header.verdict = Verdict::inconclusive;
    header.exit_status = 3;
    header.verdict_reason.clear();
    header.overhead.clear();
    header.checks.clear();
    header.findings.clear();
    header.matrices.clear();
    header.fits.clear();
    header.not_tested.clear();
    return header;
  }
  /// All of `record` but the end line.
  void write_body(Journal& journal, const RunRecord& record) {
    for (const CheckRecord& check : record.checks) journal.append(check);
    for (const Finding& finding : record.findings) journal.append(finding);
    for (const Fit& fit : record.fits) journal.append(fit);
    for (const Matrix& matrix : record.matrices) journal.append(matrix);
    for (const NotTested& not_tested : record.not_tested) journal.append(not_tested);
  }
  std::string path() const { return (folder_ / "journal.jsonl").string(); }
  std::string rebuild_error() const {
    return test::sentence_of<Error>([this] { (void)rebuild(path()); });
  }
};

TEST_F(JournalTest, AWholeResultIsRebuilt) {
  const RunRecord record = full_record();
  Journal journal = Journal::create(folder_.string(), header_of(record));
  write_body(journal, record);
  journal.finish(record);
  EXPECT_EQ(rebuild(path()), record);
}

TEST_F(JournalTest, EachLineIsOnDiskWhenAppendReturns) {
  Journal journal = Journal::create((folder_ / "a" / "b").string(), header_of(full_record()));
  const fs::path file = folder_ / "a" / "b" / "journal.jsonl";
  EXPECT_THAT(read(file), StartsWith("{\"type\":\"header\""));
  journal.append(latency_check("barrier", Verdict::pass, 3));
  const std::string text = read(file);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, HasSubstr("\n{\"type\":\"check\",\"id\":\"mpi.barrier.latency\""));
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(JournalTest, TheEndLineHasTheLastWordOnTheOrderOfFindings) {
  RunRecord record = full_record();
  record.findings.push_back(record.findings[0]);
  record.findings[1].slug = "cause";
  Journal journal = Journal::create(folder_.string(), header_of(record));
  write_body(journal, record);
  std::swap(record.findings[0], record.findings[1]);
  journal.finish(record);
  EXPECT_EQ(rebuild(path()), record);
}

TEST_F(JournalTest, WithoutItsEndTheRunWasCutShortAndDidNotPass) {
  RunRecord record = full_record();
  record.checks = {latency_check("barrier", Verdict::pass, 3)};
  record.findings.clear();
  {
    Journal journal = Journal::create(folder_.string(), header_of(record));
    journal.append(record.checks[0]);
  }
  const RunRecord rebuilt = rebuild(path());
  EXPECT_EQ(rebuilt.checks, record.checks);
  EXPECT_EQ(rebuilt.exit_status, 3);
  EXPECT_EQ(rebuilt.verdict, Verdict::inconclusive);
  EXPECT_THAT(rebuilt.verdict_reason, StartsWith("the run was cut short"));
  ASSERT_EQ(rebuilt.not_tested.size(), 1u);
  EXPECT_EQ(rebuilt.not_tested[0].id, "run");
  EXPECT_THAT(rebuilt.not_tested[0].reason, StartsWith("the run was cut short"));
  EXPECT_VALID(to_json(rebuilt));
}

TEST_F(JournalTest, AMissedTargetOfACutRunStaysMissed) {
  {
    Journal journal = Journal::create(folder_.string(), header_of(full_record()));
    journal.append(full_record().checks[0]);
  }
  const RunRecord rebuilt = rebuild(path());
  EXPECT_EQ(rebuilt.verdict, Verdict::fail);
  EXPECT_EQ(rebuilt.exit_status, 1);
}

TEST_F(JournalTest, OneThatWasRemovedMeanwhileIsNoJournalAnyMore) {
  Journal journal = Journal::create(folder_.string(), header_of(full_record()));
  journal.append(full_record().checks[0]);
  fs::remove_all(folder_);
  EXPECT_THROW(journal.finish(full_record()), Error);
}

TEST_F(JournalTest, AFindingThatTheHeaderKnewIsNotDoubled) {
  const RunRecord record = full_record();
  RunRecord header = header_of(record);
  header.findings = record.findings;
  {
    Journal journal = Journal::create(folder_.string(), header);
    journal.append(record.findings[0]);
  }
  EXPECT_EQ(rebuild(path()).findings, record.findings);
}

TEST_F(JournalTest, CutAnywhereAfterTheHeaderTheWholeLinesAreKept) {
  const RunRecord record = full_record();
  {
    Journal journal = Journal::create(folder_.string(), header_of(record));
    journal.append(latency_check("barrier", Verdict::pass, 3));
    journal.append(record.checks[0]);
  }
  const std::string text = read(path());
  const std::size_t header_end = text.find('\n') + 1;
  const std::size_t first_end = text.find('\n', header_end) + 1;
  for (std::size_t length = header_end; length <= text.size();
       length += text.size() - length < 3 || (length + 4 > first_end && length < first_end + 2) ? 1 : 3) {
    write(path(), text.substr(0, length));
    const RunRecord rebuilt = rebuild(path());
    // A line that lacks only its newline is whole.
    const std::size_t checks = (length + 1 >= first_end ? 1u : 0u) + (length + 1 >= text.size() ? 1u : 0u);
    ASSERT_EQ(rebuilt.checks.size(), checks) << length;
    ASSERT_NE(rebuilt.exit_status, 0) << length;
    const bool torn =
        length > header_end && length + 1 != first_end && length != first_end && length + 1 < text.size();
    ASSERT_EQ(rebuilt.verdict_reason.find("last line was torn") != std::string::npos, torn) << length;
  }
}

TEST_F(JournalTest, BlocksThatNeverReachedTheDiskAreATornLine) {
  { Journal::create(folder_.string(), header_of(full_record())).append(full_record().checks[0]); }
  write(path(), read(path()) + std::string(512, '\0'));
  const RunRecord rebuilt = rebuild(path());
  EXPECT_EQ(rebuilt.checks.size(), 1u);
  EXPECT_THAT(rebuilt.verdict_reason, HasSubstr("torn"));
}

TEST_F(JournalTest, AWrongLineIsNamedWithItsNumber) {
  const RunRecord record = full_record();
  {
    Journal journal = Journal::create(folder_.string(), header_of(record));
    journal.append(record.checks[0]);
    journal.finish(record);
  }
  const std::string good = read(path());
  const std::string header = good.substr(0, good.find('\n') + 1);
  const std::string end = good.substr(good.rfind("\n{") + 1);

  write(path(), header + "half a li\n" + end);
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ":2: not JSON"));
  write(path(), header + "{\"type\":\"sorcery\"}\n" + end);
  EXPECT_THAT(rebuild_error(),
              AllOf(StartsWith(path() + ":2: /type: expected one of"), HasSubstr("sorcery")));
  write(path(), header + "{\"type\":\"check\",\"id\":7}\n" + end);
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ":2: /id: expected a string"));
  write(path(), header + "\n" + end);
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ":2: "));
  write(path(), header + header + end);
  EXPECT_EQ(rebuild_error(), path() + ":2: a second header");
  write(path(), good + end);
  EXPECT_EQ(rebuild_error(), path() + ":4: a line after the end of the journal");
  write(path(), end + header);
  EXPECT_EQ(rebuild_error(), path() + ":1: the first line of a journal is its header");
}

TEST_F(JournalTest, WhatIsNoJournalIsRefused) {
  EXPECT_EQ(rebuild_error(), path() + ": cannot be read: No such file or directory");
  write(path(), "");
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ": is empty"));
  write(path(), "{\"type\":\"header\",\"sch");
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ":1: not JSON"));
  write(path(), "[]\n");
  EXPECT_THAT(rebuild_error(), StartsWith(path() + ":1: "));
  EXPECT_THAT(test::sentence_of<Error>([this] { (void)rebuild(folder_.string()); }),
              HasSubstr("it is a folder"));
}

TEST_F(JournalTest, OnAFullDiskTheEarlierLinesStayWhole) {
  Journal journal = Journal::create(folder_.string(), header_of(full_record()));
  journal.append(latency_check("barrier", Verdict::pass, 3));
  const std::string before = read(path());
  {
    const FileSizeLimit limit(before.size() + 100);
    const std::string error = test::sentence_of<Error>([&] { journal.append(full_record().checks[0]); });
    EXPECT_THAT(error, AllOf(StartsWith(path() + ": "), HasSubstr("File too large")));
    EXPECT_EQ(read(path()), before);
    EXPECT_EQ(rebuild(path()).checks.size(), 1u);
  }
  // There is room again.
  journal.append(full_record().checks[0]);
  journal.finish(full_record());
  EXPECT_EQ(rebuild(path()).checks.size(), 2u);
}

TEST_F(JournalTest, SaysWhyTheSystemRefused) {
  fs::create_symlink("/dev/full", path());
  const std::string error =
      test::sentence_of<Error>([this] { (void)Journal::create(folder_.string(), header_of(full_record())); });
  EXPECT_THAT(error, AllOf(StartsWith(path()), HasSubstr("No space left on device")));
}

TEST_F(JournalTest, ASecondRunInTheSameFolderIsRefusedAndHarmsNothing) {
  Journal first = Journal::create(folder_.string(), header_of(full_record()));
  const std::string before = read(path());
  const std::string error = test::sentence_of<UsageError>(
      [this] { (void)Journal::create(folder_.string(), header_of(full_record())); });
  EXPECT_THAT(error, HasSubstr("another run is writing here"));
  EXPECT_EQ(read(path()), before);
}

TEST_F(JournalTest, ANewRunReplacesAnOldJournal) {
  { Journal::create(folder_.string(), header_of(full_record())).append(full_record().checks[0]); }
  { Journal::create(folder_.string(), header_of(full_record())); }
  EXPECT_TRUE(rebuild(path()).checks.empty());
}

TEST_F(JournalTest, AFolderThatCannotEvenBeLookedForIsAMistakeOfTheCommandLine) {
  const std::string error =
      test::sentence_of<UsageError>([] { require_writable("/" + std::string(300, 'x')); });
  EXPECT_THAT(error, HasSubstr("cannot be created"));
}

TEST_F(JournalTest, TheJournalOfARunThatWasCutShortIsKept) {
  { Journal::create(folder_.string(), header_of(full_record())).append(full_record().checks[0]); }
  const std::string earlier = read(path());
  { Journal::create(folder_.string(), header_of(full_record())); }
  EXPECT_EQ(read(folder_ / "journal.jsonl.previous"), earlier);
  // A run that begins while another one writes disturbs neither.
  const Journal running = Journal::create(folder_.string(), header_of(full_record()));
  const std::string before = read(path());
  EXPECT_THROW((void)Journal::create(folder_.string(), header_of(full_record())), UsageError);
  EXPECT_EQ(read(path()), before);
}

TEST_F(JournalTest, WhatAnEarlierRunWroteIsSetAsideAndKept) {
  for (const char* name : {"result.json", "report.md", "topology.json"})
    write(folder_ / name, "of yesterday");
  RunRecord header = full_record();
  header.started = "2026-11-28T02:35:38Z";
  const Journal journal = Journal::create(folder_.string(), header);
  for (const char* name : {"result.json", "report.md", "topology.json"}) {
    EXPECT_FALSE(fs::exists(folder_ / name)) << name;
    EXPECT_EQ(read(folder_ / (std::string(name) + ".previous")), "of yesterday");
  }
  EXPECT_EQ(started_of((folder_ / "journal.jsonl").string()), header.started);
  EXPECT_FALSE(started_of((folder_ / "result.json.previous").string()));
  EXPECT_FALSE(started_of((folder_ / "nowhere").string()));
}

TEST_F(JournalTest, TheLastLineOfACheckCountsAndKeepsItsFiguresWhereItHasNone) {
  CheckRecord check = full_record().checks[0];
  Journal journal = Journal::create(folder_.string(), header_of(full_record()));
  check.verdict = Verdict::pass;
  check.reason.clear();
  check.value = 1.0;
  journal.append(check);
  check.value = 2.0;
  journal.append(check);
  CheckRecord cut_short = check;
  cut_short.value.reset();
  cut_short.verdict = Verdict::error;
  cut_short.reason = "rank 2 on n2 died";
  journal.append(cut_short);
  const auto checks = rebuild(path()).checks;
  ASSERT_EQ(checks.size(), 1u);
  EXPECT_EQ(checks[0].value, 2.0) << "what was measured is not lost";
  EXPECT_EQ(checks[0].verdict, Verdict::error);
  EXPECT_EQ(checks[0].reason, "rank 2 on n2 died");
}

TEST_F(JournalTest, MovingAJournalMovesTheFile) {
  Journal first = Journal::create(folder_.string(), header_of(full_record()));
  Journal second = std::move(first);
  second.append(full_record().checks[0]);
  Journal third = Journal::create((folder_ / "other").string(), header_of(full_record()));
  third = std::move(second);
  CheckRecord another = full_record().checks[0];
  another.parameters["bytes"] = std::int64_t{4096};
  third.append(another);
  EXPECT_EQ(rebuild(path()).checks.size(), 2u);
}

using FilesTest = TemporaryFolder;

TEST_F(FilesTest, WriteFileReplacesAndLeavesNothingElse) {
  const fs::path file = folder_ / "result.json";
  write_file(file.string(), "first");
  write_file(file.string(), "second");
  EXPECT_EQ(read(file), "second");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, AFailedWriteLeavesTheOldFile) {
  const fs::path file = folder_ / "result.json";
  write_file(file.string(), "first");
  const FileSizeLimit limit(100);
  const std::string error =
      test::sentence_of<Error>([&] { write_file(file.string(), std::string(1000, 'x')); });
  EXPECT_EQ(error, file.string() + ": cannot be written: File too large");
  EXPECT_EQ(read(file), "first");
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, WriteFileNamesPathAndReason) {
  const std::string missing = (folder_ / "no" / "result.json").string();
  EXPECT_EQ(test::sentence_of<Error>([&] { write_file(missing, "x"); }),
            missing + ": cannot be written: No such file or directory");
  EXPECT_THAT(test::sentence_of<Error>([&] { write_file(folder_.string(), "x"); }),
              HasSubstr("it is a folder"));
}

TEST_F(FilesTest, ALinkStaysALink) {
  write(folder_ / "real", "old");
  fs::create_symlink("real", folder_ / "link");
  write_file((folder_ / "link").string(), "new");
  EXPECT_TRUE(fs::is_symlink(folder_ / "link"));
  EXPECT_EQ(read(folder_ / "real"), "new");
}

TEST_F(FilesTest, APipeIsWrittenToAndNotReplaced) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  const int reader = ::open(pipe.c_str(), O_RDONLY | O_NONBLOCK);
  write_file(pipe.string(), "text");
  char got[8]{};
  EXPECT_EQ(::read(reader, got, sizeof got), 4);
  ::close(reader);
  EXPECT_TRUE(fs::is_fifo(pipe));
}

TEST_F(FilesTest, APipeThatNobodyReadsIsNotWaitedFor) {
  const fs::path pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(test::sentence_of<Error>([&] { write_file(pipe.string(), "text"); }),
              HasSubstr("nobody reads this pipe"));
}

TEST_F(FilesTest, RequireWritableCreatesTheFolderAndLeavesItEmpty) {
  const fs::path folder = folder_ / "a" / "b";
  require_writable(folder.string());
  EXPECT_TRUE(fs::is_directory(folder));
  EXPECT_TRUE(fs::is_empty(folder));
  require_writable(folder.string());
}

TEST_F(FilesTest, RequireWritableSaysWhatIsInTheWay) {
  const fs::path file = folder_ / "file";
  write(file, "x");
  EXPECT_EQ(test::sentence_of<UsageError>([&] { require_writable(file.string()); }),
            file.string() + " is a file: the output folder must be a folder");
  const std::string below = (file / "below").string();
  EXPECT_EQ(test::sentence_of<UsageError>([&] { require_writable(below); }),
            "the output folder " + below + " cannot be created: Not a directory");
  EXPECT_THAT(test::sentence_of<UsageError>([] { require_writable("/proc"); }),
              StartsWith("the output folder /proc cannot be written: "));
  EXPECT_THAT(test::sentence_of<UsageError>([] { require_writable(""); }), HasSubstr("empty name"));
  EXPECT_EQ(entries(), 1u);
}

TEST_F(FilesTest, RequireWritableSeesAFullDisk) {
  const FileSizeLimit limit(0);
  EXPECT_THAT(test::sentence_of<UsageError>([&] { require_writable(folder_.string()); }),
              AllOf(HasSubstr(folder_.string()), HasSubstr("File too large")));
  EXPECT_EQ(entries(), 0u);
}

}  // namespace
}  // namespace fabricheck::report
