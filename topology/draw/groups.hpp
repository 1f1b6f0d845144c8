// Hosts that look alike, drawn once. Private to this folder.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/model/paths.hpp"

namespace fabricheck::topology {

struct Group {
  Host example;                    ///< the first of them, whole, all text made printable
  std::vector<std::size_t> hosts;  ///< indices into ClusterTopology::hosts
  std::string names;               ///< folded
  std::size_t ranks{};             ///< on each host
  PathMatrix paths;                ///< of the example
  std::vector<Rail> rails;
};

enum class GroupBy { look, look_and_ranks };

/// Hosts of one kind whose health, usable GIDs and memory (but for some MiB) are alike. The largest first.
std::vector<Group> groups_of(const ClusterTopology& cluster, GroupBy by);

/// Printable; a file may not tell the name.
std::string name_of(const HostEntry& host);

/// "node[1-8]  (8 equal hosts)".
std::string group_title(const Group& group);

/// The switches at the other end of this port's cable on all hosts of the group, folded; empty: not known.
std::string leaves_of(const ClusterTopology& cluster, const Group& group, std::size_t nic, std::size_t port);

/// In what `other` differs from `usual`, most striking first: "7 GPUs instead of 8". Empty when in nothing
/// that can be said in a few words.
std::vector<std::string> differences(const Host& usual, const Host& other);

/// Hosts of a cluster file may be named by anyone: control characters and broken UTF-8 become '?', and what
/// is longer than `most` bytes is cut.
std::string one_line(const std::string& text, std::size_t most = 96);

}  // namespace fabricheck::topology
