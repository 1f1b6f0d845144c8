// What every fuzz target has in common. Whatever the bytes are, a reader returns or throws Error: anything
// else ends the program, and libFuzzer keeps the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace fabricheck::fuzz {

template <class Allowed = Error, class Work>
int run(const std::uint8_t* data, std::size_t size, const Work& work) {
  try {
    work(std::string_view(reinterpret_cast<const char*>(data), size));
  } catch (const Allowed&) {
    return 0;
  }
  return 0;
}

/// For what must hold beyond not crashing.
inline void demand(bool condition) {
  if (!condition) __builtin_trap();
}

}  // namespace fabricheck::fuzz
