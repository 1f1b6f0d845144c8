#include "app/power_limits.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

ClusterTopology two_hosts(double limit_W, double default_W) {
  std::vector<Host> hosts(2);
  for (std::size_t i = 0; i < hosts.size(); ++i) {
    hosts[i].name = "n" + std::to_string(i + 1);
    hosts[i].gpus.resize(2);
    for (int index = 0; index < 2; ++index) {
      Gpu& gpu = hosts[i].gpus[static_cast<std::size_t>(index)];
      gpu.index = index;
      gpu.power_limit_W = limit_W;
      gpu.default_power_limit_W = default_W;
    }
  }
  return topology::merge_hosts(hosts);
}

std::vector<CheckRecord> one_check(const std::string& id) {
  std::vector<CheckRecord> checks(1);
  checks[0].id = id;
  checks[0].value = 600.0;
  return checks;
}

TEST(PowerLimits, AreNamedAsACauseAndAccuseNobody) {
  const auto findings = power_limit_findings(one_check("gpu.gemm.bf16"), two_hosts(500, 700));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].severity, Severity::info);
  EXPECT_THAT(findings[0].meaning,
              HasSubstr("4 GPUs of n[1-2] are held to 500 W where 700 W is the default"));
  EXPECT_THAT(findings[0].advice, HasSubstr("nvidia-smi -pl 700"));
  EXPECT_THAT(findings[0].explains, ElementsAre("gpu.gemm.bf16"));
}

TEST(PowerLimits, AreNoFindingWhereNothingHangsOnThem) {
  EXPECT_THAT(power_limit_findings(one_check("gpu.hbm.copy"), two_hosts(500, 700)), IsEmpty());
  EXPECT_THAT(power_limit_findings(one_check("gpu.gemm.bf16"), two_hosts(700, 700)), IsEmpty());
  EXPECT_THAT(power_limit_findings(one_check("gpu.gemm.bf16"), two_hosts(720, 700)), IsEmpty());
}

}  // namespace
}  // namespace fabricheck::app
