#include "app/wrong_results.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "app/incident.hpp"
#include "core/speaker.hpp"

namespace fabricheck::app {
namespace {

/// As mismatch_words() has it: "wrong result: rank 2 on n1: iteration …".
std::optional<Speaker> where_of(const CheckRecord& check) {
  constexpr std::string_view mark = "wrong result: ";
  if (check.verdict != Verdict::fail || !std::string_view(check.reason).starts_with(mark))
    return std::nullopt;
  return speaker_of(std::string_view(check.reason).substr(mark.size()));
}

bool has_gpu(const CheckRecord& check) {
  return check.id.starts_with("gpu.") || check.id.starts_with("nccl.") || check.id.starts_with("nvlink.") ||
         check.id.starts_with("verbs.gpu_");
}

std::string gpu_words(const ClusterTopology& topology, int rank) {
  const auto place = std::find_if(topology.ranks.begin(), topology.ranks.end(),
                                  [&](const RankPlace& one) { return one.rank == rank; });
  return place == topology.ranks.end() || !place->gpu ? ""
                                                      : fmt::format(", which drives GPU {}", *place->gpu);
}

}  // namespace

std::vector<Finding> wrong_results(const RunRecord& record) {
  std::map<int, Finding> of_rank;
  for (const CheckRecord& check : record.checks) {
    const auto where = where_of(check);
    if (!where) continue;
    Finding& finding = of_rank[where->rank];
    if (std::find(finding.explains.begin(), finding.explains.end(), check.id) == finding.explains.end())
      finding.explains.push_back(check.id);
    finding.evidence.push_back({"", 0, check_words(check) + ": " + check.reason});
    if (!finding.slug.empty()) continue;
    const bool gpu = has_gpu(check);
    finding.slug = "wrong-result";
    finding.severity = Severity::fatal;
    finding.component = {"rank", fmt::format("rank {}", where->rank), where->host};
    finding.meaning =
        fmt::format("a result was wrong on it{}", gpu ? gpu_words(record.topology, where->rank) : "");
    finding.advice =
        gpu ? "Train on it no more. Look for XIDs, ECC errors and remapped rows of this GPU and of those it "
              "took data from; measure it alone (--only 'gpu.*'): right alone means the way between them."
            : "Trust this host no more: look for memory errors (EDAC, MCE) there and on those it took data "
              "from, and for symbol errors of the NICs between them.";
    finding.confirm = fmt::format("fabricheck run --only {} --verify-repeat 100000", check.id);
    finding.confidence = "likely";
  }
  std::vector<Finding> findings;
  findings.reserve(of_rank.size());
  for (auto& [rank, finding] : of_rank) findings.push_back(std::move(finding));
  return findings;
}

}  // namespace fabricheck::app
