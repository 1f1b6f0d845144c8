#include "topology/judge/cables.hpp"

#include <algorithm>
#include <cctype>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// "0x0C42A10300AABBCC", "0c42:a103:00aa:bbcc" and the like as 16 small digits; else nothing.
std::optional<std::string> guid(std::string_view text) {
  constexpr std::size_t kDigits = 16;
  if (text.substr(0, 2) == "0x" || text.substr(0, 2) == "0X") text.remove_prefix(2);
  std::string digits;
  for (const char c : text) {
    if (c == ':' || c == '.' || c == '-') continue;
    if (std::isxdigit(static_cast<unsigned char>(c)) == 0 || digits.size() == kDigits) return std::nullopt;
    digits += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (digits.size() != kDigits || digits.find_first_not_of('0') == std::string::npos) return std::nullopt;
  return digits;
}

std::string_view short_name(std::string_view host) { return host.substr(0, host.find('.')); }

/// A port of the cluster: host, and place among the ports of all its devices.
struct Place {
  std::size_t host{};
  std::size_t port{};
  bool operator==(const Place&) const = default;
  bool operator<(const Place& other) const { return std::tie(host, port) < std::tie(other.host, other.port); }
};

/// Text -> place; a text that fits several places fits none.
class Index {
 public:
  void add(const std::string& text, Place place) {
    const auto [at, is_new] = places_.try_emplace(text, place);
    if (!is_new && at->second && !(*at->second == place)) at->second.reset();
  }

  std::optional<Place> find(const std::string& text) const {
    const auto at = places_.find(text);
    return at == places_.end() ? std::nullopt : at->second;
  }

 private:
  std::unordered_map<std::string, std::optional<Place>> places_;
};

class Ports {
 public:
  explicit Ports(const ClusterTopology& cluster) {
    for (std::size_t host = 0; host < cluster.hosts.size(); ++host) {
      const HostEntry& entry = cluster.hosts[host];
      add_name(hosts_, entry.name, host);
      add_name(short_hosts_, std::string(short_name(entry.name)), host);
      const Host& kind = cluster.kinds[static_cast<std::size_t>(entry.kind)];
      std::size_t at = 0;
      for (std::size_t nic = 0; nic < kind.rdma_devices.size(); ++nic) {
        const RdmaDevice& device = kind.rdma_devices[nic];
        const std::string node_guid = nic < entry.own.node_guids.size() ? entry.own.node_guids[nic] : "";
        for (const RdmaPort& port : device.ports) add_port(entry, device, port, node_guid, {host, at++});
      }
    }
  }

  std::optional<Place> find(const Cable& cable) const {
    if (const auto host = find_host(cable.host)) {
      if (const auto place = by_name_.find(key(*host, cable.device, cable.port))) return place;
      if (const auto place = by_name_.find(key(*host, cable.device, 0))) return place;
      if (const auto id = guid(cable.device)) {
        const auto place = find_guid(*id, cable.port);
        return place && place->host == *host ? place : std::nullopt;
      }
      return by_lid_of_host_.find(std::to_string(*host) + ' ' + cable.device);
    }
    if (const auto id = guid(cable.device)) return find_guid(*id, cable.port);
    return by_lid_.find(cable.device);
  }

  std::optional<std::size_t> find_host(const std::string& name) const {
    if (name.empty()) return std::nullopt;
    if (const auto at = hosts_.find(name); at != hosts_.end()) return at->second;
    const auto at = short_hosts_.find(std::string(short_name(name)));
    return at == short_hosts_.end() ? std::nullopt : at->second;
  }

 private:
  using Names = std::unordered_map<std::string, std::optional<std::size_t>>;

  static void add_name(Names& names, const std::string& name, std::size_t host) {
    const auto [at, is_new] = names.try_emplace(name, host);
    if (!is_new && at->second != host) at->second.reset();
  }

  static std::string key(std::size_t host, const std::string& device, int port) {
    return std::to_string(host) + ' ' + std::to_string(port) + ' ' + device;
  }

  void add_port(const HostEntry& entry, const RdmaDevice& device, const RdmaPort& port,
                const std::string& node_guid, Place place) {
    by_name_.add(key(place.host, device.name, port.number), place);
    // A net device belongs to one port, whatever number the cable has.
    if (!port.net_device.empty()) by_name_.add(key(place.host, port.net_device, 0), place);
    if (place.port < entry.own.ports.size()) {
      const PortParticulars& own = entry.own.ports[place.port];
      for (const std::string& gid : own.gid_addresses) add_gid(gid, place);
      if (own.lid && *own.lid > 0) {
        const std::string lid = "lid:" + std::to_string(*own.lid);
        by_lid_.add(lid, place);
        by_lid_of_host_.add(std::to_string(place.host) + ' ' + lid, place);
      }
    }
    if (const auto id = guid(node_guid)) by_node_guid_.add(key(0, *id, port.number), place);
  }

  /// The lower half of a GID is the port's GUID.
  void add_gid(std::string_view gid, Place place) {
    constexpr std::size_t kLowerHalf = 19;
    if (gid.size() <= kLowerHalf) return;
    if (const auto id = guid(gid.substr(gid.size() - kLowerHalf))) by_port_guid_.add(*id, place);
  }

  std::optional<Place> find_guid(const std::string& id, int port) const {
    if (const auto place = by_port_guid_.find(id)) return place;
    return by_node_guid_.find(key(0, id, port));
  }

  Names hosts_;
  Names short_hosts_;
  Index by_name_;
  Index by_port_guid_;
  Index by_node_guid_;
  Index by_lid_;
  Index by_lid_of_host_;
};

}  // namespace

std::size_t apply_cables(ClusterTopology& cluster, const std::vector<Cable>& cables) {
  const Ports ports(cluster);
  std::set<Place> set;
  for (const Cable& cable : cables) {
    if (cable.device.empty()) continue;
    const auto place = ports.find(cable);
    if (!place || place->port >= cluster.hosts[place->host].own.ports.size()) continue;
    cluster.hosts[place->host].own.ports[place->port].neighbour = cable.neighbour;
    set.insert(*place);
  }
  for (const Cable& cable : cables) {
    if (!cable.device.empty()) continue;
    const auto host = ports.find_host(cable.host);
    if (!host) continue;
    auto& own = cluster.hosts[*host].own.ports;
    for (std::size_t port = 0; port < own.size(); ++port) {
      if (own[port].neighbour) continue;
      own[port].neighbour = cable.neighbour;
      set.insert({*host, port});
    }
  }
  return set.size();
}

}  // namespace fabricheck::topology
