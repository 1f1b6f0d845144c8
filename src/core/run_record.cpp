#include "core/run_record.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "core/text.hpp"

namespace fabricheck {

std::string path_text(const CheckRecord& check, const std::string& name) {
  if (!check.path) return "";
  const auto found = check.path->find(name);
  const std::string* text = found == check.path->end() ? nullptr : std::get_if<std::string>(&found->second);
  return text ? *text : "";
}

std::optional<double> path_number(const CheckRecord& check, const std::string& name) {
  if (!check.path) return std::nullopt;
  const auto found = check.path->find(name);
  if (found == check.path->end()) return std::nullopt;
  if (const auto* whole = std::get_if<std::int64_t>(&found->second)) return static_cast<double>(*whole);
  const double* number = std::get_if<double>(&found->second);
  return number ? std::optional(*number) : std::nullopt;
}

std::string check_key(const CheckRecord& check) {
  constexpr char separator = '\x1f';
  std::string key = check.id + separator + check.scope;
  for (const auto& [name, value] : check.parameters)
    key += separator + name + '=' + std::visit([](const auto& one) { return fmt::format("{}", one); }, value);
  for (const std::string& host : check.participants) key += separator + host;
  return key;
}

void CheckList::put(std::vector<CheckRecord>& checks, CheckRecord check) {
  const auto [entry, is_new] = place_.emplace(check_key(check), checks.size());
  if (is_new) {
    checks.push_back(std::move(check));
    return;
  }
  CheckRecord& known = checks[entry->second];
  if (check.value || !known.value) {
    known = std::move(check);
    return;
  }
  if (known.verdict == Verdict::fail) return;
  const bool grave = check.verdict == Verdict::fail || check.verdict == Verdict::error;
  if (grave) known.verdict = check.verdict;
  if (grave || known.verdict != Verdict::pass) known.reason = std::move(check.reason);
  if (check.verdict == Verdict::fail) {
    known.value.reset();
    known.ci95.reset();
  }
}

namespace {

/// A wrong result needs no target to be a failure.
std::string words_of_failures(const RunRecord& record, std::size_t failed, std::size_t judged) {
  const auto missed = static_cast<std::size_t>(
      std::count_if(record.checks.begin(), record.checks.end(),
                    [](const CheckRecord& check) { return check.verdict == Verdict::fail && check.target; }));
  std::string of_targets = fmt::format("{} of {} missed", missed, counted(judged, "target"));
  if (missed == failed) return of_targets;
  return fmt::format("{} of {} failed{}", failed - missed, counted(judged, "judged check"),
                     missed > 0 ? ", and " + of_targets : "");
}

std::string why_not_judged(const RunRecord& record, bool is_measured) {
  if (is_measured) return "nothing that was measured has a target, so nothing was judged";
  const auto lone =
      std::find_if(record.not_tested.begin(), record.not_tested.end(),
                   [&](const NotTested& one) { return one.id == "mpi" && record.world.ranks == 1; });
  return lone != record.not_tested.end() ? "nothing was measured: " + lone->reason
                                         : "nothing was measured, so nothing was judged";
}

}  // namespace

void conclude(RunRecord& record) {
  const auto count = [&](Verdict verdict) {
    return static_cast<std::size_t>(
        std::count_if(record.checks.begin(), record.checks.end(),
                      [verdict](const CheckRecord& check) { return check.verdict == verdict; }));
  };
  const auto finding = [&](std::initializer_list<const char*> slugs) -> const Finding* {
    for (const Finding& one : record.findings)
      for (const char* slug : slugs)
        if (one.slug == slug) return &one;
    return nullptr;
  };
  const std::size_t passed = count(Verdict::pass), failed = count(Verdict::fail),
                    errors = count(Verdict::error), open = count(Verdict::inconclusive);
  const std::size_t judged = passed + failed + errors + open;
  const Finding* regression = finding({"regression"});
  const Finding* not_compared = finding({"baseline-not-compared"});

  if (const Finding* lost = finding({"rank-hung", "rank-lost", "rank-failed"})) {
    record.verdict = failed > 0 ? Verdict::fail : Verdict::error;
    record.exit_status = exit_status::rank_lost;
    record.verdict_reason = lost->meaning;
  } else if (failed > 0) {
    record.verdict = Verdict::fail;
    record.exit_status = exit_status::target_missed;
    record.verdict_reason = words_of_failures(record, failed, judged);
    if (regression) record.verdict_reason += "; worse than the baseline: " + regression->component.name;
  } else if (regression) {
    record.verdict = Verdict::fail;
    record.exit_status = exit_status::target_missed;
    record.verdict_reason = fmt::format("{}: {}", regression->component.name, regression->meaning);
  } else if (const Finding* cut = finding({"interrupted"})) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = cut->meaning;
  } else if (errors > 0) {
    record.verdict = Verdict::error;
    record.exit_status = exit_status::broken;
    record.verdict_reason =
        fmt::format("{} of {} could not be measured", errors, counted(judged, "judged check"));
  } else if (open > 0) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = fmt::format("{} of {} could not be decided", open, counted(judged, "target"));
  } else if (not_compared) {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = "baseline: " + not_compared->meaning;
  } else if (passed > 0) {
    record.verdict = Verdict::pass;
    record.exit_status = exit_status::passed;
    record.verdict_reason = fmt::format("{} of {} met", passed, counted(judged, "target"));
  } else {
    record.verdict = Verdict::inconclusive;
    record.exit_status = exit_status::broken;
    record.verdict_reason = why_not_judged(record, count(Verdict::unchecked) > 0);
  }
}

}  // namespace fabricheck
