// How one visit of a node is set up: its configuration file and its budget.
#pragma once

#include <chrono>

#include "app/options.hpp"
#include "core/node_config.hpp"

namespace fabricheck::app {

/// Where neither the command line nor the configuration tells one. One figure for all that Slurm starts: what
/// PrologEpilogTimeout has to leave room for.
std::chrono::nanoseconds default_budget(node::Profile profile);

/// What the configuration file and the options say together. Throws UsageError, also for a file that root
/// should not believe.
NodeConfig node_configuration(const NodeOptions& options);

}  // namespace fabricheck::app
