// The stand-in GPU of a rank, whose memory nobody but devices can touch.
#pragma once

#include <memory>
#include <utility>

#include "pairs_over_stub.hpp"
#include "support/cuda/host_device.hpp"

namespace fabricheck::verbs {

inline std::shared_ptr<cuda::Setup> a_gpu(std::shared_ptr<test::HostGpuFaults> faults = nullptr,
                                          std::shared_ptr<test::HostAccount> account = nullptr,
                                          bool exports_dmabuf = true) {
  test::HostGpu one;
  one.is_hidden = true;
  one.facts.dmabuf = exports_dmabuf;
  auto gpu = std::make_shared<cuda::Setup>();
  gpu->runtime = test::make_host_runtime({one}, std::move(faults), std::move(account));
  gpu->device = gpu->runtime->open(0);
  return gpu;
}

}  // namespace fabricheck::verbs
