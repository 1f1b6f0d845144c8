// The checks that NCCL's collectives make.
#pragma once

#include <memory>
#include <vector>

#include "collectives/nccl/settings.hpp"
#include "core/check.hpp"

namespace fabricheck::collectives::nccl {

/// All rows; without NCCL in this build they have a reason. `settings` null: they are only listed.
std::vector<CheckRow> catalog(const std::shared_ptr<const Settings>& settings = nullptr);

}  // namespace fabricheck::collectives::nccl
