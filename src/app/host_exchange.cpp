#include "app/host_exchange.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

#include "report/report.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

/// FNV-1a, 64 bit.
std::uint64_t fnv1a(std::string_view text, std::uint64_t start) {
  std::uint64_t hash = start;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3ULL;
  }
  return hash;
}

/// Two hashes and the length: chance cannot make two machines one.
std::string fingerprint(std::string_view text) {
  return fmt::format("{:016x}{:016x}{:x}", fnv1a(text, 0xcbf29ce484222325ULL),
                     fnv1a(text, 0x9e3779b97f4a7c15ULL), text.size());
}

}  // namespace

PackedHost pack_host(Host host) {
  PackedHost packed;
  packed.name = std::exchange(host.name, {});
  packed.own_json = report::particulars_to_json(topology::take_particulars(host));
  packed.kind_json = report::host_to_json(host);
  packed.kind_fingerprint = fingerprint(packed.kind_json);
  return packed;
}

GatheredHosts gather_hosts(Communicator& world, const PackedHost& mine) {
  GatheredHosts gathered;
  const std::vector<std::string> names = gather_strings(world, mine.name, 0);
  const std::vector<std::string> fingerprints = gather_strings(world, mine.kind_fingerprint, 0);
  const std::vector<std::string> owns = gather_strings(world, mine.own_json, 0);
  std::map<std::string, std::size_t> kinds;
  std::string chosen;  // one character per rank: whether it is to send its kind
  for (std::size_t rank = 0; rank < names.size(); ++rank) {
    const bool speaks = !fingerprints[rank].empty();
    const auto [kind, is_new] =
        speaks ? kinds.emplace(fingerprints[rank], kinds.size()) : std::pair{kinds.end(), false};
    chosen += is_new ? '1' : '0';
    if (speaks) gathered.hosts.push_back({names[rank], owns[rank], kind->second});
  }
  chosen = broadcast_string(world, chosen, 0);
  const bool send = chosen[static_cast<std::size_t>(world.rank())] == '1';
  for (std::string& text : gather_strings(world, send ? mine.kind_json : std::string(), 0))
    if (!text.empty()) gathered.kinds_json.push_back(std::move(text));
  return gathered;
}

ClusterTopology unpack_hosts(const GatheredHosts& gathered) {
  ClusterTopology cluster;
  for (const std::string& text : gathered.kinds_json)
    cluster.kinds.push_back(report::host_from_json(text, "a host's description"));
  for (const GatheredHosts::Entry& host : gathered.hosts) {
    HostEntry entry;
    entry.name = host.name;
    entry.kind = static_cast<int>(host.kind);
    entry.own = report::particulars_from_json(host.own_json, "the description of " + host.name);
    cluster.hosts.push_back(std::move(entry));
  }
  return cluster;
}

}  // namespace fabricheck::app
