#include "topology/probe/pci_config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "unit/topology/probe/machines.hpp"

namespace fabricheck::topology {
namespace {

using ::testing::HasSubstr;

TEST(PciConfig, ReadsTheExpressCapabilityAndAcs) {
  ConfigSpace space;
  space.port_type = 6;
  space.max_payload = 2;
  space.max_read_request = 5;
  space.relaxed_ordering = true;
  space.acs_control = 0x1d;
  const PciConfig config = parse_config_space(space.bytes());
  EXPECT_EQ(config.port_type, 6);
  EXPECT_EQ(config.max_payload_bytes, 512);
  EXPECT_EQ(config.max_read_request_bytes, 4096);
  EXPECT_EQ(config.relaxed_ordering, true);
  EXPECT_EQ(config.acs_redirects, true);
  EXPECT_EQ(config.problem, "");
}

TEST(PciConfig, AcsRedirectsOnlyByItsThreeBits) {
  ConfigSpace space;
  for (const auto& [control, redirects] : {std::pair{0x00, false},
                                           {0x01, false},
                                           {0x02, false},
                                           {0x04, true},
                                           {0x08, true},
                                           {0x10, true},
                                           {0x60, false}}) {
    space.acs_control = control;
    EXPECT_EQ(parse_config_space(space.bytes()).acs_redirects, redirects) << control;
  }
  space.acs_control.reset();
  EXPECT_EQ(parse_config_space(space.bytes()).acs_redirects, false);
}

TEST(PciConfig, WhatCannotBeReadIsNotKnown) {
  ConfigSpace space;
  space.acs_control = 0x1d;
  const std::string bytes = space.bytes();
  EXPECT_EQ(parse_config_space(""), PciConfig{});
  EXPECT_EQ(parse_config_space(bytes.substr(0, 64)), PciConfig{});
  const PciConfig short_config = parse_config_space(bytes.substr(0, 256));
  EXPECT_EQ(short_config.port_type, 0);
  EXPECT_EQ(short_config.acs_redirects, std::nullopt);
  EXPECT_EQ(short_config.problem, "");
}

TEST(PciConfig, OnesOnlyAreADeviceThatFellOffTheBus) {
  EXPECT_TRUE(parse_config_space(std::string(64, '\xff')).gone);
  EXPECT_TRUE(parse_config_space(std::string(4096, '\xff')).gone);
  std::string of_virtual_function = ConfigSpace{}.bytes();
  of_virtual_function.replace(0, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(parse_config_space(of_virtual_function).gone);
}

TEST(PciConfig, ListsThatLeadOutOrRoundAreSaid) {
  std::string bytes = ConfigSpace{}.bytes();
  bytes[0x34] = '\x10';
  EXPECT_THAT(parse_config_space(bytes).problem, HasSubstr("byte 16"));
  bytes[0x34] = '\x50';
  bytes[0x50] = '\x01';
  bytes[0x51] = '\x50';
  EXPECT_THAT(parse_config_space(bytes).problem, HasSubstr("circles"));
  bytes = ConfigSpace{}.bytes();
  bytes.replace(0x100, 4, std::string("\x01\x00\x01\x10", 4));  // next: 0x100
  EXPECT_THAT(parse_config_space(bytes).problem, HasSubstr("circles"));
  bytes.replace(0x100, 4, std::string("\x01\x00\x01\x04", 4));  // next: 0x40
  EXPECT_THAT(parse_config_space(bytes).problem, HasSubstr("byte 64"));
  EXPECT_EQ(parse_config_space(bytes).acs_redirects, std::nullopt);
}

TEST(PciConfig, RandomBytesAreSurvived) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = round % 2 == 0 ? ConfigSpace{}.bytes() : std::string(4096, '\0');
    bytes.resize(1 + random() % bytes.size());
    for (int i = 0; i < 64; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    const PciConfig config = parse_config_space(bytes);
    EXPECT_GE(config.max_payload_bytes.value_or(128), 128);
  }
}

}  // namespace
}  // namespace fabricheck::topology
