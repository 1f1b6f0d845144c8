#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "topology/judge/judge.hpp"
#include "unit/topology/judge/platform_machines.hpp"

namespace fabricheck::topology {
namespace {

using machines::built_in;
using machines::h100;
using machines::machine;
using testing::HasSubstr;
using testing::Not;

TEST(ExpectationFromProduct, IsWhatTheProductHas) {
  Host host;
  host.environment.product = "NVIDIA DGXH100";
  const auto expectation = expectation_from_product(host, built_in());
  ASSERT_TRUE(expectation.has_value());
  EXPECT_EQ(expectation->source, "DMI product NVIDIA DGXH100");
  EXPECT_EQ(expectation->gpus, 8);
  EXPECT_EQ(expectation->gpu_model, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(expectation->nvlinks_per_gpu, 18);
  EXPECT_FALSE(expectation->nvswitches.has_value()) << "a guest does not see them";
  ASSERT_EQ(expectation->nics.size(), 1U);
  EXPECT_EQ(expectation->nics[0].count, 8);
  EXPECT_EQ(expectation->nics[0].rate_Gbps, 400);
  host.environment.product = "p5.48xlarge";
  EXPECT_TRUE(expectation_from_product(host, built_in())->nics.empty());
}

TEST(ExpectationFromProduct, NoModelWhereTheProductHasTwo) {
  Host host = machine("node1", "NVIDIA A100-SXM4-80GB", 8, 12, "10de:20b2");
  host.environment.product = "NVIDIA DGXA100 920-23687-2530-000";
  const auto expectation = expectation_from_product(host, built_in());
  ASSERT_TRUE(expectation.has_value());
  EXPECT_EQ(expectation->gpus, 8);
  EXPECT_EQ(expectation->nvlinks_per_gpu, 12);
  EXPECT_EQ(expectation->gpu_model, "");
}

TEST(ExpectationFromProduct, NothingWithoutAKnownProduct) {
  Host host = h100("node1");
  for (const char* product : {"", "Supermicro SYS-821GE-TNHR", "Virtual Machine", "p5.4xlarge", "G5"}) {
    host.environment.product = product;
    EXPECT_FALSE(expectation_from_product(host, built_in()).has_value()) << product;
  }
}

TEST(DescribePlatform, AShortTable) {
  const auto text_of = [](const std::string& name) {
    const auto at = std::find_if(built_in().begin(), built_in().end(),
                                 [&](const Platform& platform) { return platform.name == name; });
    return describe_platform(*at);
  };
  const std::string text = text_of("dgx-h100");
  EXPECT_THAT(text, HasSubstr("dgx-h100\n"));
  EXPECT_THAT(text, HasSubstr("p5.48xlarge"));
  EXPECT_THAT(text, HasSubstr("8 x NVIDIA H100 80GB HBM3"));
  EXPECT_THAT(text, HasSubstr("8 ports of 400 Gb/s (dgx-h100, DGXH100)"));
  EXPECT_THAT(text, testing::ContainsRegex("GPU memory +3350 GB/s +2474.76 to 2970 GB/s +1905 GB/s\n"));
  EXPECT_THAT(text, testing::ContainsRegex("allreduce, 1 node +- +476 to 483.05 GB/s +440 to 460 GB/s\n"));
  EXPECT_THAT(text, testing::ContainsRegex("NVLink, both ways +900 GB/s"));
  EXPECT_THAT(text, testing::ContainsRegex("allreduce, 8 nodes, 8x400G +- +386.56 GB/s"));
  EXPECT_THAT(text_of("a100-pcie-80"), testing::ContainsRegex("allreduce, 2 GPUs +- +208 GB/s +193 GB/s\n"));
  EXPECT_THAT(text_of("l40s"), HasSubstr("any number x NVIDIA L40S"));
  EXPECT_THAT(text_of("hgx-a100-40"), Not(HasSubstr("137.5"))) << "a figure with a caveat is no key figure";
  for (const Platform& platform : built_in()) {
    const std::string described = describe_platform(platform);
    EXPECT_EQ(described.back(), '\n');
    EXPECT_LT(std::count(described.begin(), described.end(), '\n'), 25) << platform.name;
  }
}

}  // namespace
}  // namespace fabricheck::topology
