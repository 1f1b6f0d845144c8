// The host this process is on, asked by every room that knows a part of it.
#pragma once

#include "core/topology_record.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {

/// topology::probe_host() with what only verbs tells of the ports. Asks NVML in a child: call it before
/// MPI_Init.
Host probe_this_host(const topology::ProbeOptions& options);

/// The GPUs this process was given and that answer, as indices into Host::gpus: local rank i drives the i-th.
std::vector<std::size_t> usable_gpus(const Host& host);

}  // namespace fabricheck::app
