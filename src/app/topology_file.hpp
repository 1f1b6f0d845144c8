// Topologies that a user names: by what the file holds, never by its name.
#pragma once

#include <string>
#include <string_view>

#include "core/topology_record.hpp"

namespace fabricheck::app {

/// The topology in a text of one of the known kinds; `file` names it. Throws UsageError "FILE:LINE: …".
ClusterTopology parse_topology_text(std::string_view text, const std::string& file);

/// The matrix of nvidia-smi topo -m in a part of a file that begins at `first_line`. Throws UsageError
/// "FILE:LINE: …".
ClusterTopology parse_matrix(std::string_view part, const std::string& file, int first_line);

/// The topology of a file, or of the folder that holds a result.
ClusterTopology load_topology(const std::string& file);

}  // namespace fabricheck::app
