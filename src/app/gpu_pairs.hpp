// Pairs of GPUs in this run: what each should reach, known on every rank, and what the finished ones mean.
#pragma once

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "app/gpu_world.hpp"
#include "core/run_record.hpp"
#include "core/target.hpp"

namespace fabricheck::app {

/// By world ranks, the first one's GPU towards the second one's.
using PairTargets = std::map<std::pair<int, int>, Target>;

/// Rank 0 knows the links of every host: the targets of all pairs of its nodes. `platform` may be null.
PairTargets gpu_pair_targets(const std::vector<RankGpu>& gpus, const ClusterTopology& topology,
                             const Platform* platform);
/// For the other ranks, and back.
std::string pair_targets_to_text(const PairTargets& targets);
PairTargets pair_targets_from_text(const std::string& text);

/// Has the plan ask for them, where copies are large enough.
void use_pair_targets(PairTargets targets, plan::Request& request);

/// What finished checks of pairs mean: those whose NVLink is not used, or not whole, are FAILs.
struct JudgedPairs {
  std::vector<CheckRecord> checks;  ///< that changed
  std::vector<Finding> findings;
};
JudgedPairs judge_gpu_pairs(std::span<const CheckRecord> checks, const ClusterTopology& topology,
                            const Platform* platform);

}  // namespace fabricheck::app
