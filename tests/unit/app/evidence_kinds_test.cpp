// What diagnose takes a file for, and that nothing in it is lost thereby.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/topology_file.hpp"
#include "report/journal.hpp"
#include "report/report.hpp"
#include "unit/app/evidence_folder.hpp"

namespace fabricheck::app {
namespace {

using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kMatrix =
    "\tGPU0\tGPU1\tNIC0\tCPU Affinity\tNUMA Affinity\nGPU0\t X \tNV18\tPIX\t0-7\t0\nGPU1\tNV18\t X "
    "\tPIX\t0-7\t0\n"
    "NIC0\tPIX\tPIX\t X \n\nNIC Legend:\n\n  NIC0: mlx5_7\n";
constexpr const char* kXid = "kernel: NVRM: Xid (PCI:0000:dc:00): 79, pid=1, GPU has fallen off the bus.\n";

class EvidenceKinds : public EvidenceFolder {
 protected:
  static std::vector<std::string> not_read(const RunRecord& found) {
    std::vector<std::string> reasons;
    for (const NotTested& one : found.not_tested)
      if (one.id == "diagnose.input") reasons.push_back(one.reason);
    return reasons;
  }
};

void expect_topology_of_matrix(const diagnose::Observations& seen) {
  ASSERT_TRUE(seen.topology);
  ASSERT_EQ(seen.topology->kinds.size(), 1U);
  EXPECT_EQ(seen.topology->kinds[0].gpus.size(), 2U);
  ASSERT_EQ(seen.topology->kinds[0].rdma_devices.size(), 1U);
  EXPECT_EQ(seen.topology->kinds[0].rdma_devices[0].name, "mlx5_7");
}

TEST_F(EvidenceKinds, AMatrixAmongOtherLinesIsTakenAndTheyAreRead) {
  const std::string file = write("node.txt", std::string("Sat Nov 28\n") + kMatrix + kXid + kFault);
  const auto seen = observations({file});
  expect_topology_of_matrix(seen);
  ASSERT_EQ(seen.files.size(), 1U);
  EXPECT_EQ(seen.files[0].lines, 11U);
  EXPECT_THAT(seen.files[0].kinds, testing::UnorderedElementsAre("NCCL log", "topology"));
  const RunRecord found = record({file});
  std::vector<std::pair<std::string, std::int64_t>> findings;
  for (const Finding& finding : found.findings)
    findings.emplace_back(finding.slug, finding.evidence.front().line);
  EXPECT_THAT(findings, testing::IsSupersetOf({std::pair<std::string, std::int64_t>("gpu-xid", 10),
                                               std::pair<std::string, std::int64_t>("shm-too-small", 11)}));
}

TEST_F(EvidenceKinds, ARecordedMatrixIsTheOneOfTheWholeFile) {
  const std::filesystem::path cases = std::filesystem::path(FABRICHECK_CASES_DIR) / "topo-m";
  if (!std::filesystem::is_directory(cases)) GTEST_SKIP() << "the recorded cases are not here";
  for (const auto& entry : std::filesystem::directory_iterator(cases)) {
    if (entry.path().extension() != ".txt") continue;
    const auto seen = observations({entry.path().string()});
    ASSERT_TRUE(seen.topology) << entry.path();
    const ClusterTopology whole = load_topology(entry.path().string());
    EXPECT_EQ(seen.topology->kinds.front().given_paths, whole.kinds.front().given_paths) << entry.path();
    EXPECT_EQ(seen.topology->hosts, whole.hosts) << entry.path();
    EXPECT_EQ(seen.topology->kinds, whole.kinds) << entry.path();
  }
}

TEST_F(EvidenceKinds, AMatrixIsFoundBehindAnything) {
  std::string text;
  for (int i = 0; i < 30000; ++i) text += "step " + std::to_string(i) + " took 1.0 s\n" + kFault;
  expect_topology_of_matrix(observations({write("late.log", text + kMatrix + text)}));
}

TEST_F(EvidenceKinds, ALineLikeARowHidesNoMatrix) {
  std::string text = "worker on GPU0 X of 8\n";
  for (int i = 0; i < 300; ++i) text += "step\n";
  expect_topology_of_matrix(observations({write("far.txt", text + kMatrix)}));
  expect_topology_of_matrix(
      observations({write("near.txt", "worker on GPU0 X of 8\n" + std::string(kMatrix))}));
}

TEST_F(EvidenceKinds, ABrokenMatrixIsSaidWhereNothingElseIsKnown) {
  const std::string broken = "hello\n\tGPU0\tGPU1\tCPU Affinity\n";
  EXPECT_THAT(problem({write("a.txt", broken)}), HasSubstr("a.txt:2: the matrix has a header and no row"));
  EXPECT_FALSE(observations({write("c.txt", "worker on GPU0 X of 8\n")}).topology);
  EXPECT_EQ(problem({write("b.txt", broken + kXid)}), "");
  EXPECT_EQ(record({write("b.txt", broken + kXid)}).findings.front().slug, "gpu-xid");
}

TEST_F(EvidenceKinds, AMatrixReplacesNoTopology) {
  ClusterTopology topology;
  topology.kinds.emplace_back().gpus.resize(8);
  topology.hosts.emplace_back().name = "n1";
  const std::string whole = write("topology.json", report::topology_to_json(topology));
  const auto seen = observations({whole, write("node.txt", kMatrix)});
  ASSERT_TRUE(seen.topology);
  EXPECT_EQ(seen.topology->kinds[0].gpus.size(), 8U);
  EXPECT_THAT(seen.files[1].kinds, Contains("topology"));
}

TEST_F(EvidenceKinds, AMatrixInACutArchiveCounts) {
  std::string text = kMatrix;
  for (int i = 0; i < 20000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  const std::string whole = write_gz("whole.gz", text);
  const auto seen = observations({write_gz("cut.gz", text, std::filesystem::file_size(whole) / 2)});
  expect_topology_of_matrix(seen);
  EXPECT_THAT(seen.files[0].problem, HasSubstr("cut off"));
}

TEST_F(EvidenceKinds, AFaultBehindAProgressBarIsFound) {
  std::string text = "start\n";
  for (int i = 0; i < 30000; ++i) text += "\r " + std::to_string(i) + "/30000 [00:01<00:02, 3it/s]";
  const RunRecord found = record({write("job.log", text + "\r" + kFault)});
  ASSERT_FALSE(found.findings.empty());
  EXPECT_EQ(found.findings.front().evidence.front().line, 2);
  EXPECT_THAT(not_read(found), IsEmpty());
}

TEST_F(EvidenceKinds, WhatWasCutIsSaidAndHarmsNothing) {
  const std::string healthy = std::string(FABRICHECK_CASES_DIR) + "/nccl-logs/039.log";
  if (!std::filesystem::exists(healthy)) GTEST_SKIP() << "the recorded cases are not here";
  std::ifstream in(healthy, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  const std::string tail = std::string(100 << 10, 'x') + "\n";
  const RunRecord found = record({write("a.log", tail + tail + text)});
  EXPECT_EQ(found.verdict, Verdict::pass) << found.verdict_reason;
  EXPECT_THAT(not_read(found), testing::ElementsAre(HasSubstr(
                                   "a.log:1: the line is longer than 64 KiB, and its rest was left out; so "
                                   "were those of 1 more")));
}

TEST_F(EvidenceKinds, ALogWrappedInJsonIsReadAsItWasWritten) {
  const std::string wrapped =
      R"({"log":"a1:10:20 [1] NCCL INFO Bootstrap : Using eth0:10.1.1.1\u003c0\u003e\n","stream":"stdout"})"
      "\n"
      R"({"log":" 1%\r 2%\ra1:10:20 [1] misc/shmutils.cc:71 NCCL WARN Error: failed to extend )"
      R"(/dev/shm/nccl-abcdef to 5967876 bytes\n","stream":"stderr"})"
      "\n";
  for (const std::string& text : {wrapped, wrapped.substr(wrapped.find('\n') + 1), "starting\n" + wrapped}) {
    const RunRecord found = record({write("a-json.log", text)});
    ASSERT_FALSE(found.findings.empty());
    EXPECT_EQ(found.findings.front().slug, "shm-too-small");
    EXPECT_EQ(found.findings.front().evidence.front().text + "\n", kFault);
    EXPECT_EQ(found.findings.front().evidence.front().line, std::count(text.begin(), text.end(), '\n'));
    EXPECT_THAT(found.world.hosts, testing::ElementsAre("a1"));
  }
}

TEST_F(EvidenceKinds, JsonOfOthersIsReadByLines) {
  const std::string config = "{\n  \"lr\": 0.1,\n  \"model\": {\"layers\": 8}\n}\n";
  EXPECT_EQ(record({write("job.log", config + kFault)}).findings.front().evidence.front().line, 5);
  EXPECT_EQ(record({write("job.log", std::string("{'lr': 0.1}\n") + kFault)}).findings.front().slug,
            "shm-too-small");
  EXPECT_THAT(problem({write("config.json", config)}), HasSubstr("holds nothing that is known here"));
}

TEST_F(EvidenceKinds, AResultIsOneWhateverItQuotes) {
  const RunRecord again = record({write("result.json", report::to_json(diagnosed()))});
  ASSERT_EQ(again.findings.size(), 1U);
  EXPECT_EQ(again.findings[0].slug, "port-down");
}

TEST_F(EvidenceKinds, AResultThatAnotherProgramSortedIsOne) {
  std::string text = report::to_json(diagnosed());
  const std::string schema = "\"schema\": \"fabricheck/1\"";
  const std::size_t at = text.find(schema);
  ASSERT_NE(at, std::string::npos);
  text.erase(at, text.find('"', at + schema.size()) - at);
  text.erase(text.rfind('}'));
  const RunRecord again = record(
      {write("result.json", text + ",\n\"other\": \"" + std::string(70000, 'x') + "\",\n" + schema + "}\n")});
  ASSERT_EQ(again.findings.size(), 1U) << again.verdict_reason;
  EXPECT_EQ(again.findings[0].slug, "port-down");
}

TEST_F(EvidenceKinds, ADamagedResultIsRefused) {
  const std::string text = report::to_json(diagnosed());
  EXPECT_THAT(problem({write("cut.json", text.substr(0, text.size() / 2))}), HasSubstr("cut.json: not JSON"));
  EXPECT_THAT(problem({write("later.json", "{\"schema\": \"fabricheck/9\"}\n")}),
              HasSubstr("this program reads \"fabricheck/1\", found the string \"fabricheck/9\""));
  EXPECT_THAT(problem({write("topology.json", "{\"kinds\": 1}\n")}), HasSubstr("/kinds: expected an array"));
}

TEST_F(EvidenceKinds, AJournalIsTheResultThatItTellsOf) {
  RunRecord header = diagnosed();
  header.findings.clear();
  report::Journal::create(folder_.string(), header).append(diagnosed().findings.front());
  const auto seen = observations({(folder_ / "journal.jsonl").string()});
  ASSERT_TRUE(seen.result) << seen.files.front().problem;
  EXPECT_EQ(seen.result->findings.size(), 1U);
}

TEST_F(EvidenceKinds, APackedFileInAFolderIsNamedAndHarmsNothing) {
  write("a.log", kFault);
  const std::string packed = write("b.log.xz",
                                   "\xfd"
                                   "7zXZ" +
                                       std::string("\0\0\4", 3));
  const RunRecord found = record({folder_.string()});
  EXPECT_EQ(found.findings.front().slug, "shm-too-small");
  EXPECT_THAT(not_read(found),
              testing::ElementsAre(packed + ": is compressed by xz; unpack it first (xz -d)"));
  EXPECT_THAT(problem({packed}), HasSubstr("is compressed by xz"));
}

TEST_F(EvidenceKinds, AKernelLogWithoutAFaultIsRead) {
  const char* const uptime = "[59699.358334] p4: left promiscuous mode\n";
  const char* const date = "[Sat Nov 28 17:56:43 2026] p4: left promiscuous mode\n";
  const char* const syslog = "Nov 28 17:56:43 node7 kernel: p4: left promiscuous mode\n";
  for (const char* line : {uptime, date, syslog}) {
    std::string log;
    for (int i = 0; i < 6; ++i) log += line;
    const auto seen = observations({write("dmesg.txt", log)});
    EXPECT_THAT(seen.files.front().kinds, Contains("kernel log")) << line;
    EXPECT_EQ(seen.files.front().problem, "") << line;
  }
}

TEST_F(EvidenceKinds, TimesOfOtherProgramsMakeNoKernelLog) {
  std::string log;
  for (int i = 0; i < 6; ++i)
    log += "[1591868130.001140] [n1:15407:0] some.c:75 words\n[2026-11-28 17:56:43] words\n";
  EXPECT_THAT(observations({write("job.txt", log)}).files.front().kinds, IsEmpty());
}

}  // namespace
}  // namespace fabricheck::app
