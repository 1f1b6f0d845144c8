// The whole program behind main(): parse, dispatch, exit status.
#pragma once

#include "app/executor.hpp"

namespace fabricheck::app {

/// Never throws: what goes wrong is one sentence on standard error and an exit status.
int program(int argc, char** argv, const Hooks& hooks);

}  // namespace fabricheck::app
