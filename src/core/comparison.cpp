#include "core/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "core/check_pairing.hpp"
#include "core/gate.hpp"
#include "core/metric.hpp"
#include "core/statistics.hpp"
#include "core/text.hpp"
#include "core/units.hpp"

namespace fabricheck {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();
constexpr double stored_confidence = 0.95;  // of CheckRecord::ci95

std::optional<Better> better_of(const CheckRecord& check) {
  return fabricheck::better_of(check.metric, check.unit);
}

/// A share near nothing has no meaningful ratio, so shares are compared by difference.
bool is_share(const CheckRecord& check) { return check.unit == "%"; }

std::string statistic_of(const CheckRecord& check) {
  return check.target ? check.target->statistic : "median";
}

/// How far the true value may lie from the measured one, on the scale on which changes are differences: the
/// logarithm, or percent for shares. The random part has a standard error; the clock's does not shrink with
/// the number of samples and has one sign for a whole run.
struct Spread {
  double below{}, above{};  ///< random, at the wanted confidence
  double clock_below{}, clock_above{};
};

class Quantiles {
 public:
  double two_sided(double confidence, std::uint64_t blocks) {
    const int degrees = static_cast<int>(std::min<std::uint64_t>(blocks - 1, 1'000'000));
    const auto [known, is_new] = known_.try_emplace({confidence, degrees});
    if (is_new) known->second = student_t_quantile(1.0 - (1.0 - confidence) / 2.0, degrees);
    return known->second;
  }

 private:
  std::map<std::pair<double, int>, double> known_;
};

/// A 95 % interval of blocks is value -+ t(0.975, blocks - 1) * standard error, so that its half-width over
/// that t is the standard error, and half-width * t(wanted) / t(0.975) is the interval at any other
/// confidence. The two halves are kept apart because an interval of a quantile, or of a rate, is not
/// symmetric. For a quantile this takes the density around it as even; it is what the result tells.
Spread spread_of(const CheckRecord& check, double confidence, Quantiles& quantiles) {
  const double value = *check.value;
  const double clock = check.statistics.clock_error.value_or(0.0);
  // judge() put the clock's error on both ends; it must not grow with the quantile.
  const double lo = std::min(value, check.ci95->lo + clock), hi = std::max(value, check.ci95->hi - clock);
  const double grown = quantiles.two_sided(confidence, check.statistics.blocks) /
                       quantiles.two_sided(stored_confidence, check.statistics.blocks);
  if (is_share(check)) return {grown * (value - lo), grown * (hi - value), clock, clock};
  const auto distance = [](double from, double to) { return from > 0.0 ? std::log(to / from) : infinity; };
  return {grown * distance(lo, value), grown * distance(value, hi), distance(value - clock, value),
          distance(value, value + clock)};
}

double change_percent(const CheckRecord& check, double difference) {
  return is_share(check) ? difference : 100.0 * std::expm1(difference);
}

/// Limits of the difference from the limits of both figures: d -+ sqrt of the squared distances of the ends
/// that matter (MOVER, Zou and Donner, Statistics in Medicine 27, 2008). On logarithms a latency and the
/// bandwidth that follows from it come out the same. Clock errors add up in full: they may point apart.
void fill_change(ComparedCheck& pair, double confidence, Quantiles& quantiles) {
  const CheckRecord &before = *pair.before, &after = *pair.after;
  const Spread was = spread_of(before, confidence, quantiles), is = spread_of(after, confidence, quantiles);
  const double difference =
      is_share(after) ? *after.value - *before.value : std::log(*after.value / *before.value);
  const double low = difference - std::hypot(is.below, was.above) - is.clock_below - was.clock_above;
  const double high = difference + std::hypot(is.above, was.below) + is.clock_above + was.clock_below;
  pair.change = change_percent(after, difference);
  pair.interval = Interval{change_percent(after, low), change_percent(after, high)};
}

bool has_figures(const CheckRecord& check) {
  return check.metric != "faults" && check.value && std::isfinite(*check.value);
}

std::string size_words(const std::optional<double>& bytes_used) {
  return bytes_used ? format_bytes(static_cast<std::uint64_t>(*bytes_used)) : "as asked";
}

/// Why the figures of a pair cannot be held against each other; empty when they can.
std::string why_no_change(const CheckRecord& before, const CheckRecord& after) {
  const auto both = [](const std::string& was, const std::string& is) { return was + " -> " + is; };
  if (before.unit != after.unit) return "unit differs: " + both(before.unit, after.unit);
  if (before.metric != after.metric) return "metric differs: " + both(before.metric, after.metric);
  if (statistic_of(before) != statistic_of(after))
    return "statistic differs: " + both(statistic_of(before), statistic_of(after));
  if (const auto was = path_number(before, "bytes_used"), is = path_number(after, "bytes_used"); was != is)
    return "size differs, for memory was short: " + both(size_words(was), size_words(is));
  for (const auto& [check, name] : {std::pair(&before, "OLD"), std::pair(&after, "NEW")}) {
    if (!has_figures(*check)) return fmt::format("no value in {}", name);
    if (!is_share(*check) && *check->value <= 0.0) return fmt::format("no positive value in {}", name);
  }
  if (!is_share(after) && !better_of(after))
    return fmt::format("not known whether more or less {} is better", after.unit);
  for (const auto& [check, name] : {std::pair(&before, "OLD"), std::pair(&after, "NEW")})
    if (!check->ci95 || check->statistics.blocks < 2)
      return fmt::format("no interval in {} (too few samples); a longer --budget gives one", name);
  // The spread within one measurement says nothing of how much the next one differs on a machine that did not
  // change.
  for (const auto& [check, name] : {std::pair(&before, "OLD"), std::pair(&after, "NEW")})
    if (check->statistics.repeats.value_or(1) < static_cast<std::uint64_t>(min_repeats))
      return fmt::format("measured once in {}, which does not tell how much a repeat of it differs", name);
  return "";
}

bool misses(double value, const AppliedTarget& target) {
  if (target.comparison == "<") return !(value < target.value);
  if (target.comparison == "<=") return !(value <= target.value);
  if (target.comparison == ">") return !(value > target.value);
  if (target.comparison == ">=") return !(value >= target.value);
  return false;
}

std::string turned(const CheckRecord& before, const CheckRecord& after) {
  return fmt::format("{} -> {}", verdict_name(before.verdict), verdict_name(after.verdict));
}

std::string limit_text(const CheckRecord& check) {
  if (!check.target) return check.reason;
  return fmt::format("{} {} {}", check.target->comparison, format_number(check.target->value), check.unit);
}

/// Whether the new verdict is the new target's doing: the old figure would have got it, too.
bool target_moved(const CheckRecord& before, const CheckRecord& after) {
  if (!before.target || !after.target || *before.target == *after.target || !before.value) return false;
  return misses(*before.value, *after.target) == (after.verdict == Verdict::fail);
}

/// PASS to FAIL or back; nullopt when neither, or when the target moved.
std::optional<Outcome> turned_outcome(const CheckRecord& before, const CheckRecord& after) {
  const bool failed = before.verdict == Verdict::pass && after.verdict == Verdict::fail;
  const bool passed = before.verdict == Verdict::fail && after.verdict == Verdict::pass;
  if ((!failed && !passed) || target_moved(before, after)) return std::nullopt;
  return failed ? Outcome::worse : Outcome::better;
}

/// Checks that have a verdict and no figures: what is there, and wrong results.
void compare_verdicts(ComparedCheck& pair) {
  const CheckRecord &before = *pair.before, &after = *pair.after;
  const bool was_bad = before.verdict == Verdict::fail, is_bad = after.verdict == Verdict::fail;
  // A wrong result has no figures, and needs no target to be worse than one that had them.
  const bool was_good = before.verdict == Verdict::pass || has_figures(before);
  const bool is_good = after.verdict == Verdict::pass || has_figures(after);
  const double more_faults = after.value.value_or(0.0) - before.value.value_or(0.0);
  if ((was_good && !was_bad && is_bad) || (was_bad && is_good && !is_bad)) {
    pair.outcome = is_bad ? Outcome::worse : Outcome::better;
    pair.reason = "verdict " + turned(before, after);
    pair.detail = is_bad ? after.reason : before.reason;
  } else if (before.verdict == after.verdict && before.verdict != Verdict::inconclusive) {
    const bool counts = before.value && after.value && std::isfinite(more_faults) && more_faults != 0.0;
    pair.outcome = !counts ? Outcome::unchanged : more_faults > 0.0 ? Outcome::worse : Outcome::better;
    if (counts)
      pair.reason = fmt::format("{} -> {} {}", format_number(*before.value), format_number(*after.value),
                                before.metric);
  } else {
    pair.reason = "verdict " + turned(before, after);
  }
}

/// The steps before any figure is looked at; true when the pair's figures decide.
bool needs_figures(ComparedCheck& pair) {
  const CheckRecord &before = *pair.before, &after = *pair.after;
  for (const auto& [check, name] : {std::pair(&before, "OLD"), std::pair(&after, "NEW")})
    if (check->verdict == Verdict::error || check->verdict == Verdict::skipped) {
      pair.reason = fmt::format("{} in {}", verdict_name(check->verdict), name);
      pair.detail = check->reason;
      return false;
    }
  const bool wrong = (before.verdict == Verdict::fail && !has_figures(before)) ||
                     (after.verdict == Verdict::fail && !has_figures(after));
  if (before.metric == "faults" || wrong ||
      (!has_figures(before) && !has_figures(after) && before.verdict != Verdict::unchecked)) {
    compare_verdicts(pair);
    return false;
  }
  pair.reason = why_no_change(before, after);
  if (pair.reason.empty()) return true;
  // Without an interval the verdicts still speak, as long as they are about the same thing.
  const bool same_thing = before.unit == after.unit && statistic_of(before) == statistic_of(after);
  if (const auto outcome = same_thing ? turned_outcome(before, after) : std::nullopt) {
    pair.outcome = *outcome;
    pair.reason = "verdict " + turned(before, after);
  }
  return false;
}

/// A spell of noise can cover all of so few repeats; how much longer it makes them take is our own choice.
constexpr double tolerances_of_few_repeats = 10.0;
constexpr double most_of_few_repeats = 0.5;

bool has_few_repeats(const ComparedCheck& pair) {
  constexpr std::uint64_t fewest = fewest_repeats_of_a_fail;
  return std::min(pair.before->statistics.repeats.value_or(1), pair.after->statistics.repeats.value_or(1)) <
         fewest;
}

/// How much longer it takes at least, as a share: a rate that falls by half takes twice as long.
double least_slowdown(const ComparedCheck& pair) {
  const Interval& change = *pair.interval;
  if (is_share(*pair.after)) return std::max(change.lo, -change.hi) / 100.0;
  if (better_of(*pair.after) == Better::lower) return change.lo / 100.0;
  const double left = 1.0 + change.hi / 100.0;
  return left > 0.0 ? 1.0 / left - 1.0 : infinity;
}

void decide(ComparedCheck& pair, double tolerance) {
  const CheckRecord &before = *pair.before, &after = *pair.after;
  const Interval change = *pair.interval;
  const bool lower_is_better = better_of(after) == Better::lower;
  if (const auto outcome = turned_outcome(before, after)) {
    pair.outcome = *outcome;
    pair.reason = fmt::format("verdict {} ({})", turned(before, after), limit_text(after));
  } else if (change.lo > tolerance) {
    pair.outcome = lower_is_better ? Outcome::worse : Outcome::better;
  } else if (change.hi < -tolerance) {
    pair.outcome = lower_is_better ? Outcome::better : Outcome::worse;
  }
  if (pair.outcome == Outcome::worse && pair.reason.empty() && has_few_repeats(pair) &&
      least_slowdown(pair) <= std::min(tolerances_of_few_repeats * tolerance / 100.0, most_of_few_repeats)) {
    pair.outcome = Outcome::incomparable;
    pair.reason = fmt::format(
        "worse, but from fewer than {} repeats, all of which one spell of noise can cover; more repeats in "
        "both "
        "runs (suite acceptance) decide it",
        fewest_repeats_of_a_fail);
    pair.detail = fmt::format("change {} {}", change_text(pair), change_interval_text(pair));
  }
  if (pair.outcome != Outcome::incomparable || !pair.reason.empty()) return;
  if (change.lo >= -tolerance && change.hi <= tolerance) {
    pair.outcome = Outcome::unchanged;
  } else {
    pair.reason =
        "intervals too wide to tell; more repeats (suite acceptance) or a longer --budget in both runs would "
        "decide it";
    pair.detail = fmt::format("change {} {}", change_text(pair), change_interval_text(pair));
  }
}

/// How bad, for sorting: a turned verdict without a figure first.
double gravity(const ComparedCheck& pair) { return pair.change ? std::abs(*pair.change) : infinity; }

int rank_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::worse:
      return 0;
    case Outcome::better:
      return 1;
    case Outcome::incomparable:
      return 2;
    case Outcome::unchanged:
      return 3;
  }
  return 4;
}

std::string signed_number(double value) {
  if (std::isinf(value) || std::abs(value) >= 1e6) return value < 0 ? "-inf" : "+inf";
  const std::string text = fmt::format("{:+.1f}", value);
  return text == "-0.0" ? "+0.0" : text;
}

}  // namespace

std::size_t RunComparison::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::count_if(
      checks.begin(), checks.end(), [outcome](const ComparedCheck& one) { return one.outcome == outcome; }));
}

RunComparison compare_runs(const RunRecord& before, const RunRecord& after, const ComparisonPolicy& policy) {
  RunComparison comparison;
  comparison.policy = policy;
  comparison.differences = differences_between(before, after);
  comparison.checks = paired_checks(before, after);

  const HardwareOf hardware_before(before), hardware_after(after);
  std::vector<ComparedCheck*> by_figures;
  for (ComparedCheck& pair : comparison.checks) {
    if (!pair.reason.empty()) continue;
    const std::string other = other_hardware(*pair.before, hardware_before, *pair.after, hardware_after);
    if (!other.empty()) {
      pair.reason = "other hardware: " + other;
    } else if (needs_figures(pair)) {
      by_figures.push_back(&pair);
    }
  }
  // All intervals hold together with probability 1 - alpha (Bonferroni: whatever ties the checks to each
  // other), so that comparing thousands of healthy checks does not find a regression by chance.
  const double family = static_cast<double>(std::max<std::size_t>(1, by_figures.size()));
  Quantiles quantiles;
  for (ComparedCheck* pair : by_figures) {
    fill_change(*pair, 1.0 - policy.alpha / family, quantiles);
    decide(*pair, policy.tolerance_percent);
  }
  for (ComparedCheck& pair : comparison.checks)
    if (pair.outcome == Outcome::worse)
      for (std::size_t i = 0; i < comparison.differences.size(); ++i)
        if (concerns(comparison.differences[i], *pair.after)) pair.changed_meanwhile.push_back(i);
  std::stable_sort(comparison.checks.begin(), comparison.checks.end(),
                   [](const ComparedCheck& a, const ComparedCheck& b) {
                     if (a.outcome != b.outcome) return rank_of(a.outcome) < rank_of(b.outcome);
                     const bool sized = a.outcome == Outcome::worse || a.outcome == Outcome::better;
                     return sized && gravity(a) > gravity(b);
                   });
  return comparison;
}

int comparison_status(const RunComparison& comparison) {
  if (comparison.count(Outcome::worse) > 0) return exit_status::target_missed;
  return comparison.count(Outcome::incomparable) == comparison.checks.size() ? exit_status::broken
                                                                             : exit_status::passed;
}

std::string comparison_headline(const RunComparison& comparison) {
  if (comparison.checks.empty()) return "nothing could be compared: neither result holds a check";
  const std::size_t open = comparison.count(Outcome::incomparable);
  if (open < comparison.checks.size())
    return fmt::format("{} worse, {} better, {} unchanged, {} not comparable",
                       comparison.count(Outcome::worse), comparison.count(Outcome::better),
                       comparison.count(Outcome::unchanged), open);
  std::map<std::string, std::size_t> reasons;
  for (const ComparedCheck& one : comparison.checks) ++reasons[one.reason];
  const auto most = std::max_element(reasons.begin(), reasons.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return fmt::format("nothing could be compared: {} of {}: {}", most->second, counted(open, "check"),
                     most->first);
}

std::string change_text(const ComparedCheck& check) {
  if (!check.change) return "";
  return fmt::format("{} {}", signed_number(*check.change), is_share(check.shown()) ? "points" : "%");
}

std::string change_interval_text(const ComparedCheck& check) {
  if (!check.interval) return "";
  return fmt::format("[{}, {}]", signed_number(check.interval->lo), signed_number(check.interval->hi));
}

std::string meanwhile_text(const RunComparison& comparison, const ComparedCheck& check) {
  if (check.changed_meanwhile.empty()) return "";
  constexpr std::size_t most = 4;
  std::vector<std::string> parts;
  for (const std::size_t index : check.changed_meanwhile) {
    const Difference& difference = comparison.differences[index];
    if (parts.size() < most)
      parts.push_back(fmt::format("{} ({} -> {})", difference.what, difference.before, difference.after));
  }
  const std::size_t left = check.changed_meanwhile.size() - parts.size();
  return fmt::format("not explained away: {}{} changed too", fmt::join(parts, ", "),
                     left == 0 ? "" : fmt::format(" and {} more", left));
}

namespace {

Finding not_compared(const RunComparison& comparison) {
  Finding finding;
  finding.slug = "baseline-not-compared";
  finding.component = {"software", "baseline", ""};
  finding.meaning = comparison_headline(comparison);
  finding.advice =
      "Give --baseline a result of the same machines with the same checks and sizes, and both runs a "
      "--budget that makes their intervals narrow.";
  finding.confidence = "certain";
  return finding;
}

/// "mpi.bcast.latency 8 B, all ranks: 3.1 -> 4.2 us, +35.5 % [+30.1, +41.2]"
std::string regression_text(const ComparedCheck& one) {
  const CheckRecord &was = *one.before, &is = *one.after;
  std::string text = is.id;
  if (const auto bytes = is.parameters.find("bytes"); bytes != is.parameters.end())
    if (const auto* size = std::get_if<std::int64_t>(&bytes->second); size && *size > 0)
      text += " " + format_bytes(static_cast<std::uint64_t>(*size));
  text += ", " + is.scope + ":";
  if (one.change)
    text += fmt::format(" {} -> {} {}, {} {}", format_number(*was.value), format_number(*is.value), is.unit,
                        change_text(one), change_interval_text(one));
  if (!one.reason.empty()) text += (one.change ? ", " : " ") + one.reason;
  return text;
}

/// What is worse on the same hosts.
Finding regression_on(const std::vector<std::string>& hosts, const std::vector<const ComparedCheck*>& checks,
                      const RunComparison& comparison) {
  constexpr std::size_t most_hosts = 8;
  Finding finding;
  finding.slug = "regression";
  finding.severity = Severity::bad;
  finding.component = hosts.size() == 1 ? Component{"host", hosts.front(), hosts.front()}
                                        : Component{"cluster", first_few(hosts, most_hosts), ""};
  finding.meaning = fmt::format(
      "{} worse than in the baseline",
      checks.size() == 1 ? checks.front()->after->title + " is" : counted(checks.size(), "check") + " are");
  for (const ComparedCheck* one : checks) {
    finding.evidence.push_back({"", 0, regression_text(*one)});
    const std::string& id = one->after->id;
    if (std::find(finding.explains.begin(), finding.explains.end(), id) == finding.explains.end())
      finding.explains.push_back(id);
  }
  const std::string meanwhile = meanwhile_text(comparison, *checks.front());
  finding.advice = meanwhile.empty()
                       ? "Nothing else that is recorded changed: look at the hosts, their links and what "
                         "else runs there; run again to see whether it stays."
                       : "Undo one change at a time and run again; " + meanwhile + ".";
  finding.confirm = "fabricheck compare OLD NEW";
  finding.confidence = meanwhile.empty() ? "certain" : "likely";
  return finding;
}

}  // namespace

std::vector<Finding> regressions(const RunComparison& comparison) {
  if (comparison_status(comparison) == exit_status::broken) return {not_compared(comparison)};
  std::map<std::vector<std::string>, std::vector<const ComparedCheck*>> by_hosts;
  std::vector<std::vector<std::string>> order;
  for (const ComparedCheck& one : comparison.checks) {
    if (one.outcome != Outcome::worse) continue;
    auto& checks = by_hosts[one.after->participants];
    if (checks.empty()) order.push_back(one.after->participants);
    checks.push_back(&one);
  }
  std::vector<Finding> findings;
  findings.reserve(order.size());
  for (const std::vector<std::string>& hosts : order)
    findings.push_back(regression_on(hosts, by_hosts[hosts], comparison));
  return findings;
}

}  // namespace fabricheck
