// From what was measured to the records of checks. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/judge.hpp"
#include "core/run_record.hpp"
#include "plan/plan.hpp"

namespace fabricheck::app {

/// What is known of a check before it is measured, for group `group` of it.
CheckRecord blank_record(const plan::PlannedCheck& check, std::size_t group,
                         const std::vector<std::string>& rank_hosts);

/// Statistics, figures and verdict of what was measured.
void fill(CheckRecord& record, const SampleSet& samples, const Judgement& judgement,
          const std::optional<Target>& target, const Measure& measure);

/// Where launching took `host_bound_share` of the median or more, and the GPU waited for it, the figure is
/// the host's: the reason says so, and the path's "limited_by".
void note_launches(CheckRecord& record, const SampleSet& samples);
inline constexpr double host_bound_share = 0.9;

/// Of a check that nobody could measure.
CheckRecord skipped_record(const CheckRow& row, const std::string& reason);

std::optional<LastRank> most_often_last(const SampleSet& samples, const std::vector<int>& group,
                                        const std::vector<std::string>& rank_hosts);

/// For the progress line: the gravest of a check's groups.
const CheckRecord& gravest(const std::vector<CheckRecord>& records);

/// What differs from the usual float32, sum, out of place: ", int64 max in place".
std::string variant_words(const plan::PlannedCheck& check);

/// Whether a PASS or FAIL that was given before the end is taken back by `whole`, the record over all
/// repeats: its verdict is the opposite, or its figure lies on the other side of the target.
bool contradicts(const CheckRecord& whole, Verdict given);

/// Whether one of them still wants a verdict.
bool is_open(const std::vector<CheckRecord>& records);

/// Whether both were measured by the same ranks with the same bytes, whatever the type of their elements.
bool is_same_place(const CheckRecord& a, const CheckRecord& b);

/// How the row presents the times of a group of `ranks`.
Measure measure_of(const CheckRow& row, const plan::PlannedCheck& check, std::uint64_t bytes, int ranks,
                   double compute_us);

/// What is added to the reason of a check that its budget did not decide because its repeats took longer.
std::string overtime_words(bool ranks_share_cpus);

}  // namespace fabricheck::app
