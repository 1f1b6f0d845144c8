#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "report/report.hpp"

namespace fabricheck::report {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace fabricheck::report
