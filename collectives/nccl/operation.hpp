// One collective of NCCL's, measured by the GPU's events. Private to this folder; no header of NCCL's.
#pragma once

#include <memory>

#include "collectives/nccl/rows.hpp"
#include "collectives/nccl/settings.hpp"
#include "core/timed_operation.hpp"

namespace fabricheck::collectives::nccl {

/// Collective over request.group. Where GPU memory does not suffice on some rank all take half as much, and
/// again, and path() says so; Unavailable where nothing fits or no exact input exists.
std::unique_ptr<TimedOperation> make_operation(const Row& row,
                                               const std::shared_ptr<const Settings>& settings,
                                               const TimedRequest& request);

}  // namespace fabricheck::collectives::nccl
