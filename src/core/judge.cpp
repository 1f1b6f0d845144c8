#include "core/judge.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fabricheck {
namespace {

std::optional<BlockInterval> interval_of(const SampleSet& samples, const std::string& statistic,
                                         double confidence) {
  if (statistic == "mean") return mean_interval(samples.values_us, confidence);
  return quantile_interval(samples.values_us, statistic == "p99" ? 0.99 : 0.5, confidence);
}

Interval widened(Interval interval, double by) { return {std::max(0.0, interval.lo - by), interval.hi + by}; }

bool meets(double value, Comparison comparison, double limit) {
  switch (comparison) {
    case Comparison::at_most:
      return value <= limit;
    case Comparison::below:
      return value < limit;
    case Comparison::at_least:
      return value >= limit;
    case Comparison::above:
      return value > limit;
  }
  return false;
}

}  // namespace

Interval Measure::convert(Interval us) const {
  if (rate_times_us <= 0.0) return us;
  // A lower end of no time at all is an unbounded rate; the largest that was seen at all bounds it well
  // enough.
  return {convert(us.hi), us.lo > 0.0 ? convert(us.lo) : std::numeric_limits<double>::max()};
}

Judgement judge(const SampleSet& samples, const Target* target, const JudgePolicy& policy,
                const Measure& measure) {
  Judgement judgement;
  const std::string statistic = target ? target->statistic : "median";
  const Statistics described = describe(samples.values_us);
  const std::optional<double> value_us = statistic == "mean"  ? described.mean
                                         : statistic == "p99" ? described.p99
                                                              : described.median;
  if (value_us) judgement.value = measure.convert(*value_us);
  if (auto shown = interval_of(samples, statistic, 0.95)) {
    judgement.ci95 = measure.convert(widened(shown->interval, samples.clock_error_us));
    judgement.blocks = shown->blocks;
  }
  if (!target) return judgement;

  judgement.decision_confidence = policy.confidence_per_look();
  const auto decision = interval_of(samples, statistic, judgement.decision_confidence);
  if (!decision || !judgement.value) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason =
        fmt::format("only {} samples within the budget; a verdict needs {}: give it a longer --budget",
                    samples.values_us.size(), statistic == "p99" ? 1000 : min_interval_samples);
    return judgement;
  }
  const Interval interval = measure.convert(widened(decision->interval, samples.clock_error_us));
  const Interval without_clocks = measure.convert(decision->interval);
  judgement.decision_interval = interval;
  const bool low_meets = meets(interval.lo, target->comparison, target->value);
  const bool high_meets = meets(interval.hi, target->comparison, target->value);
  const double late_share = static_cast<double>(samples.late_starts) /
                            static_cast<double>(std::max<std::size_t>(1, samples.values_us.size()));
  const std::string limit = fmt::format("{} {} {}", comparison_symbol(target->comparison),
                                        format_number(target->value), target->unit);

  const std::string missed_starts = fmt::format(
      "in {:.0f} % of the samples a rank was not running at the common start, which makes latency look worse "
      "than it is: give "
      "every rank a core of its own",
      100.0 * late_share);
  const bool late = late_share > max_late_share_for_fail;
  if (low_meets && high_meets) {
    judgement.verdict = Verdict::pass;
  } else if (!low_meets && !high_meets && !late) {
    judgement.verdict = Verdict::fail;
    judgement.reason = fmt::format("{} {} {}, the target is {}", statistic, format_number(*judgement.value),
                                   measure.unit, limit);
  } else {
    judgement.verdict = Verdict::inconclusive;
    const bool clocks = meets(without_clocks.lo, target->comparison, target->value) ==
                        meets(without_clocks.hi, target->comparison, target->value);
    if (late) {
      judgement.reason = fmt::format("{} {} {} against {}, but {}", statistic,
                                     format_number(*judgement.value), measure.unit, limit, missed_starts);
    } else if (clocks) {
      judgement.reason = fmt::format("the ranks' clocks agree only to {} us, too coarse for {}",
                                     format_number(samples.clock_error_us), limit);
    } else {
      judgement.reason =
          fmt::format("the interval {} to {} {} contains the target {}: a longer --budget may decide it",
                      format_number(interval.lo), format_number(interval.hi), measure.unit, limit);
    }
  }
  return judgement;
}

}  // namespace fabricheck
