// What NCCL's own log says about what ran: read from NCCL_DEBUG=INFO output with the subsystems INIT, GRAPH,
// NET and TUNING, versions 2.5 to 2.30. Pure; knows no NCCL header.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "core/run_record.hpp"

namespace fabricheck::collectives {

/// A fact that the log does not tell is empty.
struct NcclFacts {
  std::optional<std::string> version;  ///< "2.21.5+cuda12.4"
  /// "P2P/CUMEM", "P2P/IPC", "P2P/direct pointer", "SHM", "NET/IB", "NET/Socket", "NVLS", "CollNet"
  std::set<std::string> transports;
  std::optional<bool> gdr;             ///< GPUDirect RDMA on any connection; empty without a network
  std::optional<int> channels;         ///< for collectives, of the last communicator
  std::optional<int> p2p_channels;     ///< for sends and receives, of the last communicator
  std::optional<bool> nvls;            ///< multicast in the NVLink switches: has channels, or is supported
  std::optional<std::string> network;  ///< "IB", "Socket", or what a plugin calls its own: "IBext_v8"
  std::optional<std::string> plugin;   ///< a network plugin from outside: "NCCL RDMA Plugin v8"
  /// Of the calls made: "RING", "TREE", "NVLS", "COLLNET_DIRECT", "PAT", …, or a kernel for symmetric memory.
  std::set<std::string> algorithms;
  std::set<std::string> protocols;  ///< of the calls made: "LL", "LL128", "SIMPLE"
  bool operator==(const NcclFacts&) const = default;
};

/// Reads any text, and never throws but for want of memory: what is no line of NCCL's is passed over, of each
/// line the first 4 KiB count, and of each set the first 32 names. With `pid`, lines that say that another
/// process wrote them are passed over, too.
NcclFacts read_nccl_log(std::string_view text, std::optional<std::int64_t> pid = {});

/// Adds what later lines of the same communicator say: names are joined, and of the rest the later counts.
void add_facts(NcclFacts& facts, const NcclFacts& later);

/// What holds for calls on one communicator. `process` is the whole log: from it are version and plugin,
/// which NCCL tells once, and the network where the communicator's own lines name none, as before 2.19.
/// Algorithms and protocols are those of `calls`, all else the communicator's.
NcclFacts facts_of_calls(const NcclFacts& process, const NcclFacts& communicator, const NcclFacts& calls);

/// nccl_version, nccl_transports, nccl_gdr ("yes", "no"), nccl_channels, nccl_nvls ("yes", "no"),
/// nccl_network, nccl_plugin, nccl_algorithms, nccl_protocols: those that are known, the names of a set with
/// ", " between. `sends`: of calls that are sends and receives, whose channels are others.
std::map<std::string, Parameter> facts_to_parameters(const NcclFacts& facts, bool sends = false);

}  // namespace fabricheck::collectives
