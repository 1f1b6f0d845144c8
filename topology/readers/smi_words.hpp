// The words of `nvidia-smi topo -m` and what terminals, mpirun and copying do to them.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::topology::smi {

/// Without escape codes, mpirun's "[1,0]<stdout>:" and what is no plain blank. Tabs stay.
std::string clean_line(std::string_view line);

/// What stands between blanks and tabs.
std::vector<std::string_view> words_of(std::string_view text);

/// Whether the text is one whole "GPU7" (or "NIC7").
bool is_numbered(std::string_view text, std::string_view front);

/// Paths that were glued to each other, and what of the token is none.
struct Unglued {
  std::vector<std::string> cells;
  std::string rest;
};

/// "PIXNODE" is PIX and NODE. Where digits after NV may belong to what follows ("NV180-27"), a number of
/// links that is in `known_links` decides; where none does, the cell stays empty and the rest is dropped.
Unglued unglue_cells(std::string_view token, const std::set<std::string>& known_links);

/// Each "NV18" that stands alone in the text.
void collect_links(std::string_view line, std::set<std::string>& known_links);

/// "GPU7NIC0" is GPU7 and NIC0; other names come back whole.
std::vector<std::string> unglue_names(std::string_view token);

/// Numbers and ranges in ascending order, "0-3,8".
bool is_cpu_list(std::string_view text);

struct Affinity {
  std::string cpus;
  std::string numa;  ///< "0", "0-1", "N/A", or "" where it cannot be told
};

/// CPU and NUMA affinity from what stands after the cells. `expected`: how many columns there should be, at
/// most 3.
Affinity parse_affinity(const std::vector<std::string>& tokens, std::size_t expected);

/// "0N/A" is "0" and "N/A".
std::vector<std::string> affinity_tokens(const std::vector<std::string>& words);

}  // namespace fabricheck::topology::smi
