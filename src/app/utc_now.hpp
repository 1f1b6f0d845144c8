// The time of day, for the head of a result.
#pragma once

#include <string>

namespace fabricheck::app {

/// UTC, ISO 8601: "2026-01-31T12:00:00Z".
std::string utc_now();

}  // namespace fabricheck::app
