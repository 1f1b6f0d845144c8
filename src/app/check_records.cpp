#include "app/check_records.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include <fmt/format.h>

#include "collectives/bandwidth.hpp"

namespace fabricheck::app {

void fill(CheckRecord& record, const SampleSet& samples, const Judgement& judgement,
          const std::optional<Target>& target, const Measure& measure) {
  record.statistics = describe(samples.values_us);
  record.statistics.blocks = judgement.blocks;
  if (samples.repeats() > 1) record.statistics.repeats = static_cast<std::uint64_t>(samples.repeats());
  record.statistics.late_starts = samples.late_starts;
  record.statistics.overruns = samples.overruns;
  record.statistics.verified = samples.verified;
  if (measure.falls()) {
    // The shortest time gives the largest rate; tails and clock errors of times have no rate of their own.
    const Statistics times = record.statistics;
    const auto converted = [&](const std::optional<double>& us) {
      return us && *us > 0.0 ? std::optional<double>(measure.convert(*us)) : std::nullopt;
    };
    record.statistics.min = converted(times.max);
    record.statistics.max = converted(times.min);
    record.statistics.median = converted(times.median);
    record.statistics.mean.reset();
    record.statistics.p99.reset();
    record.statistics.p999.reset();
  } else {
    record.statistics.clock_error = samples.clock_error_us;
    record.statistics.osu_mean = samples.osu_mean_us;
    if (!samples.barrier_us.empty()) {
      std::vector<double> sorted = samples.barrier_us;
      std::sort(sorted.begin(), sorted.end());
      record.statistics.barrier_median = quantile_of_sorted(sorted, 0.5);
    }
  }
  record.value = judgement.value;
  record.ci95 = judgement.ci95;
  record.verdict = judgement.verdict;
  record.reason = judgement.reason;
  if (target) {
    record.target = AppliedTarget{comparison_symbol(target->comparison), target->value, target->statistic,
                                  target->source};
    record.statistics.decision_interval = judgement.decision_interval;
    if (judgement.decision_confidence > 0.0)
      record.statistics.decision_confidence = judgement.decision_confidence;
  }
}

void note_launches(CheckRecord& record, const SampleSet& samples) {
  constexpr double mostly_percent = 50.0;
  const auto launch_us = path_number(record, "launch_us");
  const auto waited = path_number(record, "gpu_waited_for_launches_percent");
  if (!launch_us || !waited || *waited < mostly_percent || samples.values_us.empty()) return;
  std::vector<double> sorted = samples.values_us;
  std::sort(sorted.begin(), sorted.end());
  if (*launch_us < host_bound_share * quantile_of_sorted(sorted, 0.5)) return;
  // The same words for all such checks: the report says them once.
  const std::string words = fmt::format(
      "it is the host's rate of launches, not the fabric's, for launching took at least {:.0f} % of the "
      "median "
      "(launch_us in its path); {}",
      100.0 * host_bound_share,
      path_text(record, "cuda_graph") == "yes" ? "it is launched as a CUDA graph already, so look at the "
                                                 "host: cores near the GPU, their clock, other load"
                                               : "measure with --cuda-graph to take the host out");
  record.reason += (record.reason.empty() ? "" : "; ") + words;
  (*record.path)["limited_by"] = std::string("the host's launches");
}

std::optional<LastRank> most_often_last(const SampleSet& samples, const std::vector<int>& group,
                                        const std::vector<std::string>& rank_hosts) {
  const auto most = std::max_element(samples.last_count.begin(), samples.last_count.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most == samples.last_count.end()) return std::nullopt;
  const int rank = group[static_cast<std::size_t>(most->first)];
  return LastRank{rank, rank_hosts[static_cast<std::size_t>(rank)],
                  static_cast<double>(most->second) / static_cast<double>(samples.values_us.size())};
}

const CheckRecord& gravest(const std::vector<CheckRecord>& records) {
  const auto gravity = [](const CheckRecord& record) {
    switch (record.verdict) {
      case Verdict::fail:
        return 0;
      case Verdict::error:
        return 1;
      case Verdict::inconclusive:
        return 2;
      case Verdict::pass:
        return 3;
      case Verdict::unchecked:
        return 4;
      case Verdict::skipped:
        return 5;
    }
    return 6;
  };
  return *std::min_element(records.begin(), records.end(), [&](const CheckRecord& a, const CheckRecord& b) {
    return gravity(a) != gravity(b) ? gravity(a) < gravity(b) : a.value.value_or(0.0) > b.value.value_or(0.0);
  });
}

std::string variant_words(const plan::PlannedCheck& check) {
  if (check.variant == Variant{}) return "";
  std::string words = ",";
  if (check.row->typed) words += fmt::format(" {}", type_name(check.variant.type));
  if (check.row->reduces) words += fmt::format(" {}", reduction_name(check.variant.reduction));
  if (check.variant.in_place) words += " in place";
  return words;
}

bool contradicts(const CheckRecord& whole, Verdict given) {
  if (given != Verdict::pass && given != Verdict::fail) return false;
  if (whole.verdict == (given == Verdict::pass ? Verdict::fail : Verdict::pass)) return true;
  if (!whole.value || !whole.target) return false;
  const double limit = whole.target->value;
  const bool wants_less = whole.target->comparison.front() == '<';
  const bool beyond = wants_less ? *whole.value > limit : *whole.value < limit;
  const bool within = wants_less ? *whole.value < limit : *whole.value > limit;
  return given == Verdict::pass ? beyond : within;
}

bool is_open(const std::vector<CheckRecord>& records) {
  return std::any_of(records.begin(), records.end(),
                     [](const CheckRecord& one) { return one.verdict == Verdict::inconclusive; });
}

bool is_same_place(const CheckRecord& a, const CheckRecord& b) {
  const auto same = [&](const char* name) {
    const auto in_a = a.parameters.find(name), in_b = b.parameters.find(name);
    return in_a == a.parameters.end() ? in_b == b.parameters.end()
                                      : in_b != b.parameters.end() && in_a->second == in_b->second;
  };
  return a.scope == b.scope && a.participants == b.participants && same("bytes") && same("mode") &&
         same("group");
}

Measure measure_of(const CheckRow& row, const plan::PlannedCheck& check, std::uint64_t asked_bytes, int ranks,
                   double compute_us) {
  if (row.rate_times_us) return Measure::rate(row.unit, row.rate_times_us(asked_bytes));
  if (row.bus_factor) {
    const std::uint64_t bytes =
        check.row->payload_bytes
            ? check.row->payload_bytes(asked_bytes, ranks, type_bytes(check.variant.type))
            : asked_bytes;
    return Measure::rate(row.unit, collectives::algbw_GBps(bytes, 1.0) * row.bus_factor(ranks));
  }
  if (!row.computes_for.empty()) {
    // It computes for as long as its counterpart takes alone.
    return {row.unit,
            [compute_us](double us) { return collectives::overlap_percent(us, compute_us, compute_us); },
            [compute_us](double percent) { return compute_us * (2.0 - percent / 100.0); }};
  }
  return {};
}

CheckRecord skipped_record(const CheckRow& row, const std::string& reason) {
  CheckRecord record;
  record.id = row.id;
  record.title = row.title;
  record.scope = scope_name(row.scopes.front());
  record.metric = row.metric.name();
  record.unit = row.unit;
  record.verdict = Verdict::skipped;
  record.reason = reason;
  return record;
}

CheckRecord blank_record(const plan::PlannedCheck& check, std::size_t group,
                         const std::vector<std::string>& rank_hosts) {
  CheckRecord record;
  record.id = check.row->id;
  record.title = check.row->title + variant_words(check);
  record.scope = scope_name(check.scope);
  record.metric = check.row->metric.name();
  record.unit = check.row->unit;
  const std::vector<int>& ranks = check.groups[group];
  std::set<std::string_view> seen;
  for (const int rank : ranks) {
    const std::string& host = rank_hosts[static_cast<std::size_t>(rank)];
    if (seen.insert(host).second) record.participants.push_back(host);
  }
  const auto nodes = static_cast<std::int64_t>(record.participants.size());
  if (!check.row->sizes.empty()) record.parameters["bytes"] = static_cast<std::int64_t>(check.bytes);
  if (check.row->typed) record.parameters["type"] = std::string(type_name(check.variant.type));
  if (check.row->reduces)
    record.parameters["reduction"] = std::string(reduction_name(check.variant.reduction));
  if (check.row->can_be_in_place) record.parameters["in_place"] = check.variant.in_place ? "yes" : "no";
  record.parameters["ranks"] = static_cast<std::int64_t>(ranks.size());
  record.parameters["nodes"] = nodes;
  record.parameters["ranks_per_node"] = (static_cast<std::int64_t>(ranks.size()) + nodes - 1) / nodes;
  if (!check.pairs.empty() && check.scope != Scope::gpu_pair) {
    const plan::Pair& pair = check.pairs[group];
    if (pair.from_rail && pair.from_rail == pair.to_rail) {
      record.parameters["rail"] = static_cast<std::int64_t>(*pair.from_rail);
    } else if (pair.from_rail && pair.to_rail) {
      record.parameters["from_rail"] = static_cast<std::int64_t>(*pair.from_rail);
      record.parameters["to_rail"] = static_cast<std::int64_t>(*pair.to_rail);
    }
  }
  if (!check.gpus.empty()) {
    const std::vector<int>& gpus = check.gpus[group];
    if (gpus.size() == 1) record.parameters["gpu"] = static_cast<std::int64_t>(gpus.front());
    if (gpus.size() == 2) {
      record.parameters["from_gpu"] = static_cast<std::int64_t>(gpus.front());
      record.parameters["to_gpu"] = static_cast<std::int64_t>(gpus.back());
    }
  }
  if (!check.mode.empty()) {
    record.parameters["mode"] = check.mode;
    record.parameters["group"] =
        static_cast<std::int64_t>(check.group_number ? static_cast<std::size_t>(*check.group_number) : group);
  }
  return record;
}

std::string overtime_words(bool ranks_share_cpus) {
  const std::string words = "; its repeats took longer than the budget gives them, ";
  if (!ranks_share_cpus) return words + "as where ranks wait for a core";
  return words + "for there are more ranks than CPUs for them: " + own_core_advice;
}

}  // namespace fabricheck::app
