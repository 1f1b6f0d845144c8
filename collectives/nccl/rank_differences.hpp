// What the ranks of one group say of how NCCL ran, held against each other. Pure; knows no NCCL header.
#pragma once

#include <map>
#include <span>
#include <string>

#include "core/run_record.hpp"

namespace fabricheck::collectives {

struct RankFacts {
  int rank{};  ///< of the world
  std::string host;
  std::map<std::string, std::string>
      facts;  ///< by their names in a check's path; what is not known is left out
};

/// As bytes for another rank, and back.
std::string rank_facts_to_text(const std::string& host, const std::map<std::string, Parameter>& facts);
RankFacts rank_facts_from_text(const std::string& text, int rank);

/// Whether all ranks know by what they are connected and none of them by a network: then the one that NCCL
/// found has no part in the figure.
bool is_without_network(std::span<const RankFacts> ranks);

/// Facts for the path of a check, none where all that is known is the same on all ranks that know it.
/// "nccl_differs" is for people: "network: IB on 30 ranks, Socket on rank 3 (n2); …". Of version, network and
/// GPUDirect RDMA, such that each can be accused by itself: "nccl_network_differs", its part of that, and,
/// where more than half of the ranks are alike, "nccl_network_odd_hosts", those of the others: "n2, n5".
/// The network is not compared where it has no part.
std::map<std::string, Parameter> rank_differences(std::span<const RankFacts> ranks);

}  // namespace fabricheck::collectives
