// Two ranks as threads, each with an endpoint over the stand-in.
#pragma once

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "core/error.hpp"
#include "core/thread_communicator.hpp"
#include "core/timed_sampler.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "support/cuda/host_device.hpp"
#include "support/sampling.hpp"
#include "support/verbs/stub_provider.hpp"

namespace fabricheck::verbs {

using PairSetup = Setup;  ///< in a test's body Setup is GoogleTest's
using MakePair = std::function<std::unique_ptr<TimedOperation>(const Setup&, const TimedRequest&)>;

inline Setup stub_setup(int rank, test::StubFaults* faults, std::chrono::nanoseconds patience) {
  test::StubDevice device;
  device.faults = faults;
  device.memory_view = test::device_view;
  Setup setup;
  setup.port.device = test::make_stub_device(device);
  setup.port.place = {"h" + std::to_string(rank), "stub0", test::stub_port(rank + 1)};
  setup.depth = 8;
  setup.patience = patience;
  return setup;
}

struct PairRun {
  std::vector<SamplingResult> results{2};
  std::vector<std::string> thrown{2};  ///< by the making of the operation
  std::array<bool, 2> unavailable{};   ///< that was Unavailable
  std::map<std::string, Parameter> path;
};

/// Measures `wanted` samples. `faults` are those of rank 0's device and of rank 1's.
inline PairRun measure_pair(const MakePair& make, std::uint64_t bytes, std::uint64_t wanted = 200,
                            std::array<test::StubFaults*, 2> faults = {},
                            std::chrono::nanoseconds patience = std::chrono::seconds(20),
                            const std::function<void(Setup&, int)>& change = {}) {
  PairRun run;
  run_ranks(2, [&](Communicator& world) {
    const auto rank = static_cast<std::size_t>(world.rank());
    const SteadyClock clock;
    Progress progress;
    Setup setup = stub_setup(world.rank(), faults[rank], patience);
    if (change) change(setup, world.rank());
    TimedRequest request;
    request.group = &world;
    request.clock = &clock;
    request.bytes = bytes;
    request.world_rank = world.rank();
    request.host = setup.port.place.host;
    request.yield = true;
    std::unique_ptr<TimedOperation> operation;
    try {
      operation = make(setup, request);
    } catch (const std::exception& error) {
      run.thrown[rank] = error.what();
      run.unavailable.at(rank) = dynamic_cast<const Unavailable*>(&error) != nullptr;
    }
    if (!operation) return;
    if (rank == 0) run.path = operation->path();
    SamplingPlan plan;
    plan.budget_ns = 20'000'000'000;
    plan.wanted_samples = wanted;
    plan.bytes = bytes;
    const SamplingWorld sampling = test::sampling_world(world, clock, progress, request.host);
    run.results[rank] = run_timed_sampler(*operation, plan, sampling, test::at_least(wanted));
    world.barrier();
  });
  return run;
}

}  // namespace fabricheck::verbs
