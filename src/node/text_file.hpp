// Small files below a root folder. Private to this folder.
#pragma once

#include <optional>
#include <string>

namespace fabricheck::node {

/// The first `limit_bytes` of a regular file; else nothing, with the reason in `why`. Never blocks on a pipe.
std::optional<std::string> read_below(const std::string& sysroot, const std::string& file, std::string& why,
                                      std::size_t limit_bytes = 65536);

/// The same as a number.
std::optional<double> number_below(const std::string& sysroot, const std::string& file);

}  // namespace fabricheck::node
