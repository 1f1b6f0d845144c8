#include "app/rail_shares.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/check.hpp"
#include "core/units.hpp"

namespace fabricheck::app {
namespace {

std::string text_parameter(const CheckRecord& check, const char* name) {
  const auto found = check.parameters.find(name);
  const auto* text = found == check.parameters.end() ? nullptr : std::get_if<std::string>(&found->second);
  return text ? *text : "";
}

std::int64_t number_parameter(const CheckRecord& check, const char* name) {
  const auto found = check.parameters.find(name);
  const auto* number = found == check.parameters.end() ? nullptr : std::get_if<std::int64_t>(&found->second);
  return number ? *number : 0;
}

/// The same for one rail at once and alone.
std::string rail_key(const CheckRecord& check, const std::string& id) {
  CheckRecord key = check;
  key.id = id;
  key.parameters.erase("mode");
  return check_key(key);
}

bool is_time(const CheckRecord& check) { return check.unit == "us"; }

/// The value is the median, of the size that was asked for.
bool is_comparable(const CheckRecord& check) {
  const bool is_median =
      !check.target || check.target->statistic == "median" || check.target->statistic == check.metric;
  return is_median && check.value && *check.value > 0.0 &&
         !(check.path && check.path->contains("bytes_used"));
}

void note(CheckRecord& at_once, const CheckRecord& alone) {
  std::map<std::string, Parameter>& path = at_once.path ? *at_once.path : at_once.path.emplace();
  const CheckRecord& above = is_time(at_once) ? alone : at_once;
  const CheckRecord& below = is_time(at_once) ? at_once : alone;
  path["alone"] = *alone.value;
  path["share_of_alone_percent"] = 100.0 * *above.value / *below.value;
  if (!above.ci95 || !below.ci95 || below.ci95->lo <= 0.0) return;
  path["share_of_alone_percent_low"] = 100.0 * above.ci95->lo / below.ci95->hi;
  path["share_of_alone_percent_high"] = 100.0 * above.ci95->hi / below.ci95->lo;
}

std::string evidence_of(const CheckRecord& check) {
  return fmt::format("{}, {}, rail {}: {} {} at once, {} alone: {:.0f} % ({:.0f} to {:.0f} %)", check.id,
                     format_bytes(static_cast<std::uint64_t>(number_parameter(check, "bytes"))),
                     number_parameter(check, "group"), format_number(*check.value), check.unit,
                     format_number(path_number(check, "alone").value_or(0.0)),
                     path_number(check, "share_of_alone_percent").value_or(0.0),
                     path_number(check, "share_of_alone_percent_low").value_or(0.0),
                     path_number(check, "share_of_alone_percent_high").value_or(0.0));
}

}  // namespace

std::vector<CheckRecord> compare_rails(std::span<const CheckRecord> checks) {
  std::unordered_map<std::string, const CheckRecord*> alone;
  for (const CheckRecord& check : checks)
    if (check.scope == scope_name(Scope::rail) && text_parameter(check, "mode") == "apart")
      alone.emplace(rail_key(check, check.id), &check);
  std::vector<CheckRecord> noted;
  for (const CheckRecord& check : checks) {
    if (check.scope != scope_name(Scope::rail) || text_parameter(check, "mode") != "together") continue;
    const auto found = alone.find(rail_key(check, check.id));
    if (found == alone.end() || !is_comparable(check) || !is_comparable(*found->second)) continue;
    const std::string operation = check.id.substr(0, check.id.rfind('.'));
    if (is_time(check) && alone.contains(rail_key(check, operation + ".busbw"))) continue;
    noted.push_back(check);
    note(noted.back(), *found->second);
  }
  return noted;
}

std::vector<Finding> rail_findings(std::span<const CheckRecord> checks) {
  std::set<std::int64_t> rails;
  std::vector<const CheckRecord*> slow;
  for (const CheckRecord& check : checks) {
    const auto most = path_number(check, "share_of_alone_percent_high");
    if (!check.value || !most || *most >= clear_share_percent) continue;
    slow.push_back(&check);
    rails.insert(number_parameter(check, "group"));
  }
  if (slow.empty()) return {};
  const auto share = [](const CheckRecord* check) {
    return path_number(*check, "share_of_alone_percent").value_or(0.0);
  };
  std::stable_sort(slow.begin(), slow.end(),
                   [&](const CheckRecord* a, const CheckRecord* b) { return share(a) < share(b); });
  Finding finding;
  finding.slug = "nccl-rails-interfere";
  finding.severity = Severity::bad;
  finding.component = {"cluster", rails.size() == 1 ? fmt::format("rail {}", *rails.begin()) : "rails", ""};
  finding.meaning = fmt::format(
      "Rails take bandwidth from each other: when all of them work at once, rail{} {} {} as little as {:.0f} "
      "% of "
      "what {} alone",
      rails.size() == 1 ? "" : "s", fmt::join(rails, ", "), rails.size() == 1 ? "reaches" : "reach",
      share(slow.front()), rails.size() == 1 ? "it reaches" : "they reach");
  for (const CheckRecord* check : slow) {
    finding.evidence.push_back({"", 0, evidence_of(*check)});
    if (std::find(finding.explains.begin(), finding.explains.end(), check->id) == finding.explains.end())
      finding.explains.push_back(check->id);
  }
  finding.advice =
      "Look for what these rails share: a PCIe switch or a NIC that serves several GPUs (fabricheck "
      "topology, "
      "nvidia-smi topo -m), rails cabled to one leaf switch, oversubscribed links to the spines, or flows of "
      "several rails that ECMP lays on one link";
  finding.confirm =
      "the port counters of NICs and switches while fabricheck run --only 'nccl.allreduce.*' runs: the "
      "shared link "
      "is full; fabricheck run --only verbs.write.paths --pairs all shows ECMP";
  finding.confidence = "likely";
  return {finding};
}

}  // namespace fabricheck::app
