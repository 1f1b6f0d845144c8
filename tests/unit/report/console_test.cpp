// The console report: what a tired person sees, and that it stays straight.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "report/report.hpp"
#include "report/text.hpp"
#include "unit/report/console_text.hpp"
#include "unit/report/sample_record.hpp"

namespace fabricheck::report {
namespace {

using report_test::full_record;
using report_test::latency_check;
using report_test::mixed_record;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST(Console, WhatAnInterruptedRunDidNotReachIsCounted) {
  RunRecord record;
  for (int i = 0; i < 40; ++i)
    record.not_tested.push_back({"mpi.check" + std::to_string(i), "the run ended before it: inside node"});
  record.not_tested.push_back({"network", "all ranks are on one node"});
  const std::string text = console(record, {});
  EXPECT_THAT(text, testing::HasSubstr("it ended before 37 more checks"));
  EXPECT_THAT(text, testing::HasSubstr("mpi.check2"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("mpi.check3")));
  EXPECT_THAT(text, testing::HasSubstr("all ranks are on one node"));
}

TEST(Console, AnotherStatisticThanTheMedianIsNamedBesideItsValue) {
  RunRecord record;
  CheckRecord check;
  check.id = check.title = "mpi.allreduce.latency";
  check.unit = "us";
  check.value = 50.5;
  check.verdict = Verdict::fail;
  check.target = AppliedTarget{"<=", 1.0, "p99", "a contract"};
  record.checks.push_back(check);
  EXPECT_THAT(console(record, {}), testing::HasSubstr("p99 50.5"));
}

TEST(Console, BeginsWithTheVerdictAndWhatRan) {
  const std::string text = report(mixed_record());
  EXPECT_THAT(text, StartsWith("FAIL  1 of 4 targets missed\n"));
  EXPECT_THAT(flat(text),
              HasSubstr("4 ranks on 2 nodes: n1, n2; launched by mpirun; library Open MPI 4.1.4"));
  EXPECT_THAT(flat(text), HasSubstr("duration 2 min 5 s"));
  EXPECT_THAT(flat(text),
              HasSubstr("6 checks: 1 FAIL, 1 ERROR, 1 INCONCLUSIVE, 1 PASS, 1 UNCHECKED, 1 SKIPPED"));
}

TEST(Console, SaysInTheHeadWhatMpiRanOn) {
  RunRecord record = mixed_record();
  std::map<std::string, std::string>& mpi = record.world.mpi;
  mpi["pml"] = "ob1";
  mpi["transport_between_nodes"] = "tcp";
  EXPECT_THAT(flat(report(record)), HasSubstr("library Open MPI 4.1.4; ob1 over tcp between nodes started"));
  mpi["transport_inside_node"] = "vader";
  EXPECT_THAT(flat(report(record)), HasSubstr("; ob1 over vader inside nodes, tcp between nodes started"));
  EXPECT_THAT(markdown(record), HasSubstr("; ob1 over vader inside nodes, tcp between nodes\n"));
  mpi["transport_inside_node"] = "on n[1-2]: tcp; on n3: vader";
  EXPECT_THAT(flat(report(record)),
              HasSubstr("; ob1: inside nodes (on n[1-2]: tcp; on n3: vader), tcp between nodes started"));
  mpi["transport_inside_node"] = "unknown";
  mpi["transport_between_nodes"] = "unknown";
  EXPECT_THAT(flat(report(record)), HasSubstr("; ob1 started"));
  mpi["pml"] = "unknown";
  EXPECT_THAT(flat(report(record)), HasSubstr("library Open MPI 4.1.4 started"));
}

TEST(Console, WorstFirst) {
  for (const int width : {80, 120, 160}) {
    const std::string text = report(mixed_record(), width);
    std::size_t before = 0;
    for (const char* part :
         {"\nFAIL ", "\nERROR ", "\nINCONCLUSIVE ", "\nPASS ", "\nMeasured, no target", "\nNot tested"}) {
      const std::size_t at = text.find(part);
      ASSERT_NE(at, std::string::npos) << part << " at width " << width;
      EXPECT_LT(before, at) << part << " at width " << width;
      before = at;
    }
  }
}

TEST(Console, ARowHasItsFiguresUnderTheirHeadings) {
  const std::string text = report(mixed_record());
  const std::string head =
      line_with(text, {"verdict", "check", "bytes", "median [95% interval]", "target", "p99", "n"});
  const std::string row = line_with(text, {"FAIL", "MPI allreduce latency"});
  EXPECT_THAT(row, HasSubstr("6.12 [6.00, 6.30] us"));
  EXPECT_EQ(column_of(row, "6.12 ["), column_of(head, "median"));
  EXPECT_EQ(column_of(row, "< 5 us"), column_of(head, "target"));
  EXPECT_EQ(column_of(row, "1 on n2 (81%)"), column_of(head, "last rank"));
  EXPECT_EQ(column_of(row, "8 B") + 3, column_of(head, "bytes") + 5);
  EXPECT_EQ(column_of(row, "12000") + 5, column_of(head, " n ") + 2);
}

TEST(Console, MissingFiguresAreDashesNeverZero) {
  RunRecord record;
  record.checks = {latency_check("alltoall", Verdict::error, 0)};
  record.checks[0].parameters.clear();
  record.checks[0].target.reset();
  record.checks[0].reason = "out of memory";
  const std::string row = line_with(report(record), {"ERROR", "MPI", " - "});
  EXPECT_THAT(flat(row), HasSubstr("between nodes - - - - - -"));
  EXPECT_THAT(flat(report(record)), HasSubstr("duration -"));
}

TEST(Console, NotANumberIsADash) {
  RunRecord record = mixed_record();
  for (CheckRecord& check : record.checks) {
    check.value = std::numeric_limits<double>::quiet_NaN();
    check.statistics.p99 = std::numeric_limits<double>::quiet_NaN();
    check.statistics.clock_error = std::numeric_limits<double>::quiet_NaN();
  }
  record.duration_s = std::numeric_limits<double>::infinity();
  for (const std::string& text : {report(record), markdown(record), csv(record)}) {
    EXPECT_EQ(text.find("nan"), std::string::npos);
    EXPECT_EQ(text.find("inf "), std::string::npos);
  }
}

TEST(Console, NoLineIsWiderThanAsked) {
  RunRecord record = mixed_record();
  const std::string long_host = "gpu-node-0123.rack-17.cluster-with-a-long-name.example.com";
  record.checks[5].last->host = long_host;
  record.checks[5].participants = {long_host, "n2"};
  record.checks[5].statistics.samples = 123456789;
  record.checks[5].parameters["bytes"] = std::int64_t{123456789};
  record.world.hosts.assign(40, long_host);
  record.findings[0].evidence[0].text = std::string(500, 'x');
  record.fits[0].model = "\xC2\xB5 " + std::string(200, 'y');
  for (int width = 80; width <= 160; ++width) {
    for (const std::string& line : lines_of(report(record, width))) {
      ASSERT_LE(text_width(line), static_cast<std::size_t>(width)) << line;
      ASSERT_TRUE(line.empty() || line.back() != ' ') << "'" << line << "' at width " << width;
    }
  }
}

TEST(Console, WidthsOutsideTheRangeAreTheNearest) {
  const RunRecord record = mixed_record();
  EXPECT_EQ(report(record, 10), report(record, 80));
  EXPECT_EQ(report(record, -1), report(record, 80));
  EXPECT_EQ(report(record, 1000), report(record, 160));
}

TEST(Console, ColumnsCountCharactersNotBytes) {
  RunRecord record = mixed_record();
  record.checks[5].title = "MPI all\xC3\xA9\xC2\xB5reduce";
  for (const int width : {80, 140}) {
    const std::string text = report(record, width);
    const std::string row = line_with(text, {"6.12 ["});
    const std::string other = line_with(text, {"4.98 ["});
    EXPECT_EQ(column_of(row, "6.12 ["), column_of(other, "4.98 ["));
    EXPECT_EQ(column_of(row, "< 5 us"), column_of(other, "< 5 us"));
  }
}

TEST(Console, ColourChangesNothingButColour) {
  const RunRecord record = mixed_record();
  for (const int width : {80, 120}) {
    const std::string coloured = console(record, {true, width});
    EXPECT_THAT(coloured, HasSubstr("\x1b[1;31mFAIL\x1b[0m"));
    const std::string plain = report(record, width);
    EXPECT_EQ(plain.find('\x1b'), std::string::npos);
    EXPECT_EQ(without_colour(coloured), plain);
  }
}

TEST(Console, HostileTextDoesNotSteerTheTerminal) {
  RunRecord record = mixed_record();
  const std::string evil = "n2\x1b[2J\r\nPASS  all fine\x07\xC2\x9B\xE2\x80\xAE\xff";
  record.checks[5].last->host = evil;
  record.checks[5].title = evil;
  record.checks[5].reason = evil;
  record.checks[5].unit = evil;
  record.checks[5].parameters["group"] = evil;
  record.world.hosts[1] = record.world.launcher = record.verdict_reason = record.started = evil;
  record.findings[0].meaning = record.findings[0].component.name = record.findings[0].evidence[0].text = evil;
  record.fits[0].model = evil;
  record.not_tested[0].id = evil;
  record.overhead[evil] = 1;
  for (const std::string& text : {report(record, 80), report(record, 160), markdown(record), csv(record)}) {
    EXPECT_EQ(text.find('\x1b'), std::string::npos);
    EXPECT_EQ(text.find('\x07'), std::string::npos);
    EXPECT_EQ(text.find('\xff'), std::string::npos);
    EXPECT_EQ(text.find("\xC2\x9B"), std::string::npos);
    EXPECT_EQ(text.find("\xE2\x80\xAE"), std::string::npos);
    EXPECT_EQ(text.find("\nPASS  all fine"), std::string::npos);
  }
}

TEST(Console, GroupsAndHostsCanBeToldApart) {
  RunRecord record;
  record.world.hosts = {"n1", "n2", "n3", "n4"};
  for (const int group : {1, 2}) {
    record.checks.push_back(latency_check("bcast", Verdict::fail, 7));
    record.checks.back().scope = "between nodes, group";
    record.checks.back().parameters["group"] = std::int64_t{group};
    record.checks.back().reason = "too slow by " + std::to_string(group);
  }
  record.checks.push_back(latency_check("bcast", Verdict::fail, 7));
  record.checks.back().scope = "inside node";
  record.checks.back().participants = {"n3"};
  const std::string text = report(record, 140);
  EXPECT_NE(line_with(text, {"FAIL", "between nodes, group 2", "7.00 ["}), "");
  EXPECT_NE(line_with(text, {"FAIL", "inside node n3", "7.00 ["}), "");
  EXPECT_THAT(flat(text), HasSubstr("between nodes, group 2 (n1, n2): too slow by 2"));
}

TEST(Console, AnotherStatisticThanTheMedianIsNamed) {
  RunRecord record = mixed_record();
  record.checks[5].target->statistic = "p99";
  EXPECT_THAT(report(record), HasSubstr("p99 < 5 us"));
}

TEST(Console, BandwidthHasItsUnit) {
  RunRecord record;
  CheckRecord check = latency_check("allreduce", Verdict::pass, 352.5);
  check.metric = "busbw";
  check.unit = "GB/s";
  check.target = AppliedTarget{">=", 340, "busbw", "published"};
  record.checks = {check};
  EXPECT_NE(line_with(report(record), {"PASS", "352 [", "] GB/s", "  >= 340 GB/s"}), "");
}

TEST(Console, VariantsAreFoldedIntoOneRowApartFromTheUsualOne) {
  RunRecord record;
  for (int i = 0; i < 60; ++i) {
    record.checks.push_back(latency_check("allreduce", Verdict::unchecked, 1.5 + i));
    if (i >= 20) record.checks.back().title += ", float64 max in place";
    record.checks.back().parameters["variant"] = std::int64_t{i};
  }
  const std::string folded = report(record, 200);
  EXPECT_NE(line_with(folded, {"MPI allreduce latency, between nodes (20 rows)"}), "");
  EXPECT_NE(line_with(folded, {"MPI allreduce latency, other variants, between nodes (40 rows)"}), "");
}

TEST(Console, ManyRowsWithoutATargetAreFolded) {
  RunRecord record;
  for (int i = 0; i < 60; ++i) {
    record.checks.push_back(latency_check(i % 2 == 0 ? "bcast" : "reduce", Verdict::unchecked, 1.5 + i));
    record.checks.back().parameters["bytes"] = std::int64_t{1} << (3 + i / 2);
  }
  const std::string folded = report(record);
  EXPECT_NE(
      line_with(folded, {"MPI bcast latency, between nodes (30 rows)", "8 B to 4 GiB", "1.50 to 59.5 us"}),
      "");
  EXPECT_LT(lines_of(folded).size(), 20u);
  record.checks.resize(40);
  EXPECT_EQ(report(record).find("rows)"), std::string::npos);
}

TEST(Console, ARowThatAsksForActionIsNeverFolded) {
  RunRecord record;
  for (int i = 0; i < 100; ++i) {
    record.checks.push_back(latency_check("bcast", Verdict::fail, 7));
    record.checks.back().parameters["group"] = std::int64_t{i};
    record.checks.back().reason = "too slow";
  }
  const std::string text = report(record);
  for (int i = 0; i < 100; ++i) {
    EXPECT_NE(line_with(text, {"FAIL", "group " + std::to_string(i) + " ", "7.00 ["}), "") << i;
  }
}

TEST(Console, AFindingSaysPartMeaningEvidenceAndMend) {
  const std::string text = flat(report(mixed_record()));
  EXPECT_THAT(text, HasSubstr("bad nic mlx5_3 on n2: port 1 runs at 100 of 400 Gb/s "
                              "do: reseat or replace the cable of mlx5_3 "
                              "confirm: cat /sys/class/infiniband/mlx5_3/ports/1/rate "
                              "evidence: /sys/class/infiniband/mlx5_3/ports/1/rate:1: 100 Gb/sec (4X EDR) "
                              "explains: mpi.allreduce.latency confidence: likely"));
}

TEST(Console, NothingOfAPartIsSaidTwice) {
  RunRecord record;
  Finding finding;
  finding.slug = "rank-hung";
  finding.component = {"rank", "rank 1", "n2"};
  finding.meaning = "rank 1 on n2 stopped answering";
  record.findings = {finding};
  EXPECT_THAT(flat(report(record)), AllOf(HasSubstr("rank 1 on n2 stopped answering"),
                                          Not(HasSubstr("rank rank")), Not(HasSubstr("n2: rank 1"))));
  finding.component = {"gpu", "GPU 3", "n2"};
  finding.meaning = "it is lost";
  record.findings = {finding};
  EXPECT_THAT(flat(report(record)), HasSubstr("GPU 3 on n2: it is lost"));
  finding.component = {"host", "n2", "n2"};
  record.findings = {finding};
  EXPECT_THAT(flat(report(record)), HasSubstr("host n2: it is lost"));
  finding.component = {"rank", "ranks 2 and 3", ""};
  record.findings = {finding};
  EXPECT_THAT(flat(report(record)),
              AllOf(HasSubstr("ranks 2 and 3: it is lost"), Not(HasSubstr("rank ranks"))));
  finding.component = {"rank", "", ""};
  record.findings = {finding};
  EXPECT_THAT(flat(report(record)), HasSubstr("rank: it is lost"));
}

TEST(Console, NotesAndGapsAndLegend) {
  const std::string text = flat(report(full_record()));
  EXPECT_THAT(
      text,
      HasSubstr("model of mpi.allreduce.latency, between nodes: alpha*ceil(log2(nodes)); alpha 1.23 us"));
  EXPECT_THAT(text, HasSubstr("the tool's own cost: sampling p50 42 ns"));
  EXPECT_THAT(text, HasSubstr("clock error: up to 0.21 us"));
  EXPECT_THAT(text, HasSubstr("in 7 of 12000 samples a rank missed the common start"));
  EXPECT_THAT(text,
              HasSubstr("matrix verbs.write.bandwidth (2 x 2, GB/s, row sends to column): in result.json; "
                        "lowest 12.2 from n2 to n1"));
  EXPECT_THAT(text, HasSubstr("Not tested - nccl.allreduce.busbw: built without NCCL"));
  EXPECT_THAT(text, HasSubstr("from the common start on synchronised clocks to the last rank's end"));
  EXPECT_THAT(
      text,
      HasSubstr("beside, never judged: MPI allreduce latency, 8 B, between nodes, group 2: OSU mean 5.20 us, "
                "median from a barrier start 6.90 us"));
}

TEST(Console, WhatWasExpectedStandsBesideWhatItTook) {
  RunRecord record;
  record.overhead = {{"checks_s", 3.0},
                     {"checks_estimated_s", 2.9},
                     {"checks_estimated_after_s", 0.8},
                     {"estimated_gpu_pairs_s", 1.5}};
  const std::string text = flat(report(record));
  EXPECT_THAT(text,
              HasSubstr("the checks took 3.0 s; after 800 ms of it 2.9 s were expected; all checks of all "
                        "pairs of a node's GPUs are estimated at 1.5 s"));
  EXPECT_THAT(text, Not(HasSubstr("the tool's own cost")));
}

TEST(Console, WhatGpuMemoryAddsIsTold) {
  RunRecord record;
  const auto over = [&](double us, double from_us, double to_us) {
    record.checks.push_back(latency_check("gpu_send", Verdict::unchecked, 3));
    record.checks.back().path = {{"over_host_memory_us", us},
                                 {"over_host_memory_from_us", from_us},
                                 {"over_host_memory_to_us", to_us}};
  };
  over(1.2, 0.9, 1.5);
  (*record.checks.back().path)["host_memory_inline"] = std::string("yes");
  over(-0.5, -0.75, -0.25);
  over(0.1, -0.2, 0.4);
  const std::string text = flat(report(record));
  EXPECT_THAT(
      text, HasSubstr("GPU memory adds 1.2 us over host memory, from where it went inline (0.9 to 1.5 us)"));
  EXPECT_THAT(text, HasSubstr("GPU memory takes 0.5 us less than host memory (-0.75 to -0.25 us)"));
  EXPECT_THAT(text, HasSubstr("no difference from host memory that the intervals tell (-0.2 to 0.4 us)"));
  for (int i = 0; i < 3; ++i) over(2.5, 2, 3);
  EXPECT_THAT(flat(report(record)), HasSubstr("GPU over host memory: 2 more in result.json"));
}

TEST(Console, AnEmptyRecordIsAReportToo) {
  RunRecord record;
  conclude(record);
  const std::string text = report(record);
  EXPECT_THAT(text, StartsWith("INCONCLUSIVE  nothing was measured, so nothing was judged"));
  EXPECT_THAT(text, AllOf(HasSubstr("no check ran"), Not(HasSubstr("Findings")), Not(HasSubstr("Targets"))));
}

RunRecord record_of_what_is_there() {
  RunRecord record;
  CheckRecord check;
  check.id = "topology.consistency";
  check.title = "Hosts are alike";
  check.metric = "faults";
  check.value = 1;
  check.verdict = Verdict::fail;
  check.reason = "node3: GPUs: 7 instead of 8";
  record.checks = {check};
  record.not_tested = {{"topology.platform", "node1: there is no GPU"}};
  conclude(record);
  return record;
}

TEST(Console, WhatIsThereIsNoMeasurement) {
  const RunRecord record = record_of_what_is_there();
  for (const std::string& text : {console(record, {}), console_verdicts(record, {}), markdown(record)}) {
    EXPECT_THAT(flat(text), HasSubstr("What is there"));
    EXPECT_THAT(text, HasSubstr("Hosts are alike: node3: GPUs: 7 instead of 8"));
    EXPECT_THAT(flat(text), HasSubstr("node1: there is no GPU"));
    EXPECT_THAT(text, Not(HasSubstr("95% interval]")));
  }
}

}  // namespace
}  // namespace fabricheck::report
