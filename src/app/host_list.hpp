// Lists of hosts as people and Slurm write them, and the refusal of names that a shell or ssh would take
// otherwise.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace fabricheck::app {

constexpr int most_ranks_per_node = 1024;

struct LaunchHost {
  std::string name;
  int ranks{};  ///< 0: not said
  bool operator==(const LaunchHost&) const = default;
};

/// A rank count from 1 to most_ranks_per_node. UsageError "WHERE: WHAT is 'TEXT'; …".
int parse_ranks(std::string_view text, const std::string& where, std::string_view what);

/// `host` and `host:N` words. UsageError beginning with `where` for a name that is empty, begins with a dash,
/// holds other than letters, digits, `.`, `_`, `-`, is longer than 253 characters or comes twice, and for a
/// rank count out of range.
std::vector<LaunchHost> parse_host_words(const std::vector<std::string>& words, const std::string& where);

/// Hosts of a hostfile: `host`, `host slots=4`, `host:4`, comments from `#`. UsageError with FILE:LINE.
std::vector<LaunchHost> parse_hostfile(std::string_view text, const std::string& file);

/// The hosts of a Slurm node list: `node[1-3,7],login1`, `r[01-02]n[1-2]-ib`. UsageError naming the list when
/// malformed.
std::vector<std::string> expand_node_list(std::string_view list);

}  // namespace fabricheck::app
