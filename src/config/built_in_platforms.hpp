// The texts of topology/platforms/*.toml; written by CMake. Private to src/config.
#pragma once

#include <span>

namespace fabricheck::embedded {

struct PlatformText {
  const char* name;
  const char* text;
};
std::span<const PlatformText> platform_texts();

}  // namespace fabricheck::embedded
