// The state of a node as JSON: what one visit leaves for the next.
#pragma once

#include <string>
#include <string_view>

#include "core/node_state.hpp"

namespace fabricheck::report {

std::string node_state_to_json(const NodeState& state);

/// Throws Error naming `source` when the text is no state of a version that this program knows.
NodeState node_state_from_json(std::string_view text, std::string_view source);

}  // namespace fabricheck::report
