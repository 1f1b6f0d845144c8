// Many host names in few words.
#pragma once

#include <string>
#include <vector>

namespace fabricheck::topology {

/// "node[1-8]", "node[01-03,07]", "login, node[1-2]". The names come back in natural order.
std::string fold_names(std::vector<std::string> names);

}  // namespace fabricheck::topology
