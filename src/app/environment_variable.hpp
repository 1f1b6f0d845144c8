// Variables of this process.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace fabricheck::app {

/// A variable of this process, as whoever looks variables up for a run wants it.
inline std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value ? std::optional<std::string>(value) : std::nullopt;
}

}  // namespace fabricheck::app
