// One repeat of a check: the operation is made, sampled and its samples are kept.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "app/executor.hpp"
#include "control/agreement.hpp"
#include "core/error.hpp"
#include "core/sampler.hpp"

namespace fabricheck::app {
namespace {

/// The first repeats together give all the samples that are wanted; those after the first look are there
/// because more are needed, and take what their share of the budget gives. Beyond the planned end it is more
/// repeats that are needed, not longer ones.
bool takes_all(const plan::PlannedCheck& check, int repeats_done, int planned) {
  return plan::is_judged(check) && repeats_done >= min_repeats && repeats_done < planned;
}

}  // namespace

std::unique_ptr<Operation> Executor::make_operation(const plan::PlannedCheck& check, const Party& party,
                                                    const std::vector<double>& compute_us) {
  const auto group = static_cast<std::size_t>(party.index);
  if (!check.row->computes_for.empty() && compute_us[group] <= 0.0)
    throw Unavailable(fmt::format("{} was not measured here, so it is not known how long to compute",
                                  check.row->computes_for));
  OperationRequest request;
  request.world_ranks = check.groups[group];
  request.bytes = check.bytes;
  request.variant = check.variant;
  request.compute_us = compute_us[group];
  request.world_rank = world_.world->rank();
  request.host = world_.host;
  request.memory_limit_bytes = memory_share();
  std::unique_ptr<Operation> operation = check.row->make(request);
  if (world_.hooks->wrap)
    operation = world_.hooks->wrap(std::move(operation), check.row->id, request.world_rank);
  return operation;
}

SamplingPlan Executor::sampling_of(const plan::PlannedCheck& check, const Ongoing& ongoing) const {
  const bool is_gate = plan::is_judged(check);
  const auto share = [&](std::uint64_t whole) {
    const auto over = static_cast<std::uint64_t>(is_gate ? min_repeats : check.repeats);
    return (whole + over - 1) / over;
  };
  SamplingPlan sampling;
  sampling.budget_ns = check.budget_ns / ongoing.planned;
  if (is_gate)
    sampling.min_samples =
        std::max(sampling.min_samples,
                 samples_of_each(ongoing.samples.values_us.size(), ongoing.repeats_done, ongoing.repeats));
  sampling.wanted_samples = share(check.wanted_samples);
  sampling.barrier_samples =
      takes_all(check, ongoing.repeats_done, ongoing.planned) ? 0 : share(check.barrier_samples);
  sampling.bytes = check.bytes;
  sampling.first_iteration = ongoing.next_iteration;
  sampling.verify_repeat = ongoing.repeats_done == 0 ? world_.verify_repeat : 0;
  return sampling;
}

SamplingWorld Executor::sampling_world(Party& party) const {
  SamplingWorld world;
  world.group = party.group.get();
  world.everyone = party.everyone ? party.everyone.get() : party.group.get();
  world.clock = world_.clock;
  world.synchroniser = party.clock.get();
  world.progress = world_.progress;
  world.world_rank = world_.world->rank();
  world.host = world_.host;
  world.yield = world_.yield;
  return world;
}

void Executor::keep(const plan::PlannedCheck& check, Ongoing& ongoing, const SampleSet& samples) {
  if (world_.log) {
    verification_us_ += samples.verification_us;
    measuring_us_ += samples.measuring_us;
  }
  if (ongoing.has_other_size) {
    ++ongoing.other_size;
  } else if (check.repeats > 1) {
    ongoing.samples.append(samples);
  } else {
    ongoing.samples = samples;
  }
}

std::vector<CheckRecord> Executor::measure(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party,
                                           const Sample& sample, const std::vector<double>& compute_us) {
  const SamplingPlan sampling = sampling_of(check, ongoing);
  const bool may_stop = !takes_all(check, ongoing.repeats_done, ongoing.planned) || ongoing.has_verdict;
  const auto enough = [&](const SampleSet& samples) {
    return may_stop && samples.values_us.size() >= sampling.wanted_samples;
  };
  const SamplingResult result = sample(sampling, sampling_world(party), enough);
  ongoing.next_iteration = result.next_iteration;
  const bool is_root = party.group->rank() == 0;
  if (result.error || result.mismatch) {
    ongoing.broken = true;
    return is_root ? stopped_records(check, party.index, result) : std::vector<CheckRecord>{};
  }
  if (!is_root) return {};
  keep(check, ongoing, result.samples);
  return judged_so_far(check, ongoing, party.index, compute_us);
}

std::vector<CheckRecord> Executor::repeat(const plan::PlannedCheck& check, Ongoing& ongoing, Party& party) {
  std::unique_ptr<Operation> operation;
  const auto failed = control::together(*world_.world, world_.host, [&] {
    if (party.group) operation = make_operation(check, party, ongoing.compute_us);
  });
  if (failed) {
    ongoing.broken = true;
    return world_.log ? std::vector<CheckRecord>{failed_record(check, 0, *failed)}
                      : std::vector<CheckRecord>{};
  }
  if (ongoing.repeats_done == 0) ongoing.target = target_for(check);
  if (!operation) return {};
  return measure(
      check, ongoing, party,
      [&](const SamplingPlan& plan, const SamplingWorld& world, const EnoughSamples& enough) {
        return run_sampler(*operation, plan, world, enough);
      },
      ongoing.compute_us);
}

std::vector<CheckRecord> Executor::repeat_timed(const plan::PlannedCheck& check, Ongoing& ongoing,
                                                Party& party) {
  if (!party.group || ongoing.broken) return {};
  std::unique_ptr<TimedOperation> operation;
  const auto failed = control::together(
      *party.group, world_.host,
      [&] {
        TimedRequest request;
        request.group = party.group.get();
        request.world_ranks = check.groups[static_cast<std::size_t>(party.index)];
        request.clock = world_.clock;
        request.bytes = check.bytes;
        request.variant = check.variant;
        request.memory_limit_bytes = memory_share();
        request.world_rank = world_.world->rank();
        request.host = world_.host;
        request.yield = world_.yield;
        operation = check.row->make_timed(request);
        if (world_.hooks->wrap_timed)
          operation = world_.hooks->wrap_timed(std::move(operation), check.row->id, request.world_rank);
      },
      world_.world->rank());
  const bool root = party.group->rank() == 0;
  std::vector<CheckRecord> records;
  if (failed) {
    ongoing.broken = true;
    if (root) records.push_back(failed_record(check, static_cast<std::size_t>(party.index), *failed));
  } else {
    if (ongoing.repeats_done == 0) ongoing.target = target_for(check);
    records = measure(
        check, ongoing, party,
        [&](const SamplingPlan& plan, const SamplingWorld& world, const EnoughSamples& enough) {
          SamplingResult result = run_timed_sampler(*operation, plan, world, enough);
          // Afterwards: what a library did is known only then.
          if (root) note_path(ongoing, operation->path());
          return result;
        },
        ongoing.compute_us);
  }
  return records;
}

}  // namespace fabricheck::app
