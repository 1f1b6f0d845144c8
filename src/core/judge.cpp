#include "core/judge.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "core/units.hpp"

namespace fabricheck {
namespace {

constexpr double shown_alpha = 0.025;  // on each side of the 95 % interval
constexpr std::uint64_t p99_samples = 1000;

double quantile_named(const std::string& statistic) { return statistic == "p99" ? 0.99 : 0.5; }

std::optional<Interval> repeated_interval(const SampleSet& samples, const std::string& statistic,
                                          double alpha_lo, double alpha_hi) {
  if (statistic == "mean")
    return repeated_mean_interval(samples.values_us, samples.repeat_begins, alpha_lo, alpha_hi);
  return repeated_quantile_interval(samples.values_us, samples.repeat_begins, quantile_named(statistic),
                                    alpha_lo, alpha_hi);
}

/// What is shown: over repeats where there are enough, else over blocks of the one measurement.
std::optional<BlockInterval> shown_interval(const SampleSet& samples, const std::string& statistic) {
  if (samples.repeats() >= min_repeats) {
    const auto interval = repeated_interval(samples, statistic, shown_alpha, shown_alpha);
    if (!interval) return std::nullopt;
    return BlockInterval{*interval, static_cast<std::uint64_t>(samples.repeats())};
  }
  if (statistic == "mean") return mean_interval(samples.values_us, 1.0 - 2.0 * shown_alpha);
  return quantile_interval(samples.values_us, quantile_named(statistic), 1.0 - 2.0 * shown_alpha);
}

Interval widened(Interval interval, double by) { return {std::max(0.0, interval.lo - by), interval.hi + by}; }

bool is_strict(Comparison comparison) {
  return comparison == Comparison::below || comparison == Comparison::above;
}
bool is_ceiling(Comparison comparison) {
  return comparison == Comparison::at_most || comparison == Comparison::below;
}

/// The limit in microseconds, and on which side of it a good time lies.
struct TimeLimit {
  double us{};
  bool short_is_good{};
  bool strictly{};  ///< whether a time at the limit itself is beyond it
};

TimeLimit time_limit(const Target& target, const Measure& measure) {
  TimeLimit limit;
  limit.us = measure.falls() ? measure.us_of_value(target.value) : target.value;
  limit.short_is_good = is_ceiling(target.comparison) != measure.falls();
  limit.strictly = limit.short_is_good == is_strict(target.comparison);
  return limit;
}

Verdict verdict_of(const SampleSet& samples, const std::string& statistic, const TimeLimit& limit, Look look,
                   double error_us) {
  if (!limit.short_is_good) {
    std::swap(look.alpha_pass, look.alpha_fail);
    std::swap(look.margin_pass, look.margin_fail);
  }
  Verdict verdict = Verdict::inconclusive;
  if (statistic == "mean") {
    const auto end = [&](double alpha, auto chosen) -> std::optional<double> {
      if (alpha <= 0.0) return std::nullopt;
      const auto interval = repeated_interval(samples, statistic, alpha, alpha);
      return interval ? std::optional(chosen(*interval)) : std::nullopt;
    };
    const auto hi = end(look.alpha_pass, [](const Interval& interval) { return interval.hi; });
    const auto lo = end(look.alpha_fail, [](const Interval& interval) { return interval.lo; });
    if (hi && *hi + error_us <= limit.us * (1.0 - look.margin_pass)) verdict = Verdict::pass;
    if (lo && *lo - error_us > limit.us * (1.0 + look.margin_fail)) verdict = Verdict::fail;
  } else {
    const Repeats repeats(samples.values_us, samples.repeat_begins);
    const double q = quantile_named(statistic);
    verdict = weigh([&](double us) { return repeats.within(us, limit.strictly); }, repeats.quantiles(q), q,
                    limit.us, error_us, look);
  }
  if (limit.short_is_good || verdict == Verdict::inconclusive) return verdict;
  return verdict == Verdict::pass ? Verdict::fail : Verdict::pass;
}

/// The statistic of each repeat from the least to the largest, where these differ so much that the interval
/// between `alpha_lo` and `alpha_hi` says nothing: it ends at zero, or far beyond everything that was seen.
std::optional<Interval> scattered_repeats(const SampleSet& samples, const std::string& statistic,
                                          double alpha_lo, double alpha_hi) {
  constexpr double absurd = 100.0;
  const auto interval = repeated_interval(samples, statistic, alpha_lo, alpha_hi);
  const Repeats repeats(samples.values_us, samples.repeat_begins);
  const auto middle = describe(samples.values_us).median;
  if (!interval || !middle || (interval->lo > 0.0 && interval->hi <= absurd * *middle)) return std::nullopt;
  std::vector<double> each;
  if (statistic == "mean") {
    for (std::size_t i = 0; i < repeats.size(); ++i)
      each.push_back(describe(repeats.part(i)).mean.value_or(0.0));
  } else {
    each = repeats.quantiles(quantile_named(statistic));
  }
  const auto [least, most] = std::minmax_element(each.begin(), each.end());
  return Interval{*least, *most};
}

std::optional<std::string> too_few(const SampleSet& samples, const std::string& statistic) {
  const std::uint64_t wanted = statistic == "p99" ? p99_samples : min_gate_samples;
  if (samples.values_us.size() < wanted)
    return fmt::format("only {} samples within the budget; a verdict needs {}: give it a longer --budget",
                       samples.values_us.size(), wanted);
  if (samples.repeats() < min_repeats)
    return fmt::format("measured {} time{}; a verdict needs {} repeats of the measurement", samples.repeats(),
                       samples.repeats() == 1 ? "" : "s", min_repeats);
  return std::nullopt;
}

/// The figure and its interval, before any target.
Judgement described(const SampleSet& samples, const std::string& statistic, const Measure& measure) {
  Judgement judgement;
  const Statistics all = describe(samples.values_us);
  const std::optional<double> value_us = statistic == "mean"  ? all.mean
                                         : statistic == "p99" ? all.p99
                                                              : all.median;
  if (value_us) judgement.value = measure.convert(*value_us);
  if (auto shown = shown_interval(samples, statistic)) {
    judgement.ci95 = measure.convert(widened(shown->interval, samples.clock_error_us));
    judgement.blocks = shown->blocks;
  }
  return judgement;
}

/// Holds a figure that was described against its target.
class AgainstTarget {
 public:
  AgainstTarget(const SampleSet& samples, const Target& target, const GatePolicy& policy,
                const Measure& measure)
      : samples_(samples),
        policy_(policy),
        measure_(measure),
        statistic_(target.statistic),
        limit_(time_limit(target, measure)),
        target_words_(fmt::format("{} {} {}", comparison_symbol(target.comparison),
                                  format_number(target.value), target.unit)),
        late_share_(static_cast<double>(samples.late_starts) /
                    static_cast<double>(std::max<std::size_t>(1, samples.values_us.size()))) {}

  Judgement judged(Judgement judgement) const {
    judgement.verdict = Verdict::inconclusive;
    if (const auto few = too_few(samples_, statistic_)) {
      judgement.reason = *few;
    } else if (const std::optional<Look> look = look_after(policy_, samples_.repeats())) {
      judge_at(*look, judgement);
    } else {
      judge_between_looks(judgement);
    }
    return judgement;
  }

 private:
  Verdict verdict_at(const Look& look) const {
    return verdict_of(samples_, statistic_, limit_, look, samples_.clock_error_us);
  }
  bool is_late() const { return late_share_ > max_late_share_for_fail; }
  /// "median 5.2 us"
  std::string figure(const Judgement& judgement) const {
    return fmt::format("{} {} {}", statistic_, judgement.value ? format_number(*judgement.value) : "?",
                       measure_.unit);
  }

  void judge_between_looks(Judgement& judgement) const {
    judgement.points_to_fail = verdict_at(last_look(policy_)) == Verdict::fail;
    judgement.reason = fmt::format(
        "{}, the target is {}; its time ended after {} of {} repeats, and a verdict is given after 4, 8 or "
        "16 of them: a longer --budget gives one",
        figure(judgement), target_words_, samples_.repeats(), policy_.repeats);
  }

  void judge_at(const Look& look, Judgement& judgement) const {
    const Look last = last_look(policy_);
    const double alpha_fail = look.alpha_fail > 0.0 ? look.alpha_fail : last.alpha_fail;
    judgement.decision_confidence = 1.0 - look.alpha_pass - alpha_fail;
    const double alpha_hi = limit_.short_is_good ? look.alpha_pass : alpha_fail;
    const double alpha_lo = limit_.short_is_good ? alpha_fail : look.alpha_pass;
    if (const auto interval = repeated_interval(samples_, statistic_, alpha_lo, alpha_hi))
      judgement.decision_interval = measure_.convert(widened(*interval, samples_.clock_error_us));
    judgement.verdict = verdict_at(look);
    if (judgement.verdict == Verdict::pass) return;
    const bool points = judgement.verdict == Verdict::inconclusive && verdict_at(last) == Verdict::fail;
    judgement.points_to_fail = points && !is_late();
    if (is_late() && (judgement.verdict == Verdict::fail || points)) {
      judgement.verdict = Verdict::inconclusive;
      judgement.reason = fmt::format("{} against {}, but {}", figure(judgement), target_words_, late_words());
    } else if (judgement.points_to_fail) {
      judgement.reason = few_repeats_words(judgement);
    } else if (judgement.verdict == Verdict::fail) {
      judgement.reason = fmt::format("{}, the target is {}", figure(judgement), target_words_);
    } else if (verdict_of(samples_, statistic_, limit_, look, 0.0) != Verdict::inconclusive) {
      judgement.reason = fmt::format(
          "the ranks' clocks agree only to {} us, too coarse for {}: they are compared by messages, which "
          "busy hosts delay; let nothing else run there, and {}",
          format_number(samples_.clock_error_us), target_words_, own_core_advice);
    } else if (const auto scattered = scattered_repeats(samples_, statistic_, alpha_lo, alpha_hi)) {
      judgement.reason = scattered_words(measure_.convert(*scattered));
    } else {
      const Interval interval = judgement.decision_interval.value_or(Interval{});
      judgement.reason =
          fmt::format("the interval {} to {} {} is not clear of the target {}: {}",
                      format_number(interval.lo), format_number(interval.hi), measure_.unit, target_words_,
                      is_late() ? late_words() : "a longer --budget may decide it");
    }
  }

  std::string late_words() const {
    return fmt::format(
        "in {:.0f} % of the samples a rank was not running at the common start, which makes latency look "
        "worse than it is: {}",
        100.0 * late_share_, own_core_advice);
  }

  std::string few_repeats_words(const Judgement& judgement) const {
    const double margin =
        measure_.falls() ? early_fail_margin / (1.0 + early_fail_margin) : early_fail_margin;
    return fmt::format(
        "{} in {} repeats, the target is {}; a spell of noise can last as long, and a FAIL {}: a longer "
        "--budget gives them",
        figure(judgement), samples_.repeats(), target_words_,
        samples_.repeats() < fewest_repeats_of_a_fail
            ? fmt::format("wants at least {}", fewest_repeats_of_a_fail)
            : fmt::format("by less than {:.0f} % wants {}", 100.0 * margin, max_repeats));
  }

  std::string scattered_words(const Interval& range) const {
    return fmt::format(
        "the {} repeats are too scattered to bound the {} against the target {}, theirs reaching from {} to "
        "{} {}: {}",
        samples_.repeats(), statistic_, target_words_, format_number(range.lo), format_number(range.hi),
        measure_.unit,
        is_late() ? late_words()
                  : "see what else these hosts and their network do meanwhile; a longer --budget gives more "
                    "repeats");
  }

  const SampleSet& samples_;
  const GatePolicy& policy_;
  const Measure& measure_;
  const std::string& statistic_;
  TimeLimit limit_;
  std::string target_words_;
  double late_share_;
};

}  // namespace

void SampleSet::append(const SampleSet& repeat) {
  repeat_begins.push_back(values_us.size());
  values_us.insert(values_us.end(), repeat.values_us.begin(), repeat.values_us.end());
  for (const auto& [rank, count] : repeat.last_count) last_count[rank] += count;
  late_starts += repeat.late_starts;
  overruns += repeat.overruns;
  verified += repeat.verified;
  verification_us += repeat.verification_us;
  measuring_us += repeat.measuring_us;
  clock_error_us = std::max(clock_error_us, repeat.clock_error_us);
  if (repeat.osu_mean_us) {
    const double before = static_cast<double>(barrier_us.size());
    const double now = static_cast<double>(repeat.barrier_us.size());
    osu_mean_us = (osu_mean_us.value_or(0.0) * before + *repeat.osu_mean_us * now) / (before + now);
  }
  barrier_us.insert(barrier_us.end(), repeat.barrier_us.begin(), repeat.barrier_us.end());
}

Measure Measure::rate(std::string unit, double rate_times_us) {
  const auto inverse = [rate_times_us](double value) {
    return value > 0.0 ? rate_times_us / value : std::numeric_limits<double>::max();
  };
  return {std::move(unit), inverse, inverse};
}

Interval Measure::convert(Interval us) const {
  if (!falls()) return us;
  return {convert(us.hi), convert(us.lo)};
}

Judgement judge(const SampleSet& samples, const Target* target, const GatePolicy& policy,
                const Measure& measure) {
  Judgement judgement = described(samples, target ? target->statistic : "median", measure);
  return target ? AgainstTarget(samples, *target, policy, measure).judged(std::move(judgement)) : judgement;
}

}  // namespace fabricheck
