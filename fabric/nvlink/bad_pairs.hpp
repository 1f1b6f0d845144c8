// From pairs to parts: what the pairs of a host that have a fault have in common. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/finding.hpp"
#include "core/run_record.hpp"
#include "fabric/nvlink/judgement.hpp"

namespace fabricheck::nvlink {

/// A finished check of a pair, and what pair_finding() says of it.
struct JudgedPair {
  CheckRecord check;
  PairExpectation expected;
  std::optional<Finding> finding;
};

/// One finding for each host and fault, however many pairs, directions and sizes show it. One pair with a
/// fault is the part; where all that have it share one GPU, and a pair without that GPU was measured and has
/// none, that GPU is; else the host. Rates are given as one way.
std::vector<Finding> findings_of(std::span<const JudgedPair> pairs);

}  // namespace fabricheck::nvlink
