#include "topology/probe/nvml_values.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(NvmlValues, PcieGenerations) {
  EXPECT_EQ(pcie_speed_GTps(1), 2.5);
  EXPECT_EQ(pcie_speed_GTps(4), 16);
  EXPECT_EQ(pcie_speed_GTps(6), 64);
  EXPECT_EQ(pcie_speed_GTps(0), std::nullopt);
  EXPECT_EQ(pcie_speed_GTps(7), std::nullopt);
}

TEST(NvmlValues, NvlinkVersionIsAnEnumerator) {
  EXPECT_EQ(nvlink_generation(1, 6), 1);   // P100
  EXPECT_EQ(nvlink_generation(3, 7), 2);   // 2.2
  EXPECT_EQ(nvlink_generation(4, 8), 3);   // A100
  EXPECT_EQ(nvlink_generation(6, 9), 4);   // H100
  EXPECT_EQ(nvlink_generation(7, 10), 5);  // B200
  EXPECT_EQ(nvlink_generation(8, 10), 6);
}

TEST(NvmlValues, NvlinkVersionThatIsThePlainNumber) {
  EXPECT_EQ(nvlink_generation(3, 8), 3);
  EXPECT_EQ(nvlink_generation(4, 9), 4);
  EXPECT_EQ(nvlink_generation(5, 10), 5);
}

TEST(NvmlValues, NvlinkVersionWithoutCapability) {
  EXPECT_EQ(nvlink_generation(7, 0), 5);
  EXPECT_EQ(nvlink_generation(0, 9), std::nullopt);
  EXPECT_EQ(nvlink_generation(255, 0), std::nullopt);
}

TEST(NvmlValues, NvlinkSpeeds) {
  EXPECT_EQ(nvlink_speed_GBps(1), 20);
  EXPECT_EQ(nvlink_speed_GBps(3), 25);
  EXPECT_EQ(nvlink_speed_GBps(4), 26.562);
  EXPECT_EQ(nvlink_speed_GBps(5), 53.125);
  EXPECT_EQ(nvlink_speed_GBps(0), std::nullopt);
  EXPECT_EQ(nvlink_speed_GBps(6), std::nullopt);
}

TEST(NvmlValues, ThrottleReasons) {
  EXPECT_THAT(throttle_reasons(0), IsEmpty());
  EXPECT_THAT(throttle_reasons(0x3), ElementsAre("gpu-idle", "applications-clocks"));
  EXPECT_THAT(throttle_reasons(0xfc),
              ElementsAre("sw-power-cap", "hw-slowdown", "sync-boost", "sw-thermal-slowdown",
                          "hw-thermal-slowdown", "hw-power-brake-slowdown"));
  EXPECT_THAT(throttle_reasons(0x8000000000000300), ElementsAre("display-clock", "bit-9", "bit-63"));
}

TEST(NvmlValues, Fabric) {
  EXPECT_EQ(fabric_state(1), "not-started");
  EXPECT_EQ(fabric_state(3), "completed");
  EXPECT_EQ(fabric_state(4), "");
  EXPECT_EQ(cluster_uuid_text({}), "");
  EXPECT_EQ(cluster_uuid_text({0x1b, 0x4e, 0x28, 0xba, 0x2f, 0xa1, 0x11, 0xd2, 0x88, 0x3f, 0, 0x16, 0xd3,
                               0xcc, 0xa4, 0x27}),
            "1b4e28ba-2fa1-11d2-883f-0016d3cca427");
}

TEST(NvmlValues, CudaVersion) {
  EXPECT_EQ(cuda_version_text(12040), "12.4");
  EXPECT_EQ(cuda_version_text(13000), "13.0");
}

}  // namespace
}  // namespace fabricheck::topology
