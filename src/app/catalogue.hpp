// Every check of this build: the one place where the rooms' rows come together.
#pragma once

#include <memory>
#include <vector>

#include "collectives/nccl/settings.hpp"
#include "core/check.hpp"
#include "device/cuda/setup.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "node/gpu/settings.hpp"

namespace fabricheck::app {

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
