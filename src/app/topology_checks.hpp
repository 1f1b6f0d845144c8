// What was found, held against what should be there: shared by `run` and `topology`.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/expectation.hpp"
#include "core/run_record.hpp"
#include "topology/judge/catalog.hpp"

namespace fabricheck::app {

struct TopologySources {
  std::string expect_file;           ///< empty: by Slurm's word or the product name
  std::string platform;              ///< empty: found out
  std::string switch_topology_file;  ///< empty: what the hosts themselves tell
};

/// Every file parsed. Throws UsageError naming file and line.
struct TopologyWords {
  std::optional<Expectation> expectation;
  std::string platform;
  std::string switch_topology;  ///< text
  std::string switch_topology_file;
  topology::JobNetwork job{};  ///< not from a file: how the job sends
};
TopologyWords read_topology_words(const TopologySources& sources);

struct TopologyVerdicts {
  std::vector<CheckRecord> checks;
  std::vector<Finding> findings;
  std::vector<NotTested> not_tested;
};

/// Judges `cluster` by every row of topology::catalog() that `only` and `skip` leave; adds the switches that
/// the switch topology tells to it. `gres` is Slurm's word on a node, "gpu:8"; empty: none.
TopologyVerdicts judge_topology(ClusterTopology& cluster, const TopologyWords& words, const std::string& gres,
                                const std::vector<std::string>& only, const std::vector<std::string>& skip);

}  // namespace fabricheck::app
