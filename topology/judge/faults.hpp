// Faults of single parts, gathered into findings. Private to this folder.
#pragma once

#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/finding.hpp"
#include "core/topology_record.hpp"

namespace fabricheck::topology {

/// One row of a table of faults: all that is the same wherever the fault occurs.
struct FaultKind {
  const char* slug;
  Severity severity;
  const char* component;  ///< Component::kind
  const char* phrase;     ///< what is wrong, after the part's name: "does not answer", "PCIe width"
  const char* meaning;
  const char* advice;
  const char* confirm;
  const char* confidence;
};

/// Collects faults host by host and part by part, and gives one finding for each kind of fault, its wording
/// and the hosts that have it in the same parts.
class FaultBook {
 public:
  FaultBook(const ClusterTopology& cluster, std::string check_id)
      : cluster_(cluster), check_id_(std::move(check_id)) {}

  /// `part` is empty where the host as a whole is meant. `what` completes the phrase ("x8 of x16") and keeps
  /// findings apart; `detail` is for the evidence only.
  void add(std::size_t host, const FaultKind& kind, const std::string& part, const std::string& what,
           const std::string& detail = {});

  /// The worst first, then those of most hosts.
  std::vector<Finding> findings() const;

  /// "GPU3 of node7: does not answer; mlx5_2 of node[1-4]: PCIe width x8 of x16": what is worse than info.
  std::string summary() const;

  /// The same of what is only info.
  std::string remarks() const;

  /// Worse than info: parts counted on each host apart, and hosts.
  std::size_t parts_at_fault() const { return parts_at_fault_.size(); }
  std::size_t hosts_at_fault() const { return hosts_at_fault_.size(); }

 private:
  struct Entry {
    std::size_t wording{};
    std::size_t part{};
    std::size_t host{};
    std::string detail;
  };
  struct Group {
    std::size_t wording{};
    std::vector<std::size_t> parts;
    std::vector<std::size_t> entries;
    std::vector<std::size_t> hosts;
  };
  std::vector<Group> groups() const;
  std::string sentence(const Group& group) const;
  std::string listed(bool info) const;
  std::string part_names(const Group& group) const;
  std::vector<Evidence> evidence(const Group& group) const;

  const ClusterTopology& cluster_;
  std::string check_id_;
  std::vector<std::pair<const FaultKind*, std::string>> wordings_;
  std::map<std::pair<const FaultKind*, std::string>, std::size_t> wording_ids_;
  std::vector<std::string> parts_;
  std::map<std::string, std::size_t> part_ids_;
  std::vector<Entry> entries_;
  std::set<std::pair<std::size_t, std::string>> parts_at_fault_;
  std::set<std::size_t> hosts_at_fault_;
};

/// The names of these hosts (indices into ClusterTopology::hosts), folded and fit for a sentence.
std::string host_names(const ClusterTopology& cluster, const std::vector<std::size_t>& hosts);

/// Of each kind the hosts that are of it.
std::vector<std::vector<std::size_t>> hosts_by_kind(const ClusterTopology& cluster);

/// "a; b; c and 4 more".
std::string joined(const std::vector<std::string>& items, const char* separator, std::size_t most);

}  // namespace fabricheck::topology
