// Which GID of each end's table a pair of ports uses. Pure: both ends hold both tables and come to the same
// pair.
#pragma once

#include <optional>
#include <string>

#include "core/topology_record.hpp"

namespace fabricheck::verbs {

/// What the user asked for, and what the training job was told.
struct GidWish {
  std::optional<int> gid_index;       ///< --gid-index: this entry at both ends
  std::optional<int> nccl_gid_index;  ///< NCCL_IB_GID_INDEX, to say when NCCL would use another GID
};

struct GidChoice {
  int index{};          ///< into the port's GID table
  std::string address;  ///< as the table has it
  std::string type;     ///< "RoCE v2", "IB/RoCE v1", "unknown"
  std::string reason;   ///< a part of a sentence: why this one, and what NCCL would take where it differs
  std::string finding;  ///< slug of gid_findings.hpp; empty: none
  bool operator==(const GidChoice&) const = default;
};

struct PairGids {
  GidChoice mine, theirs;
  bool operator==(const PairGids&) const = default;
};

/// On Ethernet, in this order: RoCE v2 before an unknown type before RoCE v1, any address before a link-local
/// one, addresses of one subnet before those whose subnets are not known before those of two subnets (which
/// need a router), IPv4 before global before unique local IPv6, low indices before high ones. Both ends use
/// the same version and address family. IPv4 comes first because NCCL's default does (NCCL_IB_ADDR_FAMILY);
/// unique local addresses last as in RFC 6724, section 2.1. On InfiniBand it is entry 0, for LIDs route.
/// choose_gids(a, b).mine == choose_gids(b, a).theirs. Throws UsageError where the wish names an entry that a
/// table does not have, Unavailable where no pair of entries can talk; the sentence names the port by number
/// and net device, its host and device are the caller's to add.
PairGids choose_gids(const RdmaPort& mine, const RdmaPort& theirs, const GidWish& wish);

/// The entry that NCCL would use of this port: NCCL_IB_GID_INDEX, else its own search (since 2.21: IPv4, RoCE
/// v2 and not link-local, the first such; entry 0 where there is none). NCCL 2.20 and older use 0 by default.
int nccl_gid_index(const RdmaPort& port, const std::optional<int>& variable);

}  // namespace fabricheck::verbs
