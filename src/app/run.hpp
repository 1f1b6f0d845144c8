// The main job: `fabricheck run` as one rank of a world.
#pragma once

#include <string>
#include <vector>

#include "app/executor.hpp"
#include "app/options.hpp"

namespace fabricheck::app {

/// Runs as a rank; returns the exit status (non-zero on rank 0 only, but for a wrong launch that has no rank
/// 0). `command` is argv as given.
int run(const RunOptions& options, const std::vector<std::string>& command, int argc, char** argv,
        const Hooks& hooks);

}  // namespace fabricheck::app
