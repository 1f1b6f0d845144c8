// The port and the GPU that this rank measures with, and what every rank has.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/catalogue.hpp"
#include "app/executor.hpp"
#include "app/gpu_world.hpp"
#include "app/options.hpp"
#include "app/places.hpp"
#include "app/verbs_world.hpp"
#include "control/agreement.hpp"

namespace fabricheck::app {

struct RankDevices {
  std::shared_ptr<verbs::Setup> port;
  std::shared_ptr<cuda::Setup> gpu;  ///< null where no check needs one
  std::shared_ptr<node::gpu::Settings> gpu_settings;
  std::shared_ptr<collectives::nccl::Settings> nccl;
  collectives::nccl::LogCapture nccl_log;
  std::vector<RankPort> ports;  ///< of every rank
  std::vector<RankGpu> gpus;    ///< of every rank; empty where no check needs one

  Backends backends() const { return {port, gpu, gpu_settings, nccl}; }
};

/// Whether any check that was asked for runs on a GPU and could in this build.
bool needs_gpus(const RunOptions& options);

/// Work on a GPU is given up well before the watchdog calls its rank hung, so that the run goes on.
std::int64_t gpu_deadline_ns(const RunOptions& options);

/// Collective over `world`. Each rank needs its host's GPUs, NUMA nodes and NICs, but only the leaders have
/// `probed`. Which GPU and CPUs each rank is next to goes into `places`.
std::optional<control::AgreedError> open_devices(Communicator& world, const std::string& host_name,
                                                 const std::optional<Host>& probed, const RunOptions& options,
                                                 const Hooks& hooks, Places& places, RankDevices& devices);

}  // namespace fabricheck::app
