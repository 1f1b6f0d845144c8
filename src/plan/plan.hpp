// From topology, catalogue, suite and budget to the list of checks: a pure function, the same on every rank.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "core/run_record.hpp"
#include "core/target.hpp"

namespace fabricheck::plan {

/// Two ranks that measure together, the first towards the second.
struct Pair {
  int from{};
  int to{};
  std::optional<int> from_rail, to_rail;
  /// What the slower of both ports carries in one direction; unset: not known, or the fiction of a NIC in
  /// software.
  std::optional<double> port_rate_GBps;
  bool behind_pcie{};  ///< that is what its PCIe link carries, by design less than the port
  int shared_by{1};    ///< so many measure over that link, or that port, at the same time: it is one's share
  bool in_software{};  ///< targets for real NICs do not apply
  bool operator==(const Pair&) const = default;
};

/// Pairs that measure at the same time: no rank is in two of them.
using PairRound = std::vector<Pair>;

struct PlannedCheck;

struct Request {
  std::int64_t budget_ns{};
  std::vector<std::string> only;  ///< globs over ids; empty: all
  std::vector<std::string> skip;
  std::map<std::string, std::string> unasked;  ///< globs of what an option has to ask for, and what it needs
  std::vector<std::uint64_t> sizes;            ///< empty: the rows' own, thinned by `few_sizes`
  bool few_sizes{};                            ///< the gate's size, one in the middle and one large
  std::vector<DataType> types;                 ///< empty: float32
  std::vector<Reduction> reductions;           ///< empty: sum
  std::vector<bool> in_place;                  ///< empty: out of place
  bool all_variants{};  ///< where none are named: each at one size, over the widest scope
  std::vector<Target> targets;
  std::vector<PairRound> pairs;      ///< for rows that measure pairs
  std::string no_pairs;              ///< why there are none
  bool loopback{};                   ///< the pairs are within nodes
  std::vector<PairRound> gpu_pairs;  ///< for rows that measure pairs of GPUs within nodes
  /// What good machines of this kind were seen to reach; asked where `targets` have none.
  std::function<std::optional<Target>(const CheckRow&, const PlannedCheck&)> platform_target;
  /// Of a GPU pair, what a target says beside those of `targets`: what its links should give.
  std::function<std::optional<Target>(const CheckRow&, std::uint64_t bytes, const Pair&)> gpu_pair_target;
  std::string no_gpu;         ///< why no rank has a GPU; empty: some do
  std::set<int> without_gpu;  ///< world ranks that have none while others do: groups of GPUs are without them
};

/// One measurement: its groups measure at the same time, each within itself.
struct PlannedCheck {
  const CheckRow* row{};
  std::vector<const CheckRow*> derived;                ///< rows that present the same samples otherwise
  std::vector<std::optional<Target>> derived_targets;  ///< as `derived`
  bool show{true};                                     ///< false: measured only for a derived row
  Scope scope{};
  std::uint64_t bytes{};
  Variant variant;
  bool sweep{};  ///< one of all variants: that it is right is what counts, no target is applied
  std::vector<std::vector<int>> groups;  ///< world ranks
  /// As `groups`, of checks of single GPUs and of pairs of them: which GPU of its node each rank drives.
  std::vector<std::vector<int>> gpus;
  int nodes{};                      ///< of the largest group
  int ranks_per_node{};             ///< of the largest group
  std::string mode;                 ///< with several groups: "together" or "apart"; else empty
  std::optional<int> group_number;  ///< when apart
  bool against_model{};             ///< the world's latency, judged against what its groups predict
  std::optional<Target> target;     ///< of the row
  PairRound pairs;                  ///< of a check between pairs, as `groups`
  int round{};                      ///< which of the rounds of pairs, or of GPUs
  std::vector<std::optional<Target>> group_targets;  ///< as `groups`; in place of `target`; or empty
  std::int64_t budget_ns{};
  int repeats{1};  ///< of the whole measurement; the budget and the samples are for all of them
  /// All repeats, also when the verdict is there: their spread is what a later result is compared with.
  bool all_repeats{};
  std::uint64_t wanted_samples{};
  std::uint64_t barrier_samples{};
};

struct TestPlan {
  std::vector<PlannedCheck> checks;
  std::vector<NotTested> not_tested;
  std::vector<std::pair<const CheckRow*, std::string>>
      skipped;   ///< asked for by name and not possible, and why
  int judged{};  ///< verdicts that a target decides, over all groups: the family
};

/// Each of its groups times itself, and votes without the others.
inline bool votes_alone(const PlannedCheck& check) { return static_cast<bool>(check.row->make_timed); }

/// Whether a verdict depends on it: then it is measured several times.
bool is_judged(const PlannedCheck& check);

/// `topology.ranks` and the number of hosts are used, nothing else of it. Rows without their back end and
/// scopes that this world cannot have go to not_tested. The gate (rows with in_gate, their first size) comes
/// first, in groups of at most the target's group_nodes nodes, together and, with several groups, apart; the
/// whole world then beside it. The budget is shared by weight: a gate check counts four times another, and is
/// the same on every rank. What a target judges is measured in 16 repeats, or 8 or 4 where the budget is
/// short; so is everything else, or in 4 repeats with few_sizes. Rows between pairs are measured in each
/// round of `pairs`, from either end where the row has both orders, and in 4 repeats where there are more
/// than two rounds; so are rows between GPUs in those of `gpu_pairs`. Rows of one GPU are measured on the
/// first rank of every node at the same time, then on the second, …, or on all at the same time, as their
/// scopes say. Rails are measured at once, and but for `few_sizes` at the largest size also one by one in 4
/// repeats, without a target.
TestPlan make_plan(const ClusterTopology& topology, std::span<const CheckRow> catalogue,
                   const Request& request);

/// As `plan.checks`: which of them take much the same part of their budget, as far as the plan can tell:
/// those of one back end and size that are repeated and judged alike. Numbered from 0 without gaps.
std::vector<std::size_t> kinds_of(const TestPlan& plan);

}  // namespace fabricheck::plan
