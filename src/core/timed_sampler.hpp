// The loop that measures pairs: batches that the initiator times, votes in between.
#pragma once

#include "core/sampler.hpp"
#include "core/timed_operation.hpp"

namespace fabricheck {

/// Runs `operation` until `enough`, the budget or max_samples ends it. The pair is world.group, and it votes
/// alone: another pair's failure is not its own. A sample is the larger of both ranks' times of an iteration,
/// so of an operation that only one of them times, that one's. Nothing is dropped.
SamplingResult run_timed_sampler(TimedOperation& operation, const SamplingPlan& plan,
                                 const SamplingWorld& world, const EnoughSamples& enough);

}  // namespace fabricheck
