#include "fabric/verbs/measure/port_text.hpp"

#include <gtest/gtest.h>

#include "core/error.hpp"

namespace fabricheck::verbs {
namespace {

TEST(PortText, ComesBackAsItWas) {
  PortPlace place;
  place.host = "node7.cluster";
  place.device = "mlx5_0";
  place.port.number = 2;
  place.port.link_layer = "Ethernet";
  place.port.state = "ACTIVE";
  place.port.net_device = "eth0";
  place.port.subnets = {"10.0.0.0/24", "fd00::/64"};
  place.port.gids = {{0, "fe80:0000:0000:0000:0000:0000:0000:0001", "IB/RoCE v1", ""},
                     {3, "0000:0000:0000:0000:0000:ffff:0a00:0001", "RoCE v2", ""}};
  EXPECT_EQ(port_from_text(port_to_text(place)), place);
  EXPECT_EQ(port_name(place), "mlx5_0 port 2");
}

TEST(PortText, APortOfInfiniBandHasNoNetDevice) {
  PortPlace place;
  place.host = "h";
  place.device = "mlx5_0";
  place.port.number = 1;
  place.port.link_layer = "InfiniBand";
  place.port.state = "ACTIVE";
  EXPECT_EQ(port_from_text(port_to_text(place)), place);
}

TEST(PortText, WhatIsNoneIsRefused) { EXPECT_THROW(port_from_text("nonsense\n"), Error); }

}  // namespace
}  // namespace fabricheck::verbs
