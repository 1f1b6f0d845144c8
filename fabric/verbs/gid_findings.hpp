// What it means that a pair has to use a GID that it should not: the one table of the slugs in GidChoice.
#pragma once

#include <optional>
#include <string>

#include "core/finding.hpp"

namespace fabricheck::verbs {

/// The finding of a slug of GidChoice on a path of two ports, which cannot tell whose fault it is; nothing
/// for another slug. `evidence` says which GID, and why it had to be that one.
std::optional<Finding> gid_finding(const std::string& slug, const Component& path,
                                   const std::string& evidence);

}  // namespace fabricheck::verbs
