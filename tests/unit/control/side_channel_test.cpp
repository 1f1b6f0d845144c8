#include "control/side_channel.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <string>
#include <vector>

namespace fabricheck::control {
namespace {

/// Listens at one address; `port` 0 is any, and is then set.
Descriptor listen_at(const char* address, int& port) {
  Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, address, &place.sin_addr);
  auto* generic = reinterpret_cast<sockaddr*>(&place);
  socklen_t length = sizeof place;
  if (::bind(socket.get(), generic, length) != 0 || ::listen(socket.get(), 0) != 0) return {};
  ::getsockname(socket.get(), generic, &length);
  port = ntohs(place.sin_port);
  return socket;
}

/// One that takes nobody any more drops what comes, as a firewall does: it alone would take all the time.
TEST(Contact, AnAddressThatDropsEverythingDoesNotHoldUpTheOneThatAnswers) {
  int port = 0;
  const Descriptor full = listen_at("127.0.0.2", port), open = listen_at("127.0.0.1", port);
  if (!full || !open) GTEST_SKIP() << "the port is another's";
  std::vector<Descriptor> waiting;
  std::string reason;
  do {
    waiting.push_back(connect_to({1, port, {"127.0.0.2"}}, 0.5, reason));
    ASSERT_LT(waiting.size(), 20u);
  } while (waiting.back());
  EXPECT_EQ(reason, "127.0.0.2 port " + std::to_string(port) + ": Connection timed out");
  EXPECT_TRUE(connect_to({1, port, {"127.0.0.2", "127.0.0.1"}}, 600.0, reason));
}

TEST(Contact, AllReasonsAreTold) {
  int port = 0;
  { const Descriptor free_again = listen_at("127.0.0.1", port); }
  std::string reason;
  EXPECT_FALSE(connect_to({1, port, {"127.0.0.1", "127.0.0.2"}}, 5.0, reason));
  EXPECT_EQ(reason,
            "127.0.0.1 port " + std::to_string(port) + ": Connection refused; 127.0.0.2: Connection refused");
  EXPECT_FALSE(connect_to({1, port, {}}, 5.0, reason));
  EXPECT_EQ(reason, "no address of rank 0 is known");
}

TEST(Contact, WhatMeansThisHostIsNotTriedForAnother) {
  const std::vector<std::string> own{"172.17.0.1", "10.0.0.2", "127.0.0.1", "::1"};
  EXPECT_EQ(addresses_to_try({"172.17.0.1", "10.0.0.1", "127.0.0.1", "::1"}, own),
            std::vector<std::string>{"10.0.0.1"});
  EXPECT_EQ(addresses_to_try({"172.17.0.1", "10.0.0.2", "127.0.0.1", "::1"}, own),
            (std::vector<std::string>{"172.17.0.1", "10.0.0.2", "127.0.0.1", "::1"}));
  EXPECT_EQ(addresses_to_try({}, own), std::vector<std::string>{});
}

TEST(Contact, GoesBothWaysAndRefusesGarbage) {
  const Contact contact{42, 1234, {"10.0.0.1", "::1"}};
  const auto back = parse_contact(format_contact(contact));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->token, 42u);
  EXPECT_EQ(back->port, 1234);
  EXPECT_EQ(back->addresses, contact.addresses);
  EXPECT_FALSE(parse_contact(""));
  EXPECT_FALSE(parse_contact("1 99999 a"));
  EXPECT_FALSE(parse_contact("x y z"));
}

}  // namespace
}  // namespace fabricheck::control
