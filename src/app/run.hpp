// The main job: `fabricheck run` as one rank of a world.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/executor.hpp"
#include "app/options.hpp"
#include "collectives/nccl/settings.hpp"
#include "device/cuda/setup.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "node/gpu/settings.hpp"

namespace fabricheck::app {

/// Runs as a rank; returns the exit status (non-zero on rank 0 only, but for a wrong launch that has no rank
/// 0). `command` is argv as given.
int run(const RunOptions& options, const std::vector<std::string>& command, int argc, char** argv,
        const Hooks& hooks);

/// What rows need to make their operations; null: they are only listed.
struct Backends {
  std::shared_ptr<const verbs::Setup> verbs;  ///< this rank's port
  std::shared_ptr<const cuda::Setup> gpu;     ///< this rank's GPU
  std::shared_ptr<const node::gpu::Settings> gpu_settings;
  std::shared_ptr<const collectives::nccl::Settings> nccl;
};

/// Every check of this build, from all rooms.
std::vector<CheckRow> catalogue(const Backends& backends = {});

}  // namespace fabricheck::app
