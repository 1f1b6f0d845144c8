#include "topology/judge/catalog.hpp"

#include <array>

namespace fabricheck::topology {
namespace {

Judged devices(const Facts& facts) { return judge_devices(facts.cluster); }

Judged consistency(const Facts& facts) { return judge_consistency(facts.cluster); }

Judged expectation(const Facts& facts) {
  if (facts.expectation) return judge_expectation(facts.cluster, *facts.expectation);
  Judged judged;
  judged.check.id = "topology.expectation";
  judged.check.title = "What should be there";
  judged.check.scope = "inside node";
  judged.check.verdict = Verdict::skipped;
  judged.check.reason =
      "nobody told what should be there: write it down on a good node by `fabricheck topology "
      "--save-expectation "
      "good.toml` and pass --expect good.toml";
  return judged;
}

Judged platform(const Facts& facts) { return judge_platform(facts.cluster, facts.platforms, facts.platform); }

Judged roce_config(const Facts& facts) { return judge_roce_config(facts.cluster, facts.job); }

Judged ib_config(const Facts& facts) { return judge_ib_config(facts.cluster, facts.job); }

constexpr std::array<FactRow, 6> rows{{
    {"topology.devices", "every GPU and NIC answers, with all its links up and nothing pending", devices},
    {"topology.consistency", "no host differs from the others, and every rail is on its leaf switch",
     consistency},
    {"topology.expectation", "each host has what --expect, Slurm or its product name say", expectation},
    {"topology.platform", "each host is the whole of its platform (--platform, or found by its GPUs)",
     platform},
    {"roce.config",
     "every RoCE port has a routable GID and a lossless class for the job, and is set up as on other hosts",
     roce_config},
    {"ib.config",
     "every InfiniBand port has its subnet manager, partition and width, and is set up as on other hosts",
     ib_config},
}};

}  // namespace

std::span<const FactRow> catalog() { return rows; }

}  // namespace fabricheck::topology
