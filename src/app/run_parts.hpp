// What a run does alike with ranks of MPI's and with threads of one process.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "app/gpu_world.hpp"
#include "app/incident.hpp"
#include "app/options.hpp"
#include "app/run_log.hpp"
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

/// What takes long is told beforehand, and is an estimate.
void note_estimates(RunLog& log, const plan::TestPlan& plan, const ClusterTopology& topology);

/// Everything the plan leaves out.
void note_left_out(RunLog& log, const plan::TestPlan& plan, const std::vector<NotTested>& others);

/// Throws UsageError for a named type or reduction that nothing in the plan has.
void refuse_unknown_wish(const plan::TestPlan& plan, const plan::Request& request);

/// What was asked for and is not done so: types and reductions, and as INCONCLUSIVE a user's targets that
/// nothing is held against.
void note_wishes(RunLog& log, const plan::TestPlan& plan, const plan::Request& request,
                 std::span<const CheckRow> rows);

/// GPUs that are there and fail, as an ERROR each.
void note_failed_gpus(RunLog& log, const std::vector<RankGpu>& gpus, const ClusterTopology& topology);

/// `status`, or where standard output took not all of the report, that this is not what was asked for.
int status_of_screen(int status);

/// Where NCCL is measured: what will not be known of it, and on standard error which of the user's own
/// variables are not followed.
void note_nccl_log(RunLog& log, const plan::TestPlan& plan, const collectives::nccl::LogCapture& capture);

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

/// How progress is shown; `terminal`: standard error is one.
report::ProgressPrinter::Mode progress_mode(const RunOptions& options, bool terminal);

/// Ends the process where work on a GPU, or NCCL, did not end: CUDA's own end would wait for it.
void end_now_if_stuck(const std::vector<const cuda::Setup*>& gpus, int status);

/// Waits for a slow disk this long.
inline constexpr std::chrono::seconds log_patience{5};

}  // namespace fabricheck::app
