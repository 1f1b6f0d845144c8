// Judges of what devices say, by the findings of topology/judge. Private to this folder.
#pragma once

#include "node/catalog.hpp"

namespace fabricheck::node {

Outcome judge_gpus(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_driver(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_nvlink(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_fabric_manager(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_gpu_memory(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_throttle(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_pcie(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_nics(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_gids(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_expectation(const NodeFacts& facts, const NodeConfig& config);
Outcome judge_platform(const NodeFacts& facts, const NodeConfig& config);

/// The slugs of findings that the rows above answer for: together all that topology.devices can give.
std::vector<std::string> device_slugs();

}  // namespace fabricheck::node
