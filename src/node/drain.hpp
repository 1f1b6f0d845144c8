// Whether a node is drained, and in which words. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node_config.hpp"
#include "node/catalog.hpp"

namespace fabricheck::node {

/// What every reason of fabricheck begins with: how it knows its own.
inline constexpr std::string_view kReasonHead = "fabricheck: ";
inline constexpr std::size_t kLongestReason = 128;

/// One line that is safe inside Slurm's words: printable ASCII without quotes, backslashes, brackets and
/// dollars, at most kLongestReason characters, "fabricheck: TOPIC: TEXT".
std::string drain_reason(std::string_view topic, std::string_view text);

/// Whether a reason of Slurm's is one of ours; "[root@…]" may follow it.
bool is_own_reason(std::string_view reason);

/// Faults that both looks saw, in the words of the second.
std::vector<Fault> seen_twice(const std::vector<Fault>& first, const std::vector<Fault>& second);

/// A node as Slurm has it.
struct SlurmNode {
  std::string name;
  std::string state;  ///< "IDLE+DRAIN"
  std::string reason;
  std::optional<double> reason_unix_s;
  std::vector<std::string> partitions;
  bool is_out() const;  ///< drained, draining, failing or down by somebody's word
  bool operator==(const SlurmNode&) const = default;
};

/// What `scontrol --oneliner show nodes` prints. Lines that are no node are passed over.
std::vector<SlurmNode> parse_nodes(std::string_view text);

enum class DrainAction {
  nothing,  ///< there is no reason to
  observe,  ///< it would be drained
  drain,
  held_back,   ///< the circuit breaker is open
  left_alone,  ///< it is out by another's word
  already,     ///< it is out by our own
  resume,      ///< our own drain is taken back
  unknown,     ///< Slurm could not be asked: nothing is done
};

struct Decision {
  DrainAction action{DrainAction::nothing};
  std::string reason;  ///< the drain reason, where there is one
  std::string log;     ///< one line for syslog
  bool is_loud{};      ///< more than a note
  bool refuses_job{};  ///< exit status 1: the job must not run here
};

struct DrainQuestion {
  std::string node;
  std::string partition;      ///< of the job; empty: all of the node's
  std::vector<Fault> faults;  ///< deterministic and seen twice
  std::string unclear;        ///< what could not be judged, twice; empty: all was
  bool may_resume{};          ///< profile health, nothing is wrong, and the configuration wants it
  std::vector<std::string> passed_topics;    ///< of the rows that this visit judged PASS
  std::optional<std::vector<int>> job_gpus;  ///< empty: it has none; none: not known, so all concern the job
  std::vector<SlurmNode> nodes;              ///< the cluster as it is before
  std::string slurm_problem;                 ///< why `nodes` is empty
  double now_unix_s{};
};

/// What would be drained for; empty: nothing.
std::string wanted_reason(const DrainQuestion& question, const NodeConfig& config);

Decision decide(const DrainQuestion& question, const NodeConfig& config);

/// How long a node waits before it looks again and drains itself, by its place among all nodes: of those that
/// are to drain at the same moment the later ones then see the earlier, and stop at the limit by themselves.
/// Taking a drain back while its prolog runs can leave the job waiting for ever (Slurm 22.05).
std::chrono::milliseconds turn_of(const DrainQuestion& question);

/// Whether the node is drained in words of our own: else its drain is not ours to take back.
bool has_own_drain(const DrainQuestion& question);

/// Whether, now that this node is drained, more nodes are than may be: then this drain is to be taken back.
/// Of nodes that drain themselves at the same moment each sees all that were before it, so that those that
/// stay are never more than allowed.
bool is_over_limit(const DrainQuestion& question, const NodeConfig& config);

}  // namespace fabricheck::node
