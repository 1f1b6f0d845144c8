// Judges of what a node is besides its devices. Private to this folder.
#pragma once

#include "node/catalog.hpp"

namespace fabricheck::node {

Outcome judge_kernel_log(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_counters(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_gpudirect(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_memlock(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_file_systems(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_shm(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_clock(const NodeFacts& facts, const NodeConfig& config);

}  // namespace fabricheck::node
