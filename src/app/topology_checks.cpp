#include "app/topology_checks.hpp"

#include <algorithm>

#include "app/known_words.hpp"
#include "config/expectation_file.hpp"
#include "config/platform_file.hpp"
#include "config/targets_file.hpp"
#include "core/error.hpp"
#include "core/glob.hpp"
#include "core/suggest.hpp"
#include "topology/judge/cables.hpp"
#include "topology/model/merge.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::app {
namespace {

void require_platform(const std::string& name) {
  const std::vector<std::string> known = known_platforms();
  if (std::find(known.begin(), known.end(), name) != known.end()) return;
  throw UsageError("--platform: '" + name + "' is not known" + suggestion(name, known) +
                   "; `fabricheck list platforms` shows them");
}

/// What should be there by the word of the scheduler or of the machine's maker.
std::optional<Expectation> told_expectation(const ClusterTopology& cluster, const std::string& gres) {
  if (auto by_gres = topology::expectation_from_gres(gres)) return by_gres;
  if (cluster.kinds.empty()) return std::nullopt;
  const auto first = topology::expectation_from_product(cluster.kinds.front(), config::built_in_platforms());
  const bool all_alike = std::all_of(cluster.kinds.begin(), cluster.kinds.end(), [&](const Host& kind) {
    return kind.environment.product == cluster.kinds.front().environment.product;
  });
  return all_alike ? first : std::nullopt;
}

/// What two checks found alike is one finding that explains both.
void add(Finding finding, std::vector<Finding>& findings) {
  const auto same = std::find_if(findings.begin(), findings.end(), [&](const Finding& one) {
    return one.slug == finding.slug && one.component == finding.component && one.evidence == finding.evidence;
  });
  if (same == findings.end()) {
    findings.push_back(std::move(finding));
  } else {
    same->explains.insert(same->explains.end(), finding.explains.begin(), finding.explains.end());
  }
}

}  // namespace

TopologyWords read_topology_words(const TopologySources& sources) {
  TopologyWords words;
  if (!sources.expect_file.empty()) words.expectation = config::read_expectation(sources.expect_file);
  words.platform = sources.platform == "auto" ? "" : sources.platform;
  if (!words.platform.empty()) require_platform(words.platform);
  words.switch_topology_file = sources.switch_topology_file;
  if (!sources.switch_topology_file.empty()) {
    words.switch_topology = config::read_text_file(sources.switch_topology_file,
                                                   topology::kLargestTopologyFile, "switch topology");
    // Its errors belong before anything is measured.
    topology::read_switch_topology(words.switch_topology, words.switch_topology_file);
  }
  return words;
}

TopologyVerdicts judge_topology(ClusterTopology& cluster, const TopologyWords& words, const std::string& gres,
                                const std::vector<std::string>& only, const std::vector<std::string>& skip) {
  if (!words.switch_topology_file.empty()) {
    auto cables = topology::read_switch_topology(words.switch_topology, words.switch_topology_file);
    // What a host says of its own cables, such as lldpctl, need not name it.
    if (cluster.hosts.size() == 1)
      for (topology::Cable& cable : cables)
        if (cable.host.empty()) cable.host = cluster.hosts.front().name;
    if (topology::apply_cables(cluster, cables) == 0)
      throw UsageError(
          words.switch_topology_file +
          ": names none of the NICs that were found (by host and device, net device, port GUID or LID)");
  }
  const std::optional<Expectation> expectation =
      words.expectation ? words.expectation : told_expectation(cluster, gres);
  const topology::Facts facts{cluster, expectation, config::built_in_platforms(), words.platform, words.job};
  TopologyVerdicts verdicts;
  for (const topology::FactRow& row : topology::catalog()) {
    if (!is_selected(row.id, only, skip)) continue;
    topology::Judged judged = row.judge(facts);
    if (judged.check.verdict == Verdict::skipped)
      verdicts.not_tested.push_back({judged.check.id, judged.check.reason});
    else
      verdicts.checks.push_back(std::move(judged.check));
    for (Finding& finding : judged.findings) add(std::move(finding), verdicts.findings);
  }
  return verdicts;
}

}  // namespace fabricheck::app
