// Which build this is: ranks of different builds must not be compared.
#pragma once

#include <string>

#include "core/run_record.hpp"

namespace fabricheck::app {

/// Version, git revision and the linker's build id.
std::string build_identity();
ToolInfo tool_info();

}  // namespace fabricheck::app
