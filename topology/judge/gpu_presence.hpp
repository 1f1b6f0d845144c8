// Whether a GPU is there, as every judgement of GPUs asks it.
#pragma once

#include <algorithm>

#include "core/topology_record.hpp"

namespace fabricheck::topology {

inline bool answers(const Gpu& gpu) { return gpu.status == "answers"; }

/// NVML failed in a way that says nothing of the GPU: it is neither well nor broken.
inline bool is_not_known(const Gpu& gpu) { return gpu.status == "state not known"; }

inline bool was_not_reached(const Gpu& gpu) { return gpu.problem.starts_with("not reached"); }

/// NVML was stopped at another GPU of the host, so that nobody asked this one. Where it cannot be told at
/// which, all are silent.
inline bool is_behind_another(const Host& host, const Gpu& gpu) {
  return was_not_reached(gpu) && std::any_of(host.gpus.begin(), host.gpus.end(), [](const Gpu& one) {
           return one.status == "not answering" && !was_not_reached(one);
         });
}

}  // namespace fabricheck::topology
