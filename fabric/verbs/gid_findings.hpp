// What it means that a pair has to use a GID that it should not: the one table of the slugs in GidChoice.
#pragma once

#include <optional>
#include <string>

#include "core/finding.hpp"
#include "fabric/verbs/gid_choice.hpp"

namespace fabricheck::verbs {

/// Nothing for a choice without a slug. `device` is the NIC that made the choice.
std::optional<Finding> gid_finding(const GidChoice& choice, const std::string& device,
                                   const std::string& host, const std::string& check_id);

}  // namespace fabricheck::verbs
