#include "fabric/verbs/port_facts.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::verbs {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Host host_with_port() {
  RdmaPort port;
  port.number = 1;
  port.link_layer = "unknown";
  port.gids = {{0, "fe80::1", "IB/RoCE v1", ""}, {3, "fe80::1", "unknown", ""}};
  RdmaDevice device;
  device.name = "mlx5_0";
  device.ports = {port};
  Host host;
  host.rdma_devices = {device};
  return host;
}

TEST(JoinPortFacts, FillsMtusAndWhatSysfsLeftOpen) {
  Host host = host_with_port();
  join_port_facts({{"mlx5_0", 1, 4096, 4096, "Ethernet", {{0, "RoCE v2"}, {3, "RoCE v2"}}}}, host);
  const RdmaPort& port = host.rdma_devices[0].ports[0];
  EXPECT_EQ(port.active_mtu_bytes, 4096);
  EXPECT_EQ(port.max_mtu_bytes, 4096);
  EXPECT_EQ(port.link_layer, "Ethernet");
  EXPECT_EQ(port.gids[0].type, "IB/RoCE v1");  // sysfs told it
  EXPECT_EQ(port.gids[1].type, "RoCE v2");
}

TEST(JoinPortFacts, LeavesOtherPortsAndWhatIsNotTold) {
  Host host = host_with_port();
  const Host before = host;
  join_port_facts({{"mlx5_1", 1, 4096, 4096, "Ethernet", {}},
                   {"mlx5_0", 2, 4096, 4096, "Ethernet", {}},
                   {"mlx5_0", 1, {}, {}, "", {{7, "RoCE v2"}}}},
                  host);
  EXPECT_EQ(host, before);
}

TEST(AddPortFacts, AHostWithoutRdmaIsNotAsked) {
  Host host;
  add_port_facts(host);
  EXPECT_THAT(host.unknown, IsEmpty());
  RdmaDevice silent;
  silent.status = "not answering";
  host.rdma_devices = {silent};
  add_port_facts(host);
  EXPECT_THAT(host.unknown, IsEmpty());
}

TEST(AddPortFacts, ADeviceThatVerbsDoNotHaveIsASentence) {
  Host host = host_with_port();
  host.rdma_devices[0].name = "no_such_device";
  add_port_facts(host);
  EXPECT_THAT(host.unknown, ElementsAre(AllOf(HasSubstr("verbs:"), HasSubstr("/dev/infiniband"))));
  EXPECT_FALSE(host.rdma_devices[0].ports[0].active_mtu_bytes);
}

}  // namespace
}  // namespace fabricheck::verbs
