#include "app/host_networks.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <string>

namespace fabricheck::app {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::optional<std::string> nothing(const std::string&) { return std::nullopt; }

const std::vector<HostNetwork> with_docker{{"docker0", "172.17.0.0/16", true},
                                           {"eth0", "10.77.0.0/24", false}};

TEST(WhyInitWaits, NamesTheNetworksThatMayLeadNowhere) {
  const std::string why = why_init_waits(with_docker, nothing);
  EXPECT_THAT(why, HasSubstr("(docker0 172.17.0.0/16, eth0 10.77.0.0/24)"));
  EXPECT_THAT(why, HasSubstr("export OMPI_MCA_btl_tcp_if_include=10.77.0.0/24"));
}

TEST(WhyInitWaits, AHostOfOneNetworkHasNothingToChoose) {
  EXPECT_THAT(why_init_waits({{"eth0", "10.77.0.0/24", false}}, nothing), Not(HasSubstr("export")));
}

TEST(WhyInitWaits, WhoHasChosenIsNotToldTo) {
  for (const std::string given : {"OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_btl_tcp_if_exclude"}) {
    const auto chosen = [&](const std::string& name) {
      return name == given ? std::optional<std::string>("eth0") : std::nullopt;
    };
    EXPECT_THAT(why_init_waits(with_docker, chosen), Not(HasSubstr("export"))) << given;
  }
}

TEST(WhyInitWaits, OfManyNetworksSomeAreNamed) {
  std::vector<HostNetwork> rails;
  for (int i = 0; i < 9; ++i)
    rails.push_back({"ib" + std::to_string(i), "10." + std::to_string(i) + ".0.0/16", false});
  EXPECT_THAT(why_init_waits(rails, nothing), HasSubstr("ib5 10.5.0.0/16 and 3 more"));
}

TEST(HostNetworks, LeaveLoopbackOut) {
  for (const HostNetwork& one : host_networks()) {
    EXPECT_NE(one.interface, "lo");
    EXPECT_THAT(one.network, HasSubstr("/"));
  }
}

}  // namespace
}  // namespace fabricheck::app
