// Questions to the running kernel about net devices.
#include <fmt/format.h>
#include <linux/dcbnl.h>
#include <linux/ethtool.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "core/descriptor.hpp"
#include "topology/probe/link_settings.hpp"

namespace fabricheck::topology {
namespace {

Descriptor new_socket(int family, int type, int protocol) {
  return Descriptor(::socket(family, type | SOCK_CLOEXEC, protocol));
}

bool ask_ethtool(const std::string& net_device, void* request, std::string& why) {
  const Descriptor socket = new_socket(AF_INET, SOCK_DGRAM, 0);
  ifreq interface {};
  if (net_device.size() >= sizeof(interface.ifr_name)) {
    why = "its name is too long";
    return false;
  }
  std::copy(net_device.begin(), net_device.end(), std::begin(interface.ifr_name));
  interface.ifr_data = static_cast<char*>(request);
  if (socket && ::ioctl(socket.get(), SIOCETHTOOL, &interface) == 0) return true;
  why = system_reason(errno);
  return false;
}

/// DCB_CMD_IEEE_GET for one net device.
struct DcbRequest {
  nlmsghdr head;
  dcbmsg dcb;
  nlattr name_head;
  std::array<char, IFNAMSIZ> name;
};

class LiveQueries final : public LinkQueries {
 public:
  std::optional<std::string> dcb(const std::string& net_device, std::string& why) override {
    const Descriptor socket = new_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    DcbRequest request{};
    if (net_device.size() >= request.name.size()) {
      why = "its name is too long";
      return std::nullopt;
    }
    request.head.nlmsg_len = sizeof(request);
    request.head.nlmsg_type = RTM_GETDCB;
    request.head.nlmsg_flags = NLM_F_REQUEST;
    request.dcb.dcb_family = AF_UNSPEC;
    request.dcb.cmd = DCB_CMD_IEEE_GET;
    request.name_head.nla_type = DCB_ATTR_IFNAME;
    request.name_head.nla_len = sizeof(nlattr) + IFNAMSIZ;
    std::copy(net_device.begin(), net_device.end(), request.name.begin());
    timeval patience{1, 0};
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) != 0 ||
        ::sendto(socket.get(), &request, sizeof(request), 0, reinterpret_cast<const sockaddr*>(&kernel),
                 sizeof(kernel)) < 0) {
      why = system_reason(errno);
      return std::nullopt;
    }
    std::string answer(std::size_t{1} << 16, '\0');  // the kernel's largest for this
    const ssize_t length = ::recv(socket.get(), answer.data(), answer.size(), 0);
    if (length < 0) {
      why = system_reason(errno);
      return std::nullopt;
    }
    answer.resize(static_cast<std::size_t>(length));
    return answer;
  }

  std::optional<std::vector<std::uint32_t>> supported_modes(const std::string& net_device,
                                                            std::string& why) override {
    constexpr std::size_t most_words = 127, lists = 3;  // supported, advertised, the partner's
    constexpr std::size_t head_words = sizeof(ethtool_link_settings) / sizeof(std::uint32_t);
    std::array<std::uint32_t, head_words + lists * most_words> memory{};
    ethtool_link_settings settings{};
    settings.cmd = ETHTOOL_GLINKSETTINGS;
    // The first answer says how many words a list has, as a negative number; the second has the lists.
    for (const bool counted : {false, true}) {
      std::memcpy(memory.data(), &settings, sizeof(settings));
      if (!ask_ethtool(net_device, memory.data(), why)) return std::nullopt;
      std::memcpy(&settings, memory.data(), sizeof(settings));
      if (counted) break;
      settings.link_mode_masks_nwords = static_cast<std::int8_t>(-settings.link_mode_masks_nwords);
      if (settings.link_mode_masks_nwords > 0) continue;
      why = "it does not say how many link modes there are";
      return std::nullopt;
    }
    const auto words = static_cast<std::ptrdiff_t>(std::max<std::int8_t>(settings.link_mode_masks_nwords, 0));
    const auto first = memory.begin() + static_cast<std::ptrdiff_t>(head_words);
    const std::vector<std::uint32_t> supported(first, first + words);
    return supported;
  }

  std::optional<Pause> pause(const std::string& net_device, std::string& why) override {
    ethtool_pauseparam parameters{};
    parameters.cmd = ETHTOOL_GPAUSEPARAM;
    if (!ask_ethtool(net_device, &parameters, why)) return std::nullopt;
    return Pause{parameters.rx_pause != 0, parameters.tx_pause != 0};
  }
};

/// Bits of enum ethtool_link_mode_bit_indices (linux/ethtool.h) by the speed of their mode. Bits that are no
/// speed (flow control, FEC, kinds of plugs) are in no range; newer kernels only add at the end.
struct SpeedRange {
  int first, last;
  double Gbps;
};
constexpr std::array speeds{SpeedRange{4, 5, 1},       SpeedRange{12, 12, 10},    SpeedRange{17, 17, 1},
                            SpeedRange{18, 20, 10},    SpeedRange{21, 22, 20},    SpeedRange{23, 26, 40},
                            SpeedRange{27, 30, 56},    SpeedRange{31, 33, 25},    SpeedRange{34, 35, 50},
                            SpeedRange{36, 39, 100},   SpeedRange{40, 40, 50},    SpeedRange{41, 41, 1},
                            SpeedRange{42, 46, 10},    SpeedRange{52, 56, 50},    SpeedRange{57, 61, 100},
                            SpeedRange{62, 66, 200},   SpeedRange{69, 73, 400},   SpeedRange{75, 79, 100},
                            SpeedRange{80, 84, 200},   SpeedRange{85, 89, 400},   SpeedRange{93, 98, 800},
                            SpeedRange{103, 108, 200}, SpeedRange{109, 114, 400}, SpeedRange{115, 120, 800},
                            SpeedRange{121, 124, 1600}};
static_assert(ETHTOOL_LINK_MODE_25000baseCR_Full_BIT == 31 &&
              ETHTOOL_LINK_MODE_100000baseKR4_Full_BIT == 36 &&
              ETHTOOL_LINK_MODE_200000baseKR4_Full_BIT == 62 &&
              ETHTOOL_LINK_MODE_400000baseKR8_Full_BIT == 69 &&
              ETHTOOL_LINK_MODE_400000baseCR4_Full_BIT == 89);

}  // namespace

std::unique_ptr<LinkQueries> live_link_queries() { return std::make_unique<LiveQueries>(); }

std::optional<double> fastest_mode_Gbps(const std::vector<std::uint32_t>& modes) {
  std::optional<double> fastest;
  constexpr int word_bits = 32;
  for (const SpeedRange& range : speeds) {
    for (int bit = range.first; bit <= range.last; ++bit) {
      const auto word = static_cast<std::size_t>(bit / word_bits);
      const bool supported =
          word < modes.size() && (modes[word] >> static_cast<unsigned>(bit % word_bits) & 1U) != 0;
      if (supported && range.Gbps > fastest.value_or(0)) fastest = range.Gbps;
    }
  }
  return fastest;
}

}  // namespace fabricheck::topology
