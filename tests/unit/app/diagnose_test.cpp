#include "app/diagnose.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/error.hpp"
#include "report/report.hpp"
#include "unit/app/evidence_folder.hpp"
#include "unit/report/schema_validator.hpp"

namespace fabricheck::app {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class Diagnose : public EvidenceFolder {};

TEST_F(Diagnose, AFaultIsStatusOne) {
  const RunRecord found = record({write("a.log", kFault)});
  EXPECT_EQ(found.exit_status, exit_status::target_missed);
  EXPECT_EQ(found.verdict, Verdict::fail);
  ASSERT_FALSE(found.findings.empty());
  EXPECT_EQ(found.findings.front().slug, "shm-too-small");
  EXPECT_THAT(found.findings.front().evidence.front().file, HasSubstr("a.log"));
}

TEST_F(Diagnose, CompressedFilesAreReadAlike) {
  EXPECT_EQ(record({write_gz("a.log.gz", kFault)}).findings.front().slug, "shm-too-small");
}

TEST_F(Diagnose, NamesOfWhichNoneIsThereAreAMistakeOfTheCommandLine) {
  const std::string missing = (folder_ / "missing.log").string();
  EXPECT_THROW(record({missing}), UsageError);
  EXPECT_THROW(record({missing, missing + "2"}), UsageError);
}

TEST_F(Diagnose, AnUnreadableFileAmongSeveralIsSaidAndTheRestRead) {
  const std::string missing = (folder_ / "missing.log").string();
  const std::string empty = (folder_ / "empty").string();
  fs::create_directory(empty);
  const RunRecord found = record({missing, empty, write("a.log", kFault)});
  EXPECT_EQ(found.findings.front().slug, "shm-too-small");
  std::vector<std::string> reasons;
  for (const NotTested& one : found.not_tested)
    if (one.id == "diagnose.input") reasons.push_back(one.reason);
  ASSERT_EQ(reasons.size(), 2U);
  EXPECT_THAT(reasons[0], testing::AllOf(HasSubstr("missing.log"), HasSubstr("No such file")));
  EXPECT_THAT(reasons[1], HasSubstr("empty: is a folder without files"));
}

TEST_F(Diagnose, AFolderStandsForTheFilesInIt) {
  write("node10.log", kFault);
  write("node2.log", kFault);
  write(".hidden.log", kFault);
  fs::create_directory(folder_ / "below");
  DiagnoseOptions options;
  options.files = {folder_.string()};
  const auto seen = read_evidence(options);
  ASSERT_EQ(seen.files.size(), 2U);
  EXPECT_THAT(seen.files[0].name, HasSubstr("node2.log"));
  EXPECT_EQ(record({folder_.string()}).findings.front().slug, "shm-too-small");
}

TEST_F(Diagnose, WhatLiesInAFolderAndTellsNothingIsSaidAndHarmsNothing) {
  const std::string healthy = std::string(FABRICHECK_CASES_DIR) + "/nccl-logs/039.log";
  if (!fs::exists(healthy)) GTEST_SKIP() << "the recorded cases are not here";
  fs::copy_file(healthy, folder_ / "a.log");
  write("core.1", std::string(5000, '\0'));
  write("notes.txt", "lunch at noon\n");
  write("empty.txt", "");
  const RunRecord found = record({folder_.string()});
  EXPECT_EQ(found.verdict, Verdict::pass) << found.verdict_reason;
  EXPECT_THAT(found.not_tested, testing::Contains(testing::Field(&NotTested::reason,
                                                                 HasSubstr("3 of its files hold nothing"))));
  fs::remove(folder_ / "a.log");
  EXPECT_EQ(record({folder_.string()}).exit_status, exit_status::broken);
}

TEST_F(Diagnose, AFolderOfARunIsItsResult) {
  RunRecord result;
  CheckRecord check;
  check.id = "mpi.allreduce.latency";
  check.verdict = Verdict::fail;
  check.reason = "because";
  result.checks.push_back(check);
  result.verdict = Verdict::fail;
  write("result.json", report::to_json(result));
  write("report.md", "# a report\n");
  write("nccl.log", kFault);
  const RunRecord found = record({folder_.string()});
  std::vector<std::string> slugs;
  for (const Finding& finding : found.findings) slugs.push_back(finding.slug);
  EXPECT_THAT(slugs, testing::IsSupersetOf({"shm-too-small", "target-missed"}));
  EXPECT_THAT(found.not_tested, testing::Each(testing::Field(&NotTested::id, testing::Ne("diagnose.input"))));
}

TEST_F(Diagnose, ASecondFileOfNothingIsNotSavedByTheFirstsVariables) {
  const std::string one = write("a.log", "a1:10:20 [0] NCCL INFO NCCL_DEBUG set by environment to INFO.\n");
  EXPECT_THAT(problem({one, write("b.txt", "lunch at noon\n")}), HasSubstr("b.txt"));
}

constexpr const char* kGood = R"(# nccl-tests version 2.17.1
# Collective test starting: all_reduce_perf
#  Rank  0 Group  0 Pid   10 on     n1 device  0 [0x18] NVIDIA H100 80GB HBM3
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
   134217728      33554432     float     sum      -1   1000.0  134.22    2.00      0   1000.0  134.22    2.00      0
)";

TEST_F(Diagnose, ASpeedThatNothingIsHeldAgainstIsNoPass) {
  const RunRecord found = record({write("nccl-tests.txt", kGood)});
  EXPECT_EQ(found.verdict, Verdict::inconclusive);
  EXPECT_EQ(found.exit_status, exit_status::broken);
  std::string nan = kGood;
  for (std::size_t at = nan.find("   2.00 "); at != std::string::npos; at = nan.find("   2.00 "))
    nan.replace(at, 8, "    nan ");
  EXPECT_NE(record({write("nan.txt", nan)}).verdict, Verdict::pass);
}

TEST_F(Diagnose, WhatWasNotReadIsNotHealthy) {
  const std::string healthy = std::string(FABRICHECK_CASES_DIR) + "/nccl-logs/039.log";
  if (!fs::exists(healthy)) GTEST_SKIP() << "the recorded cases are not here";
  ASSERT_EQ(record({healthy}).verdict, Verdict::pass);
  const RunRecord found = record({healthy, (folder_ / "missing.log").string()});
  EXPECT_EQ(found.verdict, Verdict::inconclusive);
  EXPECT_THAT(found.verdict_reason, HasSubstr("1 of 2 files was not read"));
}

TEST_F(Diagnose, ADeviceIsNoFile) { EXPECT_THAT(problem({"/dev/zero"}), HasSubstr("it is a device")); }

TEST_F(Diagnose, WhatAResultMissedIsAFinding) {
  RunRecord result;
  for (const Verdict verdict : {Verdict::pass, Verdict::fail, Verdict::error, Verdict::fail}) {
    CheckRecord check;
    check.id = "mpi.allreduce.latency";
    check.scope = "scope " + std::to_string(result.checks.size());
    check.verdict = verdict;
    check.reason = "because";
    result.checks.push_back(check);
  }
  result.verdict = Verdict::fail;
  DiagnoseOptions options;
  options.result_file = write("result.json", report::to_json(result));
  const auto seen = read_evidence(options);
  const diagnose::Diagnosis diagnosis = diagnose::diagnose(seen);
  const RunRecord found = record_of(diagnosis, seen);
  EXPECT_EQ(found.verdict, Verdict::fail);
  ASSERT_EQ(found.findings.size(), 2U);
  EXPECT_EQ(found.findings[0].slug, "target-missed");
  EXPECT_THAT(found.findings[0].meaning, HasSubstr("2 of 4 checks"));
  EXPECT_EQ(found.findings[1].slug, "check-failed");
  EXPECT_THAT(diagnosis.seen.front(), HasSubstr("fabricheck result: FAIL, 4 checks"));
}

TEST_F(Diagnose, WhatIsNoLogIsSaid) {
  EXPECT_THAT(problem({write("empty", "")}), HasSubstr("is empty"));
  EXPECT_THAT(problem({write("poem", "shall I compare thee\nto a summer's day\n")}),
              HasSubstr("holds nothing that is known"));
  EXPECT_THAT(problem({write("binary", std::string(5000, '\0') + "x")}), HasSubstr("no text"));
  std::string wide;
  for (const char c : std::string("NCCL INFO x\n")) wide += {c, '\0'};
  EXPECT_THAT(problem({write("wide", wide)}), HasSubstr("UTF-16"));
  EXPECT_EQ(record({write("empty", "")}).exit_status, exit_status::broken);
}

TEST_F(Diagnose, ATruncatedArchiveIsReadAsFarAsItGoes) {
  std::string text = kFault;
  for (int i = 0; i < 20000; ++i) text += "a1:10:20 [1] NCCL INFO line " + std::to_string(i * 7919) + "\n";
  const std::string whole = write_gz("whole.gz", text);
  const std::string cut = write_gz("cut.gz", text, fs::file_size(whole) / 2);
  EXPECT_THAT(problem({cut}), HasSubstr("cut off"));
  EXPECT_EQ(record({cut}).findings.front().slug, "shm-too-small");
}

TEST_F(Diagnose, ALineOfTenMegabytesAndBytesThatAreNoTextAreSurvived) {
  const std::string file =
      write("long.log", std::string(10 << 20, 'x') + "\n\xff\xfe\x80 garbage \xc3\x28\n" + kFault);
  const RunRecord found = record({file});
  ASSERT_FALSE(found.findings.empty());
  EXPECT_EQ(found.findings.front().slug, "shm-too-small");
  EXPECT_EQ(found.findings.front().evidence.front().line, 3);
}

TEST_F(Diagnose, TheRecordIsValidJson) {
  RunRecord found =
      record({write("a.log", std::string(kFault) + "\xff" + kFault +
                                 "a1:10:20 [0] NCCL INFO NCCL_SHM_DISABLE set by environment to 1.\n"
                                 "a1:10:20 [0] misc/socket.cc:49 NCCL WARN socketProgress: Connection "
                                 "closed by remote peer b1<41109>\n"),
              (folder_ / "missing").string()});
  found.started = "2026-01-01T00:00:00Z";
  const std::string json = report::to_json(found);
  EXPECT_EQ(report::from_json(json, "json").findings, found.findings);
  EXPECT_VALID(json);
}

TEST_F(Diagnose, ATopologyOrAResultAmongTheFilesIsTaken) {
  const std::string matrix =
      "\tGPU0\tGPU1\tCPU Affinity\tNUMA Affinity\nGPU0\t X \tNV18\t0-7\t0\nGPU1\tNV18\t X \t0-7\t0\n";
  DiagnoseOptions options;
  options.files = {write("topo.txt", matrix), write("a.log", kFault)};
  const auto seen = read_evidence(options);
  ASSERT_TRUE(seen.topology);
  EXPECT_EQ(seen.topology->hosts.size(), 1U);

  const RunRecord again = record({write("result.json", report::to_json(diagnosed()))});
  ASSERT_EQ(again.findings.size(), 1U);
  EXPECT_EQ(again.findings[0].slug, "port-down");
  EXPECT_EQ(again.exit_status, exit_status::target_missed);
}

TEST_F(Diagnose, AFileThatCannotBeWrittenCostsNoFinding) {
  DiagnoseOptions options;
  options.files = {write("a.log", kFault)};
  options.json_file = (folder_ / "missing" / "findings.json").string();
  testing::internal::CaptureStdout();
  EXPECT_THROW(diagnose_files(options, {"fabricheck", "diagnose"}), Error);
  EXPECT_THAT(testing::internal::GetCapturedStdout(), HasSubstr("shm-too-small"));
}

TEST_F(Diagnose, ConsoleNamesCauseEvidenceMendAndWhatWasNotSeen) {
  const RunRecord found = record({write("a.log", kFault)});
  report::DiagnosisNotes notes;
  notes.read = "1 file read";
  const std::string text = report::console_diagnosis(found, notes, {});
  for (const char* part : {"FAIL", "shm-too-small", "means:", "evidence:", "a.log:1:", "do:", "--shm-size",
                           "confirm:", "sure: certain", "Not seen"})
    EXPECT_THAT(text, HasSubstr(part));
}

TEST(ListFindings, HasARowForEach) {
  const std::string text = findings_text();
  for (const diagnose::KnownFinding& known : diagnose::known_findings())
    EXPECT_THAT(text, HasSubstr(known.slug));
}

}  // namespace
}  // namespace fabricheck::app
