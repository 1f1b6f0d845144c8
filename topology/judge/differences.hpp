// What the hosts of a cluster differ in, as it is found. Private to this folder.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/topology_record.hpp"
#include "topology/judge/attributes.hpp"
#include "topology/judge/faults.hpp"

namespace fabricheck::topology {

struct Differences {
  explicit Differences(const ClusterTopology& cluster, std::string check_id)
      : book(cluster, std::move(check_id)) {}

  FaultBook book;
  std::vector<std::string> ties;     ///< one sentence each
  bool undecided{};                  ///< one of the ties is about something that matters
  std::vector<std::string> remarks;  ///< what could not be compared, one sentence each
};

/// The kinds that say each value; "" is not known.
using Votes = std::map<std::string, std::vector<std::size_t>>;

/// Compares kinds, each weighted by its hosts, in one attribute after the other.
class Comparison {
 public:
  Comparison(const ClusterTopology& cluster, const std::vector<std::vector<std::size_t>>& hosts)
      : cluster_(cluster), hosts_(hosts) {}

  void add(std::size_t kind, const Observation& observation);

  /// Accuses, says ties and what is not known; forgets what was added.
  void tell(Differences& differences);

  /// Kinds that an earlier tell() found to be odd in the given finding.
  bool is_odd(std::size_t kind, const char* slug) const { return odd_.count({slug, kind}) > 0; }

 private:
  using Key = std::pair<const Attribute*, std::string>;
  struct Said {
    std::size_t hosts{};
    const std::vector<std::size_t>* kinds{};
  };
  void decide(const Key& key, const Votes& votes, Differences& differences);
  void accuse(const Key& key, const Votes& votes, const std::string& majority, Differences& differences);
  std::size_t weight(const std::vector<std::size_t>& kinds) const;
  std::string names(const std::vector<std::size_t>& kinds) const;
  void tell_ties(Differences& differences);
  void tell_unknown(Differences& differences);

  const ClusterTopology& cluster_;
  const std::vector<std::vector<std::size_t>>& hosts_;
  std::vector<Key> order_;
  std::map<Key, Votes> votes_;
  std::map<std::pair<const Attribute*, Votes>, std::vector<std::string>> tied_;
  std::map<std::size_t, std::set<std::string>> unknown_;  ///< kind -> what
  std::set<std::pair<std::string, std::size_t>> odd_;
};

/// "x8 instead of x16"; of lists only the items that differ.
std::string instead_of(const std::string& odd, const std::string& majority);

/// Memory of each host, with 2 % to spare for what firmware takes. `left_out`: kinds that are not compared.
void compare_memory(const ClusterTopology& cluster, const std::vector<bool>& left_out,
                    Differences& differences);

/// Fabric UUID and clique of the GPUs' NVLink domains.
void compare_nvlink_domains(const ClusterTopology& cluster,
                            const std::vector<std::vector<std::size_t>>& hosts, Differences& differences);

/// Rails that are cabled to another rail's leaf switch, by their neighbours or else by their subnets.
void compare_rails(const ClusterTopology& cluster, const std::vector<std::vector<std::size_t>>& hosts,
                   const Union& all, Differences& differences);

}  // namespace fabricheck::topology
