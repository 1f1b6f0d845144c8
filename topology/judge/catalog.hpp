// The checks on what was found: the one place where such a check is declared.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "core/expectation.hpp"
#include "core/platform.hpp"
#include "topology/judge/judge.hpp"

namespace fabricheck::topology {

/// What the checks are given.
struct Facts {
  const ClusterTopology& cluster;
  const std::optional<Expectation>& expectation;  ///< none: nobody told what should be there
  std::span<const Platform> platforms;
  std::string platform;  ///< as named by the user; empty: found out
  JobNetwork job{};
};

struct FactRow {
  const char* id;
  const char* description;  ///< one sentence for `fabricheck list checks`
  Judged (*judge)(const Facts& facts);
};

std::span<const FactRow> catalog();

}  // namespace fabricheck::topology
