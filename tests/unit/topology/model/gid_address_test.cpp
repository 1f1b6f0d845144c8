#include "topology/model/gid_address.hpp"

#include <gtest/gtest.h>

namespace fabricheck::topology {
namespace {

TEST(GidAddress, FamiliesAndWords) {
  const auto of = [](const char* text) { return parse_gid(text).value(); };
  EXPECT_EQ(of("0000:0000:0000:0000:0000:ffff:0a03:0007").words(), "10.3.0.7");
  EXPECT_EQ(of("10.3.0.7").family(), GidFamily::ipv4);
  EXPECT_EQ(of("169.254.9.9").family(), GidFamily::link_local);
  EXPECT_EQ(of("febf::1").family(), GidFamily::link_local);
  EXPECT_EQ(of("fec0::1").family(), GidFamily::global_ipv6);
  EXPECT_EQ(of("fd00::1").family(), GidFamily::local_ipv6);
  EXPECT_EQ(of("2001:db8::7").words(), "2001:db8::7");
  EXPECT_FALSE(parse_gid(""));
  EXPECT_FALSE(parse_gid("fe80:0000"));
}

TEST(GidAddress, IsInAPrefix) {
  const GidAddress four = parse_gid("10.3.129.7").value(), six = parse_gid("2001:db8:8000::7").value();
  EXPECT_TRUE(is_in(four, "10.3.128.0/17"));
  EXPECT_FALSE(is_in(four, "10.3.0.0/17"));
  EXPECT_TRUE(is_in(four, "0.0.0.0/0"));
  EXPECT_FALSE(is_in(six, "0.0.0.0/0"));
  EXPECT_TRUE(is_in(six, "2001:db8:8000::/33"));
  EXPECT_FALSE(is_in(six, "2001:db8::/33"));
  for (const char* bad : {"", "10.3.0.0", "10.3.0.0/33", "10.3.0.0/-1", "10.3.0.0/x", "/8", "2001:db8::/129"})
    EXPECT_FALSE(is_in(four, bad)) << bad;
}

}  // namespace
}  // namespace fabricheck::topology
