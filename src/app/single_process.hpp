// The GPUs of this node in one process, a thread for each, without MPI.
#pragma once

#include <string>
#include <vector>

#include "app/executor.hpp"
#include "app/options.hpp"

namespace fabricheck::app {

/// `run --single-process`: every check of GPUs, over as many ranks as this host has GPUs. Returns the exit
/// status. Throws UsageError, and Error where there is no GPU.
int run_single_process(const RunOptions& options, const std::vector<std::string>& command,
                       const Hooks& hooks);

}  // namespace fabricheck::app
