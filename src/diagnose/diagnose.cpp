#include "diagnose/diagnose.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

#include "core/units.hpp"
#include "diagnose/catalog.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/summary.hpp"

namespace fabricheck::diagnose {
namespace {

struct Ranked {
  Found finding;
  std::size_t row{};
  int cause{-1};  ///< index of the finding that explains this one
};

/// What the rows say is the cause of `one`: the first that was found. A remark causes no fault.
int cause_of(const std::vector<Ranked>& all, std::size_t one) {
  const CatalogRow& row = catalog()[all[one].row];
  for (const FaultText* cause : row.causes) {
    if (cause == nullptr) break;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i != one && all[i].finding.slug == cause->slug && !all[i].finding.is_elsewhere &&
          (all[i].finding.severity != Severity::info || all[one].finding.severity == Severity::info))
        return static_cast<int>(i);
  }
  return -1;
}

/// Whether it can end a job or stop a collective. Others only make it slow, or are of something beside it.
bool can_stop_a_job(const Finding& finding) {
  if (finding.severity == Severity::fatal) return true;
  for (const char* slug : {"gpu-xid", "nvswitch-sxid", "nvlink-down", "nvlink-errors", "link-flap",
                           "cable-fault", "fabric-manager-down", "gpu-ecc-uncorrected", "ib-disabled-by-env",
                           "env-mismatch-between-ranks", "ras-mismatch-straggler"})
    if (finding.slug == slug) return finding.severity == Severity::bad;
  return false;
}

/// The worst finding that is no echo itself.
int worst_root(const std::vector<Ranked>& all) {
  int worst = -1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Found& finding = all[i].finding;
    if (all[i].cause >= 0 || catalog()[all[i].row].follows_anything || !can_stop_a_job(finding) ||
        finding.is_elsewhere)
      continue;
    if (worst < 0 || finding.severity > all[static_cast<std::size_t>(worst)].finding.severity)
      worst = static_cast<int>(i);
  }
  return worst;
}

int root_of(const std::vector<Ranked>& all, std::size_t one) {
  std::size_t at = one;
  for (std::size_t steps = 0; all[at].cause >= 0 && steps < all.size(); ++steps)
    at = static_cast<std::size_t>(all[at].cause);
  return static_cast<int>(at);
}

void find_causes(std::vector<Ranked>& all) {
  for (std::size_t i = 0; i < all.size(); ++i) all[i].cause = cause_of(all, i);
  const int worst = worst_root(all);
  int first_echo = -1;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!catalog()[all[i].row].follows_anything || all[i].cause >= 0) continue;
    if (worst >= 0) {
      all[i].cause = worst;
    } else if (first_echo >= 0) {
      all[i].cause = first_echo;  // echoes alone: the first stands for what nobody saw
    } else {
      first_echo = static_cast<int>(i);
    }
  }
}

/// The finding, then what it explains, each before what that explains.
void add_with_consequences(const std::vector<Ranked>& all, std::size_t one, std::vector<Finding>& findings) {
  findings.push_back(all[one].finding);
  if (all[one].cause >= 0)
    findings.back().caused_by = all[static_cast<std::size_t>(all[one].cause)].finding.slug;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].cause == static_cast<int>(one)) add_with_consequences(all, i, findings);
}

std::vector<Finding> in_order(std::vector<Ranked> all) {
  find_causes(all);
  std::map<int, Severity> worst;  // of each root with all that follows from it
  for (std::size_t i = 0; i < all.size(); ++i) {
    const int root = root_of(all, i);
    const auto known = worst.emplace(root, all[i].finding.severity).first;
    known->second = std::max(known->second, all[i].finding.severity);
  }
  std::vector<std::size_t> roots;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (root_of(all, i) == static_cast<int>(i)) roots.push_back(i);
  std::stable_sort(roots.begin(), roots.end(), [&](std::size_t a, std::size_t b) {
    const Severity worst_a = worst[static_cast<int>(a)], worst_b = worst[static_cast<int>(b)];
    const bool is_apart_a = all[a].finding.is_elsewhere, is_apart_b = all[b].finding.is_elsewhere;
    const bool is_remark = worst_a == Severity::info || worst_b == Severity::info;
    if (!is_remark && is_apart_a != is_apart_b) return is_apart_b;
    if (worst_a != worst_b) return worst_a > worst_b;
    // That all is well stands before remarks; it is not said where one of them speaks against it.
    const auto is_healthy = [&](std::size_t one) { return all[one].finding.slug.rfind("healthy", 0) == 0; };
    return is_healthy(a) && !is_healthy(b);
  });
  std::vector<Finding> findings;
  for (const std::size_t root : roots) add_with_consequences(all, root, findings);
  return findings;
}

/// One finding for all checks of a result with this verdict.
void add_missed(const Observations& seen, Verdict verdict, const char* slug, const char* what,
                std::vector<Finding>& findings) {
  constexpr std::size_t most_shown = 12;
  Finding finding;
  std::size_t count = 0;
  for (const CheckRecord& check : seen.result->checks) {
    if (check.verdict != verdict) continue;
    if (++count > most_shown) continue;
    std::string text = fmt::format("{}, {}", check.id, check.scope);
    if (check.value && check.target)
      text += fmt::format(": {} {}, target {} {} {}", format_number(*check.value), check.unit,
                          check.target->comparison, format_number(check.target->value), check.unit);
    if (!check.reason.empty()) text += ": " + check.reason;
    finding.evidence.push_back({seen.result_file, 0, std::move(text)});
    if (std::find(finding.explains.begin(), finding.explains.end(), check.id) == finding.explains.end())
      finding.explains.push_back(check.id);
  }
  if (count == 0) return;
  finding.slug = slug;
  finding.severity = Severity::bad;
  finding.component = {"cluster", "fabricheck result", ""};
  finding.meaning = fmt::format("{} of {} checks of this result {}", count, seen.result->checks.size(), what);
  if (count > most_shown)
    finding.evidence.push_back({seen.result_file, 0, fmt::format("and {} more", count - most_shown)});
  finding.advice =
      "Begin with the other findings here; where there are none, look at the check that missed by most.";
  finding.confirm = fmt::format("fabricheck report {}", seen.result_file);
  finding.confidence = "certain";
  findings.push_back(std::move(finding));
}

/// Findings of a result that was given, where they say something bad.
void add_result(const Observations& seen, std::vector<Finding>& findings) {
  if (!seen.result) return;
  for (const Finding& finding : seen.result->findings)
    if (finding.severity != Severity::info) findings.push_back(finding);
  add_missed(seen, Verdict::fail, "target-missed", "missed a target", findings);
  add_missed(seen, Verdict::error, "check-failed", "could not be measured", findings);
}

CheckRecord measured_check(const MeasuredSpeed& speed, const Evidence& evidence) {
  CheckRecord check;
  check.id = "nccl.allreduce.busbw";
  check.title = "all-reduce bus bandwidth by nccl-tests";
  check.scope = speed.nodes == 1 ? "inside node" : "between nodes";
  check.parameters["bytes"] = static_cast<std::int64_t>(speed.bytes);
  if (speed.nodes > 0) check.parameters["nodes"] = std::int64_t{speed.nodes};
  check.metric = "busbw";
  check.unit = "GB/s";
  check.value = speed.busbw_GBps;
  check.reason = "best row of " + evidence.file + ":" + std::to_string(evidence.line);
  if (speed.bound) {
    check.counters["bound_ring_GBps"] = speed.bound->ring_GBps;
    check.counters["bound_best_GBps"] = speed.bound->best_GBps;
    check.reason += "; " + speed.bound->words;
  }
  return check;
}

/// What a daemon or a tool says of the driver cannot be of the GPUs on which NCCL has started.
void soften_where_it_started(const Context& context, Finding& finding) {
  if (!context.complete() || context.seen().has(Event::cuda_failure) || finding.severity == Severity::info)
    return;
  const bool is_daemons = (finding.slug == "fabric-manager-down" && says(finding, "nv-fabricmanager")) ||
                          (finding.slug == "gpu-driver-down" && says(finding, "couldn't communicate"));
  if (!is_daemons) return;
  finding.severity = Severity::info;
  finding.confidence = "possible";
  finding.meaning += "; NCCL has started in this log, so it is of another time or another host";
}

}  // namespace

Diagnosis diagnose(const Observations& seen) {
  const Context context(seen);
  std::vector<Ranked> all;
  Findings found;
  const auto rows = catalog();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const std::size_t before = found.size();
    rows[i].rule(context, rows[i], found);
    for (std::size_t k = before; k < found.size(); ++k) {
      soften_where_it_started(context, found[k]);
      all.push_back({found[k], i, -1});
    }
  }
  Diagnosis diagnosis;
  diagnosis.findings = in_order(std::move(all));
  add_result(seen, diagnosis.findings);
  for (const BenchmarkRun& run : seen.benchmarks)
    if (const auto speed = measured_speed(seen, run))
      diagnosis.checks.push_back(measured_check(*speed, context.evidence(speed->quote)));
  diagnosis.seen = what_was_seen(context);
  diagnosis.not_seen = what_was_not_seen(context);
  diagnosis.hosts.assign(context.hosts().begin(), context.hosts().end());
  diagnosis.ranks = context.ranks();
  diagnosis.nodes = context.nodes();
  diagnosis.has_fault = std::any_of(diagnosis.findings.begin(), diagnosis.findings.end(),
                                    [](const Finding& one) { return one.severity != Severity::info; });
  diagnosis.is_start_open = context.started() && !context.complete();
  diagnosis.is_conclusive = diagnosis.has_fault || saw_enough(context);
  return diagnosis;
}

std::vector<KnownFinding> known_findings() {
  std::vector<KnownFinding> known;
  for (const CatalogRow& row : catalog())
    known.push_back({row.text->slug, row.text->severity, row.text->component, row.text->meaning,
                     row.text->advice, row.text->confirm});
  return known;
}

}  // namespace fabricheck::diagnose
