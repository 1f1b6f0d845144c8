// Measures an operation that times itself, over the stand-in GPU, as a run does.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/progress.hpp"
#include "core/statistics.hpp"
#include "core/thread_communicator.hpp"
#include "core/timed_sampler.hpp"
#include "device/cuda/setup.hpp"
#include "support/cuda/host_device.hpp"
#include "support/sampling.hpp"

namespace fabricheck::test {

/// What came of it at rank 0; what was thrown by the making of the operation on each rank.
struct TimedRun {
  SamplingResult result;
  std::map<std::string, Parameter> path;
  std::vector<std::string> thrown;
  bool unavailable{};

  /// The median as a rate.
  double rate(double rate_times_us) const {
    const auto median = describe(result.samples.values_us).median;
    return median ? rate_times_us / *median : 0.0;
  }
  std::string text(const std::string& name) const {
    const auto found = path.find(name);
    const std::string* words = found == path.end() ? nullptr : std::get_if<std::string>(&found->second);
    return words ? *words : std::string();
  }
  double number(const std::string& name) const {
    const auto found = path.find(name);
    if (found == path.end()) return -1.0;
    if (const auto* whole = std::get_if<std::int64_t>(&found->second)) return static_cast<double>(*whole);
    const double* value = std::get_if<double>(&found->second);
    return value ? *value : -1.0;
  }
};

using MakeTimed = std::function<std::unique_ptr<TimedOperation>(const TimedRequest&)>;

struct TimedRunOptions {
  int ranks{1};
  std::uint64_t bytes{};
  std::uint64_t wanted{20};
  const Clock* clock{};  ///< of one rank; null: the real one
  std::uint64_t memory_limit_bytes{};
};

inline TimedRun timed_run(const TimedRunOptions& options, const MakeTimed& make) {
  TimedRun run;
  run.thrown.resize(static_cast<std::size_t>(options.ranks));
  run_ranks(options.ranks, [&](Communicator& world) {
    const SteadyClock real;
    const Clock& clock = options.clock ? *options.clock : real;
    Progress progress;
    TimedRequest request;
    request.group = &world;
    request.clock = &clock;
    request.bytes = options.bytes;
    request.world_rank = world.rank();
    request.host = "n3";
    request.memory_limit_bytes = options.memory_limit_bytes;
    std::unique_ptr<TimedOperation> operation;
    try {
      operation = make(request);
    } catch (const std::exception& error) {
      run.thrown[static_cast<std::size_t>(world.rank())] = error.what();
      if (world.rank() == 0) run.unavailable = dynamic_cast<const Unavailable*>(&error) != nullptr;
      return;
    }
    SamplingPlan plan;
    plan.budget_ns = 20'000'000'000;
    plan.bytes = options.bytes;
    plan.max_samples = options.wanted;
    const SamplingWorld sampling = sampling_world(world, clock, progress, request.host);
    SamplingResult result = run_timed_sampler(*operation, plan, sampling, at_least(options.wanted));
    if (world.rank() == 0) {
      run.result = std::move(result);
      run.path = operation->path();
    }
    world.barrier();
  });
  return run;
}

/// A slow GPU, so that what an operation costs beside its bytes is little.
inline HostGpu slow_gpu(const std::string& pci_address = "0000:5d:00.0") {
  HostGpu gpu;
  gpu.facts.pci_address = pci_address;
  gpu.hbm_GBps = 30.0;
  gpu.peer_GBps = 3.9;
  gpu.host_GBps = 0.52;
  return gpu;
}

/// One rank's setup over GPU `ordinal` of `runtime`.
inline std::shared_ptr<cuda::Setup> host_setup(const std::shared_ptr<cuda::Runtime>& runtime, int ordinal) {
  auto setup = std::make_shared<cuda::Setup>();
  setup->runtime = runtime;
  setup->device = runtime->open(ordinal);
  return setup;
}

/// Nothing of the GPU was kept.
inline bool is_all_given_back(const HostAccount& account) {
  return account.allocated_bytes == 0 && account.pinned_bytes == 0 && account.streams == 0 &&
         account.events == 0 && account.graphs == 0;
}

}  // namespace fabricheck::test
