// The host this process is on, asked by every room that knows a part of it.
#pragma once

#include "core/topology_record.hpp"
#include "topology/probe/probe.hpp"

namespace fabricheck::app {

/// topology::probe_host() with what only verbs tells of the ports. Asks NVML in a child: call it before
/// MPI_Init.
Host probe_this_host(const topology::ProbeOptions& options);

/// The GPUs this process was given and that answer, as indices into Host::gpus.
std::vector<std::size_t> usable_gpus(const Host& host);

/// Those that `local_ranks` ranks drive, the i-th by local rank i: of the usable ones those that
/// `visible`, the text of CUDA_VISIBLE_DEVICES, names, if it is set and can be read. Where these are too few,
/// all that this process was given: a rank whose GPU does not answer has to say so.
std::vector<std::size_t> driven_gpus(const Host& host, int local_ranks,
                                     const std::optional<std::string>& visible);

}  // namespace fabricheck::app
