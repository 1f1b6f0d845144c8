// How readers refuse a file: one sentence with file and line.
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>

#include "core/error.hpp"
#include "topology/readers/fields.hpp"
#include "topology/readers/readers.hpp"

namespace fabricheck::topology {

/// More PCI functions, NICs or NUMA nodes than any host has; it bounds the time that a file can take.
inline constexpr std::size_t kMostDevices = 4096;

/// Line 0: what is wrong is not at one line.
[[noreturn]] inline void refuse(const std::string& file, int line, const std::string& sentence) {
  if (line <= 0) throw UsageError(fmt::format("{}: {}", file, sentence));
  throw UsageError(fmt::format("{}:{}: {}", file, line, sentence));
}

inline void check_size(std::string_view text, const std::string& file) {
  if (text.size() > kLargestTopologyFile)
    refuse(file, 0,
           fmt::format("has {} MiB; a topology file has at most {} MiB", text.size() >> 20,
                       kLargestTopologyFile >> 20));
  if (text.find_first_not_of(" \t\r\n") == std::string_view::npos) refuse(file, 0, "is empty");
}

/// For readers of plain text; expat reads UTF-16 by itself.
inline void check_text(std::string_view text, const std::string& file) {
  check_size(text, file);
  if (is_utf16(text))
    refuse(file, 0, "is UTF-16; convert it with iconv -f UTF-16 -t UTF-8 and give the result");
}

}  // namespace fabricheck::topology
