#include "app/host_networks.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>

namespace fabricheck::app {
namespace {

in_addr ipv4_of(const sockaddr& address) {
  sockaddr_in v4{};
  std::memcpy(&v4, &address, sizeof v4);
  return v4.sin_addr;
}

std::string network_of(const sockaddr& address, const sockaddr& mask) {
  in_addr network = ipv4_of(address);
  const in_addr_t bits = ipv4_of(mask).s_addr;
  network.s_addr &= bits;
  std::array<char, INET_ADDRSTRLEN> text{};
  ::inet_ntop(AF_INET, &network, text.data(), text.size());
  return fmt::format("{}/{}", text.data(), std::popcount(bits));
}

}  // namespace

std::vector<HostNetwork> host_networks() {
  std::vector<HostNetwork> networks;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return networks;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_netmask == nullptr || one->ifa_addr->sa_family != AF_INET)
      continue;
    if (!(one->ifa_flags & IFF_UP) || (one->ifa_flags & IFF_LOOPBACK)) continue;
    const std::string name = one->ifa_name;
    std::error_code none;
    networks.push_back({name, network_of(*one->ifa_addr, *one->ifa_netmask),
                        std::filesystem::exists("/sys/class/net/" + name + "/bridge", none)});
  }
  ::freeifaddrs(all);
  return networks;
}

std::string why_init_waits(const std::vector<HostNetwork>& networks, const EnvironmentLookup& environment) {
  constexpr std::size_t most_named = 6;
  std::string why =
      "another rank has not started or cannot be reached (a firewall, an MTU that a switch does not carry); "
      "look on the other hosts";
  const bool is_told =
      environment("OMPI_MCA_btl_tcp_if_include") || environment("OMPI_MCA_btl_tcp_if_exclude");
  if (networks.size() < 2 || is_told) return why;
  std::string named;
  for (std::size_t i = 0; i < std::min(networks.size(), most_named); ++i)
    named += fmt::format("{}{} {}", i == 0 ? "" : ", ", networks[i].interface, networks[i].network);
  if (networks.size() > most_named) named += fmt::format(" and {} more", networks.size() - most_named);
  const auto leads_out =
      std::find_if(networks.begin(), networks.end(), [](const HostNetwork& one) { return !one.is_bridge; });
  return why +
         fmt::format(
             "; where MPI uses TCP it takes each network of this host ({}) for a way there: name the one "
             "that leads to all hosts, as by: export OMPI_MCA_btl_tcp_if_include={}",
             named, (leads_out == networks.end() ? networks.front() : *leads_out).network);
}

}  // namespace fabricheck::app
