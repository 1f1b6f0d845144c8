// Why checks have no PASS, as the console says it: each once, with whom it is of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fmt/format.h>

#include "unit/report/console_text.hpp"
#include "unit/report/sample_record.hpp"

namespace fabricheck::report {
namespace {

using report_test::latency_check;
using report_test::mixed_record;
using testing::HasSubstr;
using testing::Not;

TEST(Console, EveryReasonIsASentenceWithItsCheck) {
  const std::string text = flat(report(mixed_record()));
  EXPECT_THAT(text, HasSubstr("FAIL MPI allreduce latency, 8 B, between nodes: median 6.12 us misses"));
  EXPECT_THAT(text, HasSubstr("ERROR MPI alltoall latency, 8 B, between nodes: rank 2 on n2: out of memory"));
  EXPECT_THAT(text, HasSubstr("INCONCLUSIVE MPI bcast latency, 8 B, between nodes: the interval spans"));
  EXPECT_THAT(text,
              HasSubstr("Not tested - MPI gather latency, 8 B, between nodes: built without gathering"));
}

TEST(Console, AReasonThatManyShareIsSaidOnce) {
  RunRecord record;
  for (int i = 0; i < 9; ++i) {
    record.checks.push_back(latency_check("op" + std::to_string(i), Verdict::skipped, 0));
    record.checks.back().reason = "built without NCCL";
  }
  const std::string text = flat(report(record));
  EXPECT_EQ(text.find("built without NCCL"), text.rfind("built without NCCL"));
  EXPECT_THAT(text, HasSubstr("; and 5 more: built without NCCL"));
}

/// What a rank says of its GPU, of the check of that GPU.
CheckRecord refused_gpu(int rank, const std::string& host, int gpu) {
  CheckRecord check = latency_check("gemm", Verdict::error, 0);
  check.parameters["gpu"] = std::int64_t{gpu};
  check.participants = {host};
  check.reason = fmt::format("rank {} on {}: GPU {} (0000:{:02x}:00.0) has 1 GiB free, and 3 GiB are needed",
                             rank, host, gpu, 0x18 + gpu);
  return check;
}

TEST(Console, AReasonThatEveryRankSaysOfItsGpuIsSaidOnce) {
  RunRecord record;
  record.world.hosts = {"n1", "n2"};
  record.checks = {refused_gpu(0, "n1", 0), refused_gpu(1, "n1", 1), refused_gpu(8, "n2", 0)};
  record.checks.push_back(refused_gpu(9, "n2", 1));
  record.checks.back().reason = "rank 9 on n2: GPU 1 (0000:19:00.0) does not answer";
  const std::string text = flat(report(record));
  EXPECT_THAT(
      text,
      HasSubstr("rank 0 on n1: GPU 0 (0000:18:00.0) has 1 GiB free, and 3 GiB are needed (and alike rank 1 "
                "on n1, rank 8 on n2)"));
  EXPECT_EQ(text.find("has 1 GiB free"), text.rfind("has 1 GiB free"));
  EXPECT_THAT(text, HasSubstr("rank 9 on n2: GPU 1 (0000:19:00.0) does not answer"));
}

TEST(Console, ErrorsOfAThousandGpusAreAScreen) {
  RunRecord record;
  record.world.hosts = {"n1", "n2"};
  for (int rank = 0; rank < 1024; ++rank)
    record.checks.push_back(refused_gpu(rank, "node" + std::to_string(rank / 8), rank % 8));
  const std::string text = report(record, 120);
  EXPECT_LT(lines_of(text).size(), 25U) << text;
  EXPECT_NE(line_with(text, {"ERROR", "(1024 rows)"}), "");
  EXPECT_THAT(flat(text), HasSubstr("; and 1020 more: rank 0 on node0: "));
  EXPECT_THAT(flat(text),
              HasSubstr("(and alike 1023 more ranks on node0, node1, node2, node3, node4 and 123 more)"));
}

TEST(Console, WhatAnotherRankSaysOfTheNetworkIsAnotherReason) {
  RunRecord record;
  for (const char* reason : {"rank 1 on n1: no answer from rank 2 within 3 s",
                             "rank 2 on n2: no answer from rank 5 "
                             "within 3 s",
                             "rank 7 of the group could not go on"}) {
    record.checks.push_back(latency_check("bcast", Verdict::error, 0));
    record.checks.back().reason = reason;
  }
  const std::string text = flat(report(record));
  for (const CheckRecord& check : record.checks) EXPECT_THAT(text, HasSubstr(check.reason));
}

}  // namespace
}  // namespace fabricheck::report
