// What a run does alike with ranks of MPI's and with threads of one process.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/compare.hpp"
#include "app/gpu_world.hpp"
#include "app/incident.hpp"
#include "app/options.hpp"
#include "app/run_log.hpp"
#include "app/topology_checks.hpp"
#include "collectives/nccl/settings.hpp"
#include "control/incident.hpp"
#include "core/platform.hpp"
#include "core/target.hpp"
#include "device/cuda/setup.hpp"
#include "plan/plan.hpp"
#include "report/progress.hpp"

namespace fabricheck::app {

/// The plan's request as far as the options tell it.
plan::Request request_of(const RunOptions& options, std::vector<Target> targets);

/// A file of targets that a user named, "" of an empty name; and all targets, the built-in ones first. Throws
/// UsageError.
std::string targets_text(const RunOptions& options);
std::vector<Target> all_targets(const std::string& text, const RunOptions& options);

/// Puts into the log what the finished checks of GPUs say together: pairs that fell back, odd GPUs, ranks
/// of NCCL that differ, rails that interfere, matrices. `nvls`: NCCL was allowed to use it.
void add_gpu_results(RunLog& log, const ClusterTopology& topology, const Platform* platform, bool nvls);

/// What a record of this program begins with, however its ranks are made.
RunRecord begun_record(const std::vector<std::string>& command, const ClusterTopology& topology);

/// What is known before the first measurement.
struct Opening {
  const TopologyVerdicts& verdicts;
  const plan::TestPlan& plan;
  const ClusterTopology& topology;
  const std::vector<NotTested>& left_out;  ///< beside what the plan leaves out
  const collectives::nccl::LogCapture& nccl_log;
};
/// Puts it into the log.
void note_opening(RunLog& log, const Opening& opening);

/// Throws UsageError for a named type or reduction that nothing in the plan has.
void refuse_unknown_wish(const plan::TestPlan& plan, const plan::Request& request);

/// What was asked for and is not done so: types and reductions, and as INCONCLUSIVE a user's targets that
/// nothing is held against.
void note_wishes(RunLog& log, const plan::TestPlan& plan, const plan::Request& request,
                 std::span<const CheckRow> rows);

/// GPUs that are there and fail, as an ERROR each.
void note_failed_gpus(RunLog& log, const std::vector<RankGpu>& gpus, const ClusterTopology& topology);

/// How a run ends before its time: a finding, the check that was cut short, and the result with what there
/// is.
struct EarlyEnd {
  std::optional<RunRecord> record;  ///< as written; none: there was no log yet, or its disk does not answer
  int status{};
};
/// Says on standard error what happened. `log` may be nullptr.
EarlyEnd end_early(const control::Incident& incident, const IncidentFacts& facts, RunLog* log,
                   const std::string& out_directory);

/// Kept in a folder, or "". A disk that does not answer within `patience_s` ends the process with `status`.
std::optional<bool> put_nccl_log_away(const std::string& keep_in, int status, double patience_s);
/// Of an early end, which comes in any case.
inline constexpr double early_log_patience_s = 2.0;

/// Concludes the log. Throws Error when its disk does not answer.
RunRecord concluded(RunLog& log, const std::string& out_directory);

/// Where a report is printed, and what stands behind it.
struct Screen {
  bool is_terminal{};           ///< standard output
  const Baseline* baseline{};   ///< nullptr: none
  double log_patience_s{30.0};  ///< for NCCL's log, which goes to the same folder
};
/// Prints the report of `record`, puts NCCL's log beside it and says what was written. The status to end
/// with: the record's, or where standard output took not all of the report, that this is not what was asked
/// for.
int print_report(RunLog& log, const RunRecord& record, const std::string& out_directory,
                 const Screen& screen);

/// How progress is shown; `terminal`: standard error is one.
report::ProgressPrinter::Mode progress_mode(const RunOptions& options, bool terminal);

/// Ends the process where work on a GPU, or NCCL, did not end: CUDA's own end would wait for it.
void end_now_if_stuck(const std::vector<const cuda::Setup*>& gpus, int status);

/// What NCCL may take to let go of its communicators at the end.
inline constexpr std::int64_t nccl_end_ns = 5'000'000'000;

/// Waits for a slow disk this long.
inline constexpr std::chrono::seconds log_patience{5};

}  // namespace fabricheck::app
