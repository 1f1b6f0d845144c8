#include "node/gpu/host_matrices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::node::gpu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CheckRecord record(const std::string& id, std::int64_t gpu, double value, const std::string& scope = "GPU") {
  CheckRecord one;
  one.id = id;
  one.metric = "bandwidth";
  one.scope = scope;
  one.participants = {"n3"};
  one.parameters["gpu"] = gpu;
  one.parameters["bytes"] = std::int64_t{64} << 20;
  one.value = value;
  return one;
}

TEST(HostMatrices, HaveTheSenderAsRow) {
  const std::vector<CheckRecord> checks{
      record("gpu.host_to_device.bandwidth", 0, 52), record("gpu.host_to_device.bandwidth", 2, 53),
      record("gpu.host_to_device_far.bandwidth", 2, 40), record("gpu.device_to_host.bandwidth", 0, 50)};
  const auto matrices = host_matrices(checks);
  ASSERT_THAT(matrices, SizeIs(2));
  const Matrix &from_gpu = matrices[0], &to_gpu = matrices[1];
  EXPECT_EQ(to_gpu.id, "gpu.host_to_device.bandwidth 64 MiB on n3");
  EXPECT_THAT(to_gpu.rows, ElementsAre("near NUMA node", "far NUMA node"));
  EXPECT_THAT(to_gpu.cols, ElementsAre("GPU0", "GPU2"));
  EXPECT_EQ(to_gpu.data[0][1], 53.0);
  EXPECT_EQ(to_gpu.data[1][1], 40.0);
  EXPECT_FALSE(to_gpu.data[1][0]) << "what was not measured is empty";
  EXPECT_THAT(from_gpu.rows, ElementsAre("GPU0"));
  EXPECT_EQ(from_gpu.data[0][0], 50.0);
}

TEST(HostMatrices, LeaveOutWhatIsNoSingleGpusBandwidth) {
  CheckRecord latency = record("gpu.host_to_device.latency", 0, 2);
  latency.metric = "latency";
  EXPECT_THAT(host_matrices(std::vector<CheckRecord>{
                  latency, record("gpu.host_to_device.bandwidth", 0, 20, "GPU, all at once"),
                  record("gpu.hbm.copy", 0, 2900)}),
              IsEmpty());
}

}  // namespace
}  // namespace fabricheck::node::gpu
