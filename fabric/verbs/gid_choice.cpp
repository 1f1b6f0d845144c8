#include "fabric/verbs/gid_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <tuple>
#include <vector>

#include "core/error.hpp"
#include "topology/model/gid_address.hpp"

namespace fabricheck::verbs {
namespace {

using topology::GidAddress;
using topology::GidFamily;
using topology::is_in;
using topology::parse_gid;

constexpr const char* version_2 = "RoCE v2";
constexpr const char* version_1 = "IB/RoCE v1";

enum class Reach { same_subnet, not_known, routed };

struct Entry {
  const Gid* gid{};
  GidAddress address;
  bool is_link_local() const { return address.family() == GidFamily::link_local; }
};

int version_rank(const std::string& type) {
  if (type == version_2) return 0;
  return type == version_1 ? 2 : 1;
}

std::vector<Entry> entries_of(const RdmaPort& port) {
  std::vector<Entry> entries;
  for (const Gid& gid : port.gids)
    if (const auto address = parse_gid(gid.address)) entries.push_back({&gid, *address});
  return entries;
}

std::string port_words(const RdmaPort& port) {
  return port.net_device.empty() ? fmt::format("port {}", port.number)
                                 : fmt::format("port {} ({})", port.number, port.net_device);
}

std::string indices_of(const RdmaPort& port) {
  std::vector<std::string> words;
  for (const Gid& gid : port.gids) words.push_back(std::to_string(gid.index));
  return fmt::format("{}", fmt::join(words, ", "));
}

bool holds(const RdmaPort& port, const GidAddress& address) {
  return std::any_of(port.subnets.begin(), port.subnets.end(),
                     [&](const std::string& subnet) { return is_in(address, subnet); });
}

bool share_subnet(const RdmaPort& port, const Entry& a, const Entry& b) {
  return std::any_of(port.subnets.begin(), port.subnets.end(), [&](const std::string& subnet) {
    return is_in(a.address, subnet) && is_in(b.address, subnet);
  });
}

Reach reach_of(const RdmaPort& mine, const RdmaPort& theirs, const Entry& a, const Entry& b) {
  if (a.address.bytes == b.address.bytes || share_subnet(mine, a, b) || share_subnet(theirs, a, b))
    return Reach::same_subnet;
  return holds(mine, a.address) || holds(theirs, b.address) ? Reach::routed : Reach::not_known;
}

/// Packets of one version and family reach the other end's entry.
bool can_talk(const Entry& a, const Entry& b) {
  const bool versions_differ = (a.gid->type == version_1 && b.gid->type == version_2) ||
                               (a.gid->type == version_2 && b.gid->type == version_1);
  return !versions_differ && a.address.is_ipv4() == b.address.is_ipv4() &&
         a.is_link_local() == b.is_link_local();
}

/// The smaller the better, and the same whichever end computes it, but for the order of equal index sums.
auto cost(const RdmaPort& mine, const RdmaPort& theirs, const Entry& a, const Entry& b) {
  const int reach = static_cast<int>(reach_of(mine, theirs, a, b));
  const int family = std::max(static_cast<int>(a.address.family()), static_cast<int>(b.address.family()));
  return std::make_tuple(std::max(version_rank(a.gid->type), version_rank(b.gid->type)), a.is_link_local(),
                         reach, family, a.gid->index + b.gid->index, std::abs(a.gid->index - b.gid->index),
                         a.gid->index);
}

/// Orders two ports in the same way at both ends.
bool comes_after(const RdmaPort& a, const RdmaPort& b) {
  const auto less = [](const Gid& x, const Gid& y) {
    return std::tie(x.index, x.address, x.type) < std::tie(y.index, y.address, y.type);
  };
  return std::lexicographical_compare(b.gids.begin(), b.gids.end(), a.gids.begin(), a.gids.end(), less);
}

std::string finding_of(const Entry& entry) {
  if (entry.gid->type == version_1) return "roce-wrong-gid";
  if (entry.is_link_local()) return "roce-link-local";
  return entry.gid->type == version_2 ? "" : "roce-gid-type-unknown";
}

std::string nccl_words(const RdmaPort& port, int chosen, const GidWish& wish) {
  const int theirs = nccl_gid_index(port, wish.nccl_gid_index);
  if (theirs == chosen) return {};
  return wish.nccl_gid_index ? fmt::format("; NCCL would use {}, for NCCL_IB_GID_INDEX says so", theirs)
                             : fmt::format("; NCCL since 2.21 would use {} by itself, older ones 0", theirs);
}

std::string family_words(GidFamily family) {
  switch (family) {
    case GidFamily::ipv4:
      return "IPv4";
    case GidFamily::global_ipv6:
      return "global IPv6";
    case GidFamily::local_ipv6:
      return "unique local IPv6";
    case GidFamily::link_local:
      break;
  }
  return "link-local";
}

std::string reach_words(Reach reach) {
  switch (reach) {
    case Reach::same_subnet:
      return "both ends are in one subnet";
    case Reach::routed:
      return "the other end is in another subnet, behind a router";
    case Reach::not_known:
      break;
  }
  return "it is not known whether both ends are in one subnet";
}

std::string reason_of(const RdmaPort& port, const Entry& entry, Reach reach, const GidWish& wish) {
  std::string reason = wish.gid_index ? fmt::format("--gid-index {}: ", *wish.gid_index)
                                      : std::string("the best that both ends have: ");
  reason += fmt::format("{} over {}", entry.gid->type == "unknown" ? "type not known," : entry.gid->type,
                        family_words(entry.address.family()));
  if (!entry.is_link_local()) reason += ", " + reach_words(reach);
  if (!wish.gid_index && entry.gid->type == version_1) reason += "; no RoCE v2 entry can reach the other end";
  if (!wish.gid_index && entry.is_link_local())
    reason += "; no entry with an address can reach the other end, so this works inside one VLAN only";
  return reason + nccl_words(port, entry.gid->index, wish);
}

GidChoice describe(const RdmaPort& port, const Entry& entry, Reach reach, const GidWish& wish) {
  return {entry.gid->index, entry.gid->address, entry.gid->type, reason_of(port, entry, reach, wish),
          finding_of(entry)};
}

const Gid* find_gid(const RdmaPort& port, int index) {
  const auto found =
      std::find_if(port.gids.begin(), port.gids.end(), [&](const Gid& gid) { return gid.index == index; });
  return found == port.gids.end() ? nullptr : &*found;
}

Entry wished_entry(const RdmaPort& port, const char* end, int index) {
  const Gid* gid = find_gid(port, index);
  const auto address = gid ? parse_gid(gid->address) : std::nullopt;
  if (!address)
    throw UsageError(fmt::format("--gid-index {}: {} of {} has no GID at this index; it has {}", index,
                                 port_words(port), end,
                                 port.gids.empty() ? "none at all" : "them at " + indices_of(port)));
  return {gid, *address};
}

GidChoice infiniband(const RdmaPort& port, const char* end, const GidWish& wish) {
  GidChoice choice;
  choice.type = "InfiniBand";
  choice.reason = "InfiniBand routes by LID inside a subnet, and entry 0 is the port itself";
  if (wish.gid_index) {
    choice.index = wished_entry(port, end, *wish.gid_index).gid->index;
    choice.reason = fmt::format("--gid-index {}", *wish.gid_index);
  }
  if (const Gid* gid = find_gid(port, choice.index)) choice.address = gid->address;
  return choice;
}

[[noreturn]] void nothing_in_common(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  const auto words = [](const std::vector<Entry>& entries) {
    std::vector<std::string> kinds;
    for (const Entry& entry : entries) {
      std::string kind = fmt::format("{} {}", entry.gid->type, family_words(entry.address.family()));
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(std::move(kind));
    }
    return fmt::format("{}", fmt::join(kinds, ", "));
  };
  throw Unavailable(fmt::format(
      "no GIDs of the two ports can talk to each other: this end has {}, the other {}; give both net "
      "devices an address of one family",
      words(a), words(b)));
}

PairGids on_ethernet(const RdmaPort& mine, const RdmaPort& theirs, const GidWish& wish) {
  if (wish.gid_index) {
    const Entry a = wished_entry(mine, "this end", *wish.gid_index);
    const Entry b = wished_entry(theirs, "the other end", *wish.gid_index);
    if (!can_talk(a, b)) nothing_in_common({a}, {b});
    const Reach reach = reach_of(mine, theirs, a, b);
    return {describe(mine, a, reach, wish), describe(theirs, b, reach, wish)};
  }
  if (comes_after(mine, theirs)) {
    PairGids swapped = on_ethernet(theirs, mine, wish);
    std::swap(swapped.mine, swapped.theirs);
    return swapped;
  }
  const std::vector<Entry> all_mine = entries_of(mine), all_theirs = entries_of(theirs);
  const Entry* best_mine = nullptr;
  const Entry* best_theirs = nullptr;
  for (const Entry& a : all_mine) {
    for (const Entry& b : all_theirs) {
      if (!can_talk(a, b)) continue;
      if (best_mine && !(cost(mine, theirs, a, b) < cost(mine, theirs, *best_mine, *best_theirs))) continue;
      best_mine = &a;
      best_theirs = &b;
    }
  }
  if (!best_mine) nothing_in_common(all_mine, all_theirs);
  const Reach reach = reach_of(mine, theirs, *best_mine, *best_theirs);
  return {describe(mine, *best_mine, reach, wish), describe(theirs, *best_theirs, reach, wish)};
}

void require_gids(const RdmaPort& port, const char* end) {
  if (entries_of(port).empty())
    throw Unavailable(fmt::format("{} of {} has no GID; is its net device up, and has it an address?",
                                  port_words(port), end));
}

}  // namespace

int nccl_gid_index(const RdmaPort& port, const std::optional<int>& variable) {
  if (port.link_layer == "InfiniBand") return 0;
  if (variable && *variable >= 0) return *variable;
  // As ncclIbGetGidIndex() of NCCL 2.21 to 2.30 does it: the first IPv4 entry of whatever version, then a
  // version 2 entry of IPv4 that is not link-local in the place of one that is not of version 2 or not valid.
  struct Held {
    bool ipv4{}, valid{};
    std::string type;
  };
  const auto hold = [](const Gid* gid) {
    const auto address = gid ? parse_gid(gid->address) : std::nullopt;
    if (!address) return Held{};
    const bool is_fe80 = !address->is_ipv4() && address->family() == GidFamily::link_local;
    return Held{address->is_ipv4(), !is_fe80, gid->type};
  };
  int chosen = 0;
  Held current = hold(find_gid(port, 0));
  for (const Gid& gid : port.gids) {
    const Held next = hold(&gid);
    if (gid.index == 0 || !next.ipv4) continue;
    const bool better =
        !current.ipv4 || ((current.type != next.type || !current.valid) && next.type == version_2);
    if (!better) continue;
    chosen = gid.index;
    current = next;
  }
  return chosen;
}

PairGids choose_gids(const RdmaPort& mine, const RdmaPort& theirs, const GidWish& wish) {
  if (mine.link_layer != theirs.link_layer)
    throw Unavailable(
        fmt::format("{} of this end speaks {} and {} of the other end {}, so they are not on one network",
                    port_words(mine), mine.link_layer, port_words(theirs), theirs.link_layer));
  if (mine.link_layer == "InfiniBand")
    return {infiniband(mine, "this end", wish), infiniband(theirs, "the other end", wish)};
  require_gids(mine, "this end");
  require_gids(theirs, "the other end");
  return on_ethernet(mine, theirs, wish);
}

}  // namespace fabricheck::verbs
