// The loop that measures what times itself: batches, votes in between.
#pragma once

#include "core/sampler.hpp"
#include "core/timed_operation.hpp"

namespace fabricheck {

/// Runs `operation` until `enough`, the budget or max_samples ends it. world.group votes alone:
/// another group's failure is not its own. A sample is the largest of its ranks' times of an iteration, so of
/// an operation that only one of them times, that one's. Nothing is dropped.
SamplingResult run_timed_sampler(TimedOperation& operation, const SamplingPlan& plan,
                                 const SamplingWorld& world, const EnoughSamples& enough);

}  // namespace fabricheck
