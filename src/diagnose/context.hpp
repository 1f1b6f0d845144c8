// What the rules ask: facts of all ranks together. Private to this folder.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/fault_text.hpp"
#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

enum class Span { unknown, one_node, several_nodes };

/// Paths of all channels that were seen.
struct PathSums {
  std::uint64_t p2p{}, shm{}, socket{}, rdma_send{}, rdma_receive{}, gdr_send{}, gdr_receive{}, collnet{};
  std::uint64_t net_devices{};  ///< of RDMA networks
  std::uint64_t rdma() const { return rdma_send + rdma_receive; }
  std::uint64_t gdr() const { return gdr_send + gdr_receive; }
};

/// Channels that a host receives by from other nodes.
struct HostReceives {
  std::uint64_t all{}, gdr{};
};

/// A communicator that a rank began and, as far as the lines tell, did not complete.
struct OpenStart {
  const RankFacts* rank{};
  const CommFacts* comm{};
};

class Context {
 public:
  explicit Context(const Observations& seen);

  const Observations& seen() const { return seen_; }
  Span span() const { return span_; }
  /// NCCL said so, or all ranks of the job were seen on one host.
  bool is_surely_one_node() const { return span_ == Span::one_node && one_node_is_sure_; }
  const PathSums& paths() const { return paths_; }
  const std::map<std::string, HostReceives>& receives() const { return receives_; }  ///< by host
  /// Of NCCL's lines and of kernel logs.
  const std::set<std::string>& hosts() const { return told_hosts_; }
  int ranks() const { return ranks_; }                    ///< of the largest communicator; 0: not known
  int nodes() const { return nodes_; }                    ///< 0: not known
  int ranks_per_node() const { return ranks_per_node_; }  ///< as many as were seen; 0: not known
  /// Said so, or as many hosts as ranks; not only that no second GPU was seen.
  bool is_one_rank_per_node() const;
  /// Networks that were chosen or used: "IB", "Socket", …
  const std::set<std::string>& networks() const { return networks_; }
  bool uses_rdma() const { return uses_rdma_; }
  bool has_hcas() const { return !hca_lists_.empty(); }
  /// "[0]mlx5_0:1/RoCE [1]…", each once.
  const std::set<std::string>& hca_lists() const { return hca_lists_; }
  int most_hcas() const { return most_hcas_; }  ///< 0: not known
  bool is_roce() const;
  bool is_infiniband() const;
  /// Interfaces of bootstrap and sockets, each once, as "eth0:10.0.0.1<0>".
  const std::set<std::string>& interfaces() const { return interfaces_; }
  const std::set<std::string>& versions() const { return versions_; }
  bool complete() const { return complete_; }
  /// A communicator of several nodes was completed, and none that was seen was not.
  bool joined_nodes() const { return completed_between_nodes_ && !has_incomplete_; }
  bool started() const { return started_; }
  /// Ranks that did not complete what others did; empty where nobody has.
  const std::vector<OpenStart>& open_starts() const { return open_starts_; }
  /// Ranks of the largest communicator that have lines of their own, and the nodes; 0: cannot be told.
  int heard_ranks() const { return heard_ranks_; }
  int heard_nodes() const { return static_cast<int>(hosts_.size()); }
  int fewest_coll_channels() const { return coll_channels_; }  ///< -1: not known
  int most_nvls_channels() const { return nvls_channels_; }    ///< -1: not known
  bool any_mnnvl() const { return mnnvl_; }
  /// NCCL warned of something that has no row, or the job may have ended by a failure that has none.
  bool has_unexplained() const { return !open_ends().empty(); }
  /// Of these events what did not come of it that somebody, or Slurm, had ended the job.
  std::vector<const EventGroup*> open_ends() const;
  /// The same, or it was cut off: that all is well cannot be said.
  bool has_open_end() const {
    return has_unexplained() || seen_.has(Event::time_limit) || was_cancelled() || seen_.recovered_by_word ||
           !open_starts_.empty();
  }
  /// For a reason that no line tells.
  bool was_cancelled() const {
    return seen_.has(Event::cancelled) && !seen_.has(Event::preempted) && !seen_.has(Event::time_limit) &&
           !seen_.has(Event::node_failed);
  }
  std::uint64_t nccl_lines() const { return nccl_lines_; }

  /// The value of a variable that NCCL or a command showed; nullptr where none did.
  const VariableUse* variable(std::string_view name) const;
  /// The quote kept for a fact; nullptr where the fact was not seen.
  const Quote* quote(std::string_view fact) const;
  bool gpu_name_has(std::initializer_list<std::string_view> parts) const;

  Evidence evidence(const Quote& quote) const;
  void add_evidence(Finding& finding, const EventGroup& group) const;
  /// Hosts of the group as a name for a component: "h1", "h1 and 3 more".
  std::string hosts_of(const EventGroup& group) const;
  std::string hosts_of(const std::vector<const EventGroup*>& groups) const;
  /// Whether a host of NCCL's lines is among those of the group.
  bool is_of_own_host(const EventGroup& group) const;
  /// Whether only a kernel's log tells of it, and of hosts that are none of the job's, all of which are
  /// known.
  bool is_elsewhere(const EventGroup& group) const;
  /// Whether kernel logs and NCCL call hosts by the same names: containers have names of their own.
  bool names_own_hosts() const;

 private:
  bool is_own(int host) const;
  void take_rank(const RankFacts& rank);
  void take_comm(const CommFacts& comm);
  void find_span();
  void find_open_starts();
  void count_heard();
  bool are_apart() const;
  bool has_several_addresses() const;

  const Observations& seen_;
  Span span_{Span::unknown};
  PathSums paths_;
  /// hosts_: of NCCL's lines alone; a container and its machine have two names.
  std::set<std::string> hosts_, told_hosts_, networks_, hca_lists_, interfaces_, versions_;
  std::map<std::string, HostReceives> receives_;
  std::map<std::string, std::set<int>> devices_of_host_;
  int ranks_{}, nodes_{}, ranks_per_node_{}, most_hcas_{};
  int gpus_told_{};  ///< GPUs of a node that NCCL named
  int coll_channels_{-1}, nvls_channels_{-1};
  bool one_node_is_sure_{}, complete_{}, started_{}, mnnvl_{}, uses_rdma_{};
  bool completed_between_nodes_{}, has_incomplete_{};
  std::uint64_t nccl_lines_{};
  std::vector<OpenStart> open_starts_;
  int heard_ranks_{};
};

}  // namespace fabricheck::diagnose
