// The checks of one GPU alone: memory, the way to the host, matrix rate.
#pragma once

#include <memory>
#include <vector>

#include "core/check.hpp"
#include "device/cuda/setup.hpp"
#include "node/gpu/settings.hpp"

namespace fabricheck::node::gpu {

/// What is measured with, and how; without them the rows can be listed and planned.
std::vector<CheckRow> catalog(const std::shared_ptr<const cuda::Setup>& setup = nullptr,
                              const std::shared_ptr<const Settings>& settings = nullptr);

}  // namespace fabricheck::node::gpu
