#include "topology/probe/net.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr const char* kHead = "Iface Destination Gateway Flags RefCnt Use Metric Mask MTU Window IRTT\n";

TEST(Routes, KeepsTheNetworksOfNetDevices) {
  int bad = 0;
  const auto routes =
      parse_routes(std::string(kHead) +
                       "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"    // default
                       "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"    // 192.168.0.0/24
                       "rail0\t0000030A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"   // 10.3.0.0/16
                       "rail0\t0000030A\t00000000\t0001\t0\t0\t9\t0000FFFF\t0\t0\t0\n"   // again
                       "rail0\t0204030A\t00000000\t0001\t0\t0\t0\tFEFFFFFF\t0\t0\t0\n"   // 10.3.4.2/31
                       "rail0\t0000090A\t0100030A\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"   // gateway
                       "rail0\t0000FEA9\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"   // link-local
                       "rail0\t0500030A\t00000000\t0005\t0\t0\t0\tFFFFFFFF\t0\t0\t0\n"   // one host
                       "rail0\t0000080A\t00000000\t0000\t0\t0\t0\t0000FFFF\t0\t0\t0\n",  // down
                   bad);
  EXPECT_EQ(bad, 0);
  ASSERT_THAT(routes, SizeIs(2));
  EXPECT_THAT(routes.at("eth0"), ElementsAre("192.168.0.0/24"));
  EXPECT_THAT(routes.at("rail0"), ElementsAre("10.3.0.0/16", "10.3.4.2/31"));
}

TEST(Routes, CountsLinesThatAreNone) {
  int bad = 0;
  const auto routes = parse_routes(std::string(kHead) +
                                       "eth0 0000A8C0\n"
                                       "eth0 0000A8C 00000000 0001 0 0 0 00FFFFFF\n"
                                       "eth0 0000A8C0 00000000 zz 0 0 0 00FFFFFF\n"
                                       "eth0 0000A8C0 00000000 0001 0 0 0 00FF00FF\n"  // a mask with holes
                                       "../../x 0000A8C0 00000000 0001 0 0 0 00FFFFFF\n"
                                       "\xff\xfe\n\n",
                                   bad);
  EXPECT_THAT(routes, IsEmpty());
  EXPECT_EQ(bad, 6);
  EXPECT_THAT(parse_routes("", bad), IsEmpty());
}

TEST(NetDeviceName, IsNoPath) {
  for (const char* const good : {"eth0", "ens1np0", "bond0.100", "ib0.8001"})
    EXPECT_TRUE(is_net_device_name(good));
  for (const char* const bad : {"", ".", "..", "a/b", "a b", "sixteen-letters-", "\xff"}) {
    EXPECT_FALSE(is_net_device_name(bad)) << bad;
  }
}

}  // namespace
}  // namespace fabricheck::topology
