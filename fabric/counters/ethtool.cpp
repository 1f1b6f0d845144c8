#include <fmt/format.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "core/descriptor.hpp"
#include "fabric/counters/reader.hpp"

namespace fabricheck::counters {
namespace {

constexpr std::size_t most_statistics = 100'000;  // mlx5 has some thousands with many queues

class LiveStatistics final : public NicStatistics {
 public:
  LiveStatistics() : socket_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}

  std::optional<std::vector<std::string>> names(const std::string& net_device, std::string& why) override {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    if (!ask(net_device, &info, why)) return std::nullopt;
    if (info.n_stats == 0 || info.n_stats > most_statistics) {
      why = info.n_stats == 0 ? "it has none" : fmt::format("it claims to have {}", info.n_stats);
      return std::nullopt;
    }
    std::vector<std::uint64_t> memory =
        memory_for(sizeof(ethtool_gstrings) + info.n_stats * std::size_t{ETH_GSTRING_LEN});
    auto* const strings = reinterpret_cast<ethtool_gstrings*>(memory.data());
    strings->cmd = ETHTOOL_GSTRINGS;
    strings->string_set = ETH_SS_STATS;
    strings->len = info.n_stats;
    if (!ask(net_device, strings, why)) return std::nullopt;
    const std::size_t told = std::min<std::size_t>(strings->len, info.n_stats);
    return statistics_names({reinterpret_cast<const char*>(strings->data), told * ETH_GSTRING_LEN});
  }

  std::optional<std::vector<std::uint64_t>> values(const std::string& net_device, std::size_t count,
                                                   std::string& why) override {
    // The kernel writes as many as the device has now: a queue more since names() were told must find its
    // place.
    const std::size_t room = count + spare_;
    std::vector<std::uint64_t> memory = memory_for(sizeof(ethtool_stats) + room * sizeof(std::uint64_t));
    auto* const stats = reinterpret_cast<ethtool_stats*>(memory.data());
    stats->cmd = ETHTOOL_GSTATS;
    stats->n_stats = static_cast<std::uint32_t>(count);
    if (!ask(net_device, stats, why)) return std::nullopt;
    if (stats->n_stats != count) {
      why = fmt::format("it has {} now, and had {}", stats->n_stats, count);
      return std::nullopt;
    }
    std::vector<std::uint64_t> values(count);
    std::memcpy(values.data(), stats->data, count * sizeof(std::uint64_t));
    return values;
  }

 private:
  static std::vector<std::uint64_t> memory_for(std::size_t bytes) {
    return std::vector<std::uint64_t>(bytes / sizeof(std::uint64_t) + 1);
  }

  bool ask(const std::string& net_device, void* request, std::string& why) const {
    ifreq interface {};
    if (!socket_ || net_device.size() >= sizeof(interface.ifr_name)) {
      why = !socket_ ? "no socket" : "its name is too long";
      return false;
    }
    std::copy(net_device.begin(), net_device.end(), std::begin(interface.ifr_name));
    interface.ifr_data = static_cast<char*>(request);
    if (::ioctl(socket_.get(), SIOCETHTOOL, &interface) == 0) return true;
    why = system_reason(errno);
    return false;
  }

  static constexpr std::size_t spare_ = 4096;
  Descriptor socket_;
};

}  // namespace

std::vector<std::string> statistics_names(const std::string& bytes) {
  std::vector<std::string> names;
  for (std::size_t at = 0; at + ETH_GSTRING_LEN <= bytes.size(); at += ETH_GSTRING_LEN)
    names.emplace_back(bytes.data() + at, ::strnlen(bytes.data() + at, ETH_GSTRING_LEN));
  return names;
}

std::unique_ptr<NicStatistics> live_nic_statistics() { return std::make_unique<LiveStatistics>(); }

}  // namespace fabricheck::counters
