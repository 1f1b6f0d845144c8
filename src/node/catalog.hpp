// The checks of one node: the one place where such a check is declared.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "node/facts.hpp"

namespace fabricheck::node {

enum class Profile { prolog, epilog, health, acceptance };
const char* profile_name(Profile profile);

/// What speaks against a node, or for not knowing.
struct Fault {
  std::string check;  ///< id
  std::string topic;  ///< one word of the drain reason, "nvlink"
  std::string part;   ///< "GPU3", "mlx5_0"; empty: the node
  std::string text;   ///< "GPU3 17 of 18 links up"
  std::string kind;   ///< tells faults of one part apart: the finding's slug
  /// Whether it would be there at every look at a bad node and at none at a good one: what may drain.
  bool deterministic{};
  bool operator==(const Fault&) const = default;
};

/// The GPUs that a part's name is of, "GPU3" or, folded, "GPU[1,4-5]", also several of these; nothing where
/// anything else is in it.
std::vector<int> gpus_of(std::string_view part);

struct Outcome {
  Verdict verdict{Verdict::pass};
  std::string reason;
  std::vector<Fault> faults;
  std::optional<double> value;
  std::string unit;
};

struct NodeRow {
  const char* id;
  const char* description;  ///< one sentence for `fabricheck list checks`
  const char* topic;        ///< first word of a drain reason
  bool active;              ///< it uses devices, and is for those who have the node to themselves
  bool light;               ///< part of profile health, too
  /// What it takes and how much it tells: the planner takes the most telling first. A passive check takes
  /// nothing of its own.
  std::chrono::milliseconds takes;
  int rank;                                                            ///< 1 tells most
  Outcome (*judge)(const NodeFacts& facts, const NodeConfig& config);  ///< null: an active check
};

std::span<const NodeRow> catalog();

/// The first word of the drain reasons of a check; empty: it is none of a node.
std::string_view topic_of_check(std::string_view id);

struct PlannedRow {
  const NodeRow* row{};
  std::string left_out;  ///< why it is not done; empty: it is
};

/// What of the catalogue a profile does within `budget`, in the catalogue's order. `skip` are globs.
std::vector<PlannedRow> plan(Profile profile, std::chrono::nanoseconds budget,
                             const std::vector<std::string>& skip);

struct Judgement {
  std::vector<CheckRecord> checks;
  std::vector<NotTested> not_tested;
  std::vector<Fault> faults;  ///< of FAIL, and of INCONCLUSIVE and ERROR those that say why
  std::vector<std::string>
      unclear;  ///< "node.nvlink: …" of what is INCONCLUSIVE or ERROR, skipped work aside
};

/// All passive rows of the plan, and the checks of topology/judge that are rows of their own.
Judgement judge(const std::vector<PlannedRow>& plan, const NodeFacts& facts, const NodeConfig& config,
                const std::string& host);

}  // namespace fabricheck::node
