// Reading small files of the kernel (sysfs, procfs) below a root folder, without ever throwing or blocking.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/model/text.hpp"

namespace fabricheck::topology {

/// The first `limit_bytes` of a regular file, without white space at both ends; else nothing, with the reason
/// in `why`.
std::optional<std::string> read_text(const std::filesystem::path& file, std::string& why,
                                     std::size_t limit_bytes = 65536);

/// The same without cutting white space: for binary files such as a PCI function's `config`.
std::optional<std::string> read_bytes(const std::filesystem::path& file, std::string& why,
                                      std::size_t limit_bytes = 65536);

/// As read_text() for files that may well be absent.
std::optional<std::string> read_text(const std::filesystem::path& file);

/// The names in a folder in natural order; nothing, with the reason in `why`, when it cannot be read.
std::optional<std::vector<std::string>> folder_entries(const std::filesystem::path& folder, std::string& why);

/// The lines of a text without their ends.
std::vector<std::string_view> lines_of(std::string_view text);

/// The words of a line, which spaces and tabs part.
std::vector<std::string_view> words_of(std::string_view line);

/// Where a link points to, as it stands there; empty when it is none.
std::string link_target(const std::filesystem::path& link);

/// The file as a number that is not negative, as in `numa_node`, where -1 is "not known".
std::optional<int> read_index(const std::filesystem::path& file);

}  // namespace fabricheck::topology
