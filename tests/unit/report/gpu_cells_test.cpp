#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/report.hpp"

namespace fabricheck::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(GpuRows, NameTheGpuAndItsHost) {
  RunRecord record;
  record.world.hosts = {"n5"};
  CheckRecord check;
  check.id = "gpu.hbm.copy";
  check.title = "HBM copy";
  check.scope = "GPU";
  check.unit = "GB/s";
  check.value = 2890;
  check.parameters["gpu"] = std::int64_t{3};
  check.participants = {"n5"};
  record.checks.push_back(check);
  check.title = "NVLink pair bandwidth";
  check.parameters = {{"from_gpu", std::int64_t{2}}, {"to_gpu", std::int64_t{5}}};
  record.checks.push_back(check);
  const std::string text = console(record, {});
  EXPECT_THAT(text, HasSubstr("HBM copy, GPU 3 on n5"));
  EXPECT_THAT(text, HasSubstr("NVLink pair bandwidth, GPU 2 to GPU 5 on n5"));
  EXPECT_THAT(text, Not(HasSubstr("all at once")));
  record.checks[0].scope = "GPU, all at once";
  EXPECT_THAT(console(record, {}), HasSubstr("HBM copy, GPU 3 on n5, all at once"));
}

TEST(GpuRows, TheSizeThatThereWasRoomForIsShown) {
  RunRecord record;
  CheckRecord check;
  check.id = "nccl.allreduce.latency";
  check.title = "NCCL allreduce time";
  check.parameters["bytes"] = std::int64_t{1} << 30;
  check.value = 51.9;
  check.path.emplace();
  record.checks = {check};
  EXPECT_THAT(console(record, {}), HasSubstr("1 GiB"));
  (*record.checks[0].path)["bytes_used"] = std::int64_t{16} << 20;
  EXPECT_THAT(console(record, {}), HasSubstr("16 MiB of 1 GiB"));
}

TEST(NcclNote, TellsOnceByWhatItRan) {
  RunRecord record;
  CheckRecord check;
  check.id = "nccl.allreduce.busbw";
  check.title = "NCCL allreduce bus bandwidth";
  check.path.emplace();
  (*check.path)["nccl_version"] = std::string("2.28.9");
  (*check.path)["nccl_library"] = std::string("/usr/lib/libnccl.so.2");
  (*check.path)["nccl_transports"] = std::string("P2P/CUMEM");
  (*check.path)["nccl_channels"] = std::int64_t{24};
  record.checks = {check, check};
  record.checks[1].parameters["bytes"] = std::int64_t{8};
  const std::string text = console(record, {});
  const std::string line = "NCCL 2.28.9 (/usr/lib/libnccl.so.2); by P2P/CUMEM; channels 24";
  ASSERT_THAT(text, HasSubstr(line));
  EXPECT_EQ(text.find(line), text.rfind(line));
}

CheckRecord rail(int group, const char* mode, double value) {
  CheckRecord check;
  check.id = "nccl.allreduce.busbw";
  check.title = "NCCL allreduce bus bandwidth";
  check.scope = "between nodes, rail";
  check.unit = "GB/s";
  check.value = value;
  check.parameters = {
      {"bytes", std::int64_t{1} << 33}, {"mode", std::string(mode)}, {"group", std::int64_t{group}}};
  return check;
}

TEST(RailsNote, TellsWhatIsLostAndWhichRailIsWorst) {
  RunRecord record;
  record.checks = {rail(0, "together", 39.8), rail(1, "together", 19.9)};
  EXPECT_THAT(console(record, {}), Not(HasSubstr("rails at once")));
  for (CheckRecord& check : record.checks) {
    check.path.emplace();
    (*check.path)["alone"] = 48.0;
    (*check.path)["share_of_alone_percent"] = 100.0 * *check.value / 48.0;
  }
  ConsoleStyle wide;
  wide.width = 300;
  EXPECT_THAT(
      console(record, wide),
      HasSubstr("NCCL allreduce bus bandwidth, 8 GiB: rails at once reach 62 % of what each reaches alone; "
                "least is rail 1 with 41 %, 19.9 of 48 GB/s"));
}

TEST(RailsNote, ARailAloneDoesNotLookLikeTheSameAtOnce) {
  RunRecord record;
  record.checks = {rail(0, "together", 39.8), rail(0, "apart", 48.0)};
  ConsoleStyle wide;
  wide.width = 300;
  const std::string text = console(record, wide);
  EXPECT_THAT(text, HasSubstr("between nodes, rail, group 0, apart"));
  EXPECT_THAT(text, HasSubstr("between nodes, rail, group 0 "));
  // Folded, too.
  record.checks.clear();
  for (int group = 0; group < 30; ++group)
    for (const char* mode : {"together", "apart"}) record.checks.push_back(rail(group, mode, 48.0));
  EXPECT_THAT(console(record, wide), HasSubstr("between nodes, rail, apart (30 rows)"));
}

}  // namespace
}  // namespace fabricheck::report
