// Slurm's way to write many host names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology {

/// The names of "login,rack[0-1]n[01-03,7]". Nothing where the brackets are wrong or there are more than
/// `most` names.
std::optional<std::vector<std::string>> expand_hosts(std::string_view list, std::size_t most);

}  // namespace fabricheck::topology
