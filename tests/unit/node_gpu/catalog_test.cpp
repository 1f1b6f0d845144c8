#include "node/gpu/catalog.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/error.hpp"

namespace fabricheck::node::gpu {
namespace {

TEST(GpuCatalog, HasEachCheckOnce) {
  std::set<std::string> ids;
  for (const CheckRow& row : catalog()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id;
    EXPECT_TRUE(row.id.starts_with("gpu.")) << row.id;
    EXPECT_FALSE(row.title.empty());
    EXPECT_FALSE(row.description.empty());
    EXPECT_FALSE(row.scopes.empty());
    EXPECT_TRUE(row.make_timed);
    EXPECT_FALSE(row.make);
    EXPECT_EQ(static_cast<bool>(row.rate_times_us), row.unit != "us") << row.id;
    EXPECT_EQ(row.metric.better() == Better::lower, row.unit == "us") << row.id;
  }
  for (const char* id :
       {"gpu.hbm.copy", "gpu.hbm.read", "gpu.hbm.write", "gpu.hbm.triad", "gpu.hbm.copy_engine",
        "gpu.host_to_device.bandwidth", "gpu.device_to_host.bandwidth", "gpu.host.bidirectional",
        "gpu.host_to_device_far.bandwidth", "gpu.host_to_device.latency", "gpu.device_to_host_far.latency",
        "gpu.gemm.bf16", "gpu.gemm.fp16", "gpu.gemm.tf32", "gpu.gemm.fp8", "gpu.burn.rate"})
    EXPECT_TRUE(ids.contains(id)) << id;
  EXPECT_EQ(ids.size(), 20U);
}

TEST(GpuCatalog, RatesAreCountedAsTheirDefinitionsSay) {
  for (const CheckRow& row : catalog()) {
    // STREAM: a copy of 1 GiB moves 2 GiB, a triad 3 GiB. 2 m n k: 8192 cubed is 1.0995 TFLOP.
    if (row.id == "gpu.hbm.copy") {
      EXPECT_DOUBLE_EQ(row.rate_times_us(row.sizes.front()), 2147483.648);
    }
    if (row.id == "gpu.hbm.triad") {
      EXPECT_DOUBLE_EQ(row.rate_times_us(row.sizes.front()), 3221225.472);
    }
    if (row.id == "gpu.gemm.bf16") {
      EXPECT_DOUBLE_EQ(row.rate_times_us(0), 1099511.627776);
    }
    if (row.id == "gpu.host.bidirectional") {
      EXPECT_DOUBLE_EQ(row.rate_times_us(1000), 2.0);
    }
  }
}

TEST(GpuCatalog, WithoutASetupNothingIsMade) {
  for (const CheckRow& row : catalog()) {
    TimedRequest request;
    EXPECT_THROW(row.make_timed(request), Unavailable) << row.id;
  }
}

TEST(GpuCatalog, SizesAreTheSettings) {
  auto settings = std::make_shared<Settings>();
  settings->hbm_bytes = 4096;
  settings->gemm_size = 1024;
  for (const CheckRow& row : catalog(nullptr, settings)) {
    if (row.id == "gpu.hbm.read") {
      EXPECT_THAT(row.sizes, testing::ElementsAre(4096));
    }
    if (row.id == "gpu.gemm.fp8") {
      EXPECT_DOUBLE_EQ(row.rate_times_us(0), 2.0 * 1024 * 1024 * 1024 / 1e6);
    }
  }
}

TEST(NumaOfAGpu, IsItsOwnAndTheFarthestWithCpus) {
  Host host;
  host.numa_nodes = {{0, "0-15", 0}, {1, "16-31", 0}, {2, "32-47", 0}, {3, "48-63", 0}, {4, "", 0}};
  Gpu gpu;
  gpu.pci_address = "0000:5d:00.0";
  gpu.numa_node = 1;
  host.gpus = {gpu};
  const NumaPlaces places = numa_places(host, "0000:5d:00.0");
  EXPECT_EQ(places.near_node, 1);
  EXPECT_EQ(places.near_cpus, "16-31");
  EXPECT_EQ(places.far_node, 3);
  EXPECT_EQ(places.far_cpus, "48-63");
  EXPECT_EQ(numa_places(host, "0000:5e:00.0").near_cpus, "");
  host.gpus[0].numa_node.reset();
  EXPECT_EQ(numa_places(host, "0000:5d:00.0").far_cpus, "");
  host.gpus[0].numa_node = 0;
  host.numa_nodes.resize(1);
  EXPECT_EQ(numa_places(host, "0000:5d:00.0").near_cpus, "0-15");
  EXPECT_EQ(numa_places(host, "0000:5d:00.0").far_cpus, "");
}

}  // namespace
}  // namespace fabricheck::node::gpu
