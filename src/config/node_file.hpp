// fabricheck.toml: how `fabricheck node` is set up on a site.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/node_config.hpp"

namespace fabricheck::config {

/// Unknown keys, wrong types and values out of range are UsageErrors "FILE:LINE:COLUMN: …". `check_ids` is
/// what `skip` may match, `counter_kinds` the keys of [counters_per_hour].
NodeConfig parse_node_config(std::string_view text, const std::string& file,
                             const std::vector<std::string>& check_ids,
                             const std::vector<std::string>& counter_kinds);
NodeConfig read_node_config(const std::string& file, const std::vector<std::string>& check_ids,
                            const std::vector<std::string>& counter_kinds);

}  // namespace fabricheck::config
