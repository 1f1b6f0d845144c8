// Who takes part in a sampling, for tests whose group is their whole world.
#pragma once

#include <string>

#include "core/sampler.hpp"

namespace fabricheck::test {

inline SamplingWorld sampling_world(Communicator& group, const Clock& clock, Progress& progress,
                                    const std::string& host, int first_rank = 0) {
  SamplingWorld world;
  world.group = world.everyone = &group;
  world.clock = &clock;
  world.progress = &progress;
  world.world_rank = first_rank + group.rank();
  world.host = host;
  return world;
}

inline EnoughSamples at_least(std::uint64_t wanted) {
  return [wanted](const SampleSet& samples) { return samples.values_us.size() >= wanted; };
}

}  // namespace fabricheck::test
