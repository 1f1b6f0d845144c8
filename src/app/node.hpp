// `fabricheck node`: one node, without MPI.
#pragma once

#include "app/options.hpp"

namespace fabricheck::app {

/// The command; its exit status. `argv` is this process's own, to start again without what a job's
/// environment made the dynamic linker load.
int check_node(const NodeOptions& options, char** argv);

}  // namespace fabricheck::app
