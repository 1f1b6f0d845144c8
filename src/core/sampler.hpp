// The one loop that measures: common starts, batches, votes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/communicator.hpp"
#include "core/judge.hpp"
#include "core/operation.hpp"
#include "core/progress.hpp"

namespace fabricheck {

/// Makes the ranks of one group agree on a time. Collective over that group.
class ClockSynchroniser {
 public:
  virtual ~ClockSynchroniser() = default;
  virtual CommonClock synchronise() = 0;
};

/// One clock for all: a single host, or threads of one process.
class SharedClock final : public ClockSynchroniser {
 public:
  CommonClock synchronise() override { return {}; }
};

struct SamplingPlan {
  std::int64_t budget_ns{};      ///< of this check, from its first batch
  std::uint64_t min_samples{3};  ///< taken even when the budget is spent
  std::uint64_t wanted_samples{1000};
  std::uint64_t max_samples{200000};
  std::uint64_t barrier_samples{0};  ///< iterations with a barrier start afterwards, for the OSU figure
  std::uint64_t bytes{};             ///< sets how often results are verified
  std::uint64_t first_iteration{};   ///< so that a repeat goes on with new inputs
  std::uint64_t verify_repeat{0};  ///< untimed, verified iterations afterwards: the hunt for rare corruption
};

/// Asked at the root of each group after each batch: is what there is enough?
using EnoughSamples = std::function<bool(const SampleSet&)>;

/// Who takes part. `group` measures together; `everyone` are all groups that measure at the same time and
/// vote together.
struct SamplingWorld {
  Communicator* group{};
  Communicator* everyone{};
  const Clock* clock{};
  ClockSynchroniser* synchroniser{};
  Progress* progress{};
  int world_rank{};
  std::string host;
  bool yield{};  ///< more ranks than cores: give the core away while waiting
};

struct SamplingResult {
  SampleSet samples;               ///< at the root (rank 0) of each group; one repeat
  int culprit{-1};                 ///< rank of `everyone` that error or mismatch is of
  std::uint64_t next_iteration{};  ///< where the next repeat goes on
  /// The same text on every rank of `everyone` when some rank could not go on ("rank 2 on h7: …").
  std::optional<std::string> error;
  /// A wrong element somewhere; the text names rank, host, iteration, index, expected and got.
  std::optional<std::string> mismatch;
};

/// Thrown by execute(): the ranks can no longer be kept in step. Carries check-independent words only.
class OutOfStep : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Runs `operation` until `enough`, the budget or max_samples ends it. All ranks of world.everyone make the
/// same calls, whatever happens locally; an exception of prepare() or verify() is carried to the vote. An
/// exception of execute() leaves the others inside their collective and is thrown on as OutOfStep: only
/// ending the job can release them.
SamplingResult run_sampler(Operation& operation, const SamplingPlan& plan, const SamplingWorld& world,
                           const EnoughSamples& enough);

/// The sampler's own cost: the median of an empty operation measured like any other, nanoseconds.
double sampling_overhead_p50_ns(const Clock& clock);

}  // namespace fabricheck
