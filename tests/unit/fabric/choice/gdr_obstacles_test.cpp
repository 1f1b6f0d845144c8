#include "fabric/verbs/gdr_obstacles.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Host sound_host() {
  Host host;
  host.environment.modules["nvidia_peermem"] = "570.1";
  host.environment.dmabuf = true;
  host.environment.iommu = "passthrough";
  Gpu gpu;
  gpu.index = 0;
  gpu.pci_address = "0000:5d:00.0";
  gpu.memory_bytes = std::uint64_t{80} << 30;
  host.gpus.push_back(gpu);
  RdmaDevice nic;
  nic.pci_address = "0000:5e:00.0";
  host.rdma_devices.push_back(nic);
  const auto node = [&](const char* address, const char* parent) {
    PciNode one;
    one.address = address;
    one.parent = parent;
    host.pci.push_back(one);
  };
  node("0000:5b:00.0", "");
  node("0000:5d:00.0", "0000:5b:00.0");
  node("0000:5e:00.0", "0000:5b:00.0");
  host.pci[1].largest_bar_bytes = std::uint64_t{128} << 30;
  return host;
}

TEST(GdrObstacles, ASoundHostHasNone) { EXPECT_THAT(gdr_obstacles(sound_host()), IsEmpty()); }

TEST(GdrObstacles, NamesTheModule) {
  Host host = sound_host();
  host.environment.modules.clear();
  EXPECT_THAT(gdr_obstacles(host), IsEmpty()) << "a dmabuf is enough";
  host.environment.dmabuf = false;
  EXPECT_THAT(gdr_obstacles(host), ElementsAre(HasSubstr("modprobe nvidia_peermem")));
  host.environment.dmabuf.reset();
  EXPECT_THAT(gdr_obstacles(host), ElementsAre(HasSubstr("not known")));
}

TEST(GdrObstacles, NamesTheBridgeWithAcs) {
  Host host = sound_host();
  host.pci[0].acs = true;
  EXPECT_THAT(gdr_obstacles(host), ElementsAre(AllOf(HasSubstr("ACS"), HasSubstr("0000:5b:00.0"))));
}

TEST(GdrObstacles, NamesTheIommuAndTheBar) {
  Host host = sound_host();
  host.environment.iommu = "translated";
  host.pci[1].largest_bar_bytes = std::uint64_t{256} << 20;
  EXPECT_THAT(
      gdr_obstacles(host),
      ElementsAre(HasSubstr("iommu=pt"), AllOf(HasSubstr("256 MiB of its 80 GiB"), HasSubstr("GPU 0"))));
}

TEST(GdrObstacles, ABrokenTreeEnds) {
  Host host = sound_host();
  host.pci[0].parent = "0000:5b:00.0";
  EXPECT_THAT(gdr_obstacles(host), IsEmpty());
}

}  // namespace
}  // namespace fabricheck::verbs
