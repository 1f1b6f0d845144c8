// How much memory a host can still give.
#pragma once

#include <cstdint>
#include <string>

namespace fabricheck::app {

/// Bytes that this process and its siblings may still take: four fifths of MemAvailable or of what its
/// control group (v2) leaves, whichever is less. 0: not known. `root` is "/" or the folder of a recorded
/// machine.
std::uint64_t memory_left_bytes(const std::string& root);

}  // namespace fabricheck::app
