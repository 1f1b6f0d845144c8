// What this build knows by name, beside its commands and options.
#pragma once

#include <string>
#include <vector>

namespace fabricheck::app {

/// Ids of all checks, from all rooms.
std::vector<std::string> known_check_ids();

/// Names and aliases of the built-in platforms.
std::vector<std::string> known_platforms();

}  // namespace fabricheck::app
