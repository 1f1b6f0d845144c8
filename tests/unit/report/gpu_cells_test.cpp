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

}  // namespace
}  // namespace fabricheck::report
