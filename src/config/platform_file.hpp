// Platforms in TOML, and those that come with the program (topology/platforms/*.toml).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/platform.hpp"

namespace fabricheck::config {

/// One platform: name, aliases, gpu_names, gpu_pci_ids ("10de:2330") · `[expected]` gpus, nvlinks_per_gpu,
/// nvlink_islands, nvswitches, gpu_pcie_width, gpu_pcie_speed ("32 GT/s") · `[[variant]]` products (of the
/// name and the aliases), gpus, nics (tables of count, rate, link_layer) · `[sources]` ID = { name, url } ·
/// `[figures]` "KEY" = list of { value, unit, kind, source (an ID), conditions }. Unknown keys, figures
/// without unit, kind or source, unknown kinds, and keys of figures, units and conditions that
/// core/figure_table.hpp does not have throw UsageError "FILE:LINE:COLUMN: …".
Platform parse_platform(std::string_view text, const std::string& file);

/// In order of name. They are parsed once, by the first call.
const std::vector<Platform>& built_in_platforms();

}  // namespace fabricheck::config
