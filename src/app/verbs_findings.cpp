#include "app/verbs_findings.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "core/units.hpp"
#include "fabric/pairs/flow_spread.hpp"
#include "fabric/verbs/gdr_obstacles.hpp"
#include "fabric/verbs/gid_findings.hpp"
#include "topology/model/merge.hpp"

namespace fabricheck::app {
namespace {

using Facts = std::map<std::string, Parameter>;

std::string end_words(const CheckRecord& check, const char* port, std::size_t participant) {
  const std::string name = path_text(check, port);
  const std::string& host = check.participants[std::min(participant, check.participants.size() - 1)];
  return name.empty() ? host : fmt::format("{} on {}", name, host);
}

Finding collision(const CheckRecord& check, const std::string& slow) {
  const std::string from = end_words(check, "from_port", 0), to = end_words(check, "to_port", 1);
  Finding finding;
  finding.slug = "ecmp-collision";
  finding.severity = Severity::bad;
  finding.component = {"path", fmt::format("{} to {}", from, to), ""};
  const bool of_bond = from.find("bond") != std::string::npos || to.find("bond") != std::string::npos;
  finding.meaning = fmt::format(
      "Flows from {} to {} get {} to {} {}, depending on their UDP source port or flow label: some of them "
      "share a link of the network with other traffic (ECMP collision){}",
      from, to, format_number(path_number(check, "slowest_flow").value_or(0.0)),
      format_number(path_number(check, "fastest_flow").value_or(0.0)), check.unit,
      of_bond ? ", or the bond has spread them over a port of its own that is worse than the other"
              : "; the cables at both ports are not the cause, for all flows use them");
  finding.evidence.push_back(
      {"", 0, fmt::format("slow flows: {} of {}", slow, path_number(check, "flows").value_or(0.0))});
  finding.advice =
      "Spread each connection over several flows (NCCL_IB_QPS_PER_CONNECTION=4 with "
      "NCCL_IB_SPLIT_DATA_ON_QPS=1), or let "
      "the switches balance by load (adaptive routing, dynamic load balancing), or hash on the queue pair, "
      "too.";
  finding.confirm = "fabricheck run --only verbs.write.paths --pairs all";
  finding.confidence = of_bond ? "possible" : "likely";
  finding.explains = {check.id};
  return finding;
}

/// What connections say of the GIDs that they had to use: one finding for each path, however many checks ran
/// on it. None where the audit of the ports has named the port at fault.
class GidFindings {
 public:
  explicit GidFindings(std::span<const Finding> known) : known_(known) {}

  void look_at(const CheckRecord& check) {
    const std::string slug = path_text(check, "gid_finding");
    if (slug.empty() || is_known(slug, check.participants)) return;
    const std::string path =
        fmt::format("{} to {}", end_words(check, "from_port", 0), end_words(check, "to_port", 1));
    auto place = places_.find({slug, path});
    if (place == places_.end()) {
      const auto words = [&check](const char* name) {
        const std::string text = path_text(check, name);
        return text.empty() ? std::string("unknown") : text;
      };
      auto made = verbs::gid_finding(slug, {"path", path, ""},
                                     fmt::format("{} to {} ({}): {}", words("from_gid"), words("to_gid"),
                                                 words("gid_type"), words("gid_reason")));
      if (!made) return;
      place = places_.emplace(std::pair(slug, path), findings_.size()).first;
      findings_.push_back(std::move(*made));
    }
    std::vector<std::string>& explains = findings_.at(place->second).explains;
    if (std::find(explains.begin(), explains.end(), check.id) == explains.end()) explains.push_back(check.id);
  }

  std::vector<Finding> take() { return std::move(findings_); }

 private:
  bool is_known(const std::string& slug, const std::vector<std::string>& hosts) const {
    return std::any_of(known_.begin(), known_.end(), [&](const Finding& one) {
      return one.slug == slug && std::find(hosts.begin(), hosts.end(), one.component.host) != hosts.end();
    });
  }

  std::span<const Finding> known_;
  std::vector<Finding> findings_;
  std::map<std::pair<std::string, std::string>, std::size_t> places_;
};

/// GPU memory that a NIC could not be given: what of the host stands in the way.
void add_gdr_findings(const RunRecord& run, std::vector<Finding>& findings) {
  for (const CheckRecord& check : run.checks) {
    if (!check.id.starts_with("verbs.gpu_")) continue;
    for (std::size_t i = 0; i < run.topology.hosts.size(); ++i) {
      const std::string& name = run.topology.hosts[i].name;
      if (check.reason.find(fmt::format(" on {} cannot be registered with ", name)) == std::string::npos)
        continue;
      const auto same = std::find_if(findings.begin(), findings.end(), [&](const Finding& one) {
        return one.slug == fault::mr_registration.slug && one.component.host == name;
      });
      if (same != findings.end()) {
        if (std::find(same->explains.begin(), same->explains.end(), check.id) == same->explains.end())
          same->explains.push_back(check.id);
        continue;
      }
      Finding finding = finding_of(fault::mr_registration);
      finding.component.host = name;
      finding.evidence.push_back({"", 0, check.reason});
      const auto obstacles = verbs::gdr_obstacles(topology::whole_host(run.topology, i));
      for (const std::string& one : obstacles) finding.evidence.push_back({"", 0, one});
      if (!obstacles.empty()) finding.advice = obstacles.front() + "; then: " + finding.advice;
      finding.explains = {check.id};
      findings.push_back(std::move(finding));
    }
  }
}

}  // namespace

void note_flows(CheckRecord& record, const std::vector<double>& values_us, int flows,
                const Measure& measure) {
  std::vector<std::vector<double>> figures(static_cast<std::size_t>(flows));
  for (std::size_t i = 0; i < values_us.size(); ++i)
    figures[i % figures.size()].push_back(measure.convert(values_us[i]));
  if (!record.path) record.path.emplace();
  Facts& facts = *record.path;
  if (const auto type = facts.find("gid_type");
      type != facts.end() && type->second == Parameter(std::string("IB/RoCE v1"))) {
    facts["flows_not_compared"] =
        std::string("only RoCE v2 has a UDP source port for each flow: these all take one path");
    return;
  }
  const auto spread = fabric::judge_flows(figures);
  if (!spread) {
    facts["flows_not_compared"] = fmt::format("{} samples of {} flows are too few: {} of each are needed",
                                              values_us.size(), flows, fabric::min_flow_figures);
    return;
  }
  for (std::size_t flow = 0; flow < figures.size(); ++flow)
    facts[fmt::format("flow_{}", flow)] = spread->medians[flow];
  facts["flows"] = static_cast<double>(flows);
  facts["fastest_flow"] = spread->best;
  facts["slowest_flow"] = spread->worst;
  if (spread->is_collision()) facts["slow_flows"] = fmt::format("{}", fmt::join(spread->slow, ", "));
}

std::vector<Finding> verbs_findings(const RunRecord& run) {
  std::vector<Finding> findings;
  GidFindings gids(run.findings);
  for (const CheckRecord& check : run.checks) {
    if (check.participants.empty()) continue;
    if (const std::string slow = path_text(check, "slow_flows"); !slow.empty())
      findings.push_back(collision(check, slow));
    gids.look_at(check);
  }
  for (Finding& one : gids.take()) findings.push_back(std::move(one));
  add_gdr_findings(run, findings);
  return findings;
}

}  // namespace fabricheck::app
