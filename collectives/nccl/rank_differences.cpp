#include "collectives/nccl/rank_differences.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace fabricheck::collectives {
namespace {

constexpr std::size_t most_named = 4;
constexpr char field_end = '\x1f', value_end = '\x1e';  // ASCII's separators of units and of records

struct ComparedFact {
  const char* name;
  const char* words;
  bool accuses;  ///< one that differs makes all slow
};
constexpr const char *transports = "nccl_transports", *network = "nccl_network";
constexpr std::array<ComparedFact, 9> compared{{{"nccl_version", "version", true},
                                                {"nccl_library", "library", false},
                                                {network, "network", true},
                                                {"nccl_gdr", "GPUDirect RDMA", true},
                                                {"nccl_plugin", "plugin", false},
                                                {"nccl_nvls", "NVLS", false},
                                                {"nccl_channels", "channels", false},
                                                {"nccl_algorithms", "algorithm", false},
                                                {"nccl_protocols", "protocol", false}}};

using Ranks = std::vector<const RankFacts*>;
using Values = std::map<std::string, Ranks>;

std::string named(const Ranks& ranks) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < ranks.size() && i < most_named; ++i)
    names.push_back(fmt::format("{} ({})", ranks[i]->rank, ranks[i]->host));
  return fmt::format("rank{} {}{}", ranks.size() == 1 ? "" : "s", fmt::join(names, ", "),
                     ranks.size() > most_named ? fmt::format(" and {} more", ranks.size() - most_named) : "");
}

/// The value of more than half of those that know it, or the end.
Values::const_iterator majority(const Values& values) {
  std::size_t all = 0;
  for (const auto& [value, ranks] : values) all += ranks.size();
  return std::find_if(values.begin(), values.end(),
                      [&](const auto& one) { return 2 * one.second.size() > all; });
}

std::string words_of(const char* name, const Values& values, Values::const_iterator rule) {
  std::vector<std::string> parts;
  if (rule != values.end()) parts.push_back(fmt::format("{} on {} ranks", rule->first, rule->second.size()));
  for (auto value = values.begin(); value != values.end(); ++value)
    if (value != rule) parts.push_back(fmt::format("{} on {}", value->first, named(value->second)));
  return fmt::format("{}: {}{}", name, fmt::join(parts, ", "),
                     rule == values.end() ? ", without a majority" : "");
}

std::string odd_hosts(const Values& values, Values::const_iterator rule) {
  std::vector<std::string> hosts;
  for (auto value = values.begin(); value != values.end(); ++value) {
    if (value == rule) continue;
    for (const RankFacts* rank : value->second)
      if (std::find(hosts.begin(), hosts.end(), rank->host) == hosts.end()) hosts.push_back(rank->host);
  }
  return fmt::format("{}", fmt::join(hosts, ", "));
}

}  // namespace

std::string rank_facts_to_text(const std::string& host, const std::map<std::string, Parameter>& facts) {
  std::string text = host + value_end;
  const auto add = [&](const char* name) {
    const auto found = facts.find(name);
    if (found == facts.end()) return;
    const std::string value =
        std::visit([](const auto& one) { return fmt::format("{}", one); }, found->second);
    text += name + (field_end + value) + value_end;
  };
  for (const ComparedFact& fact : compared) add(fact.name);
  add(transports);
  return text;
}

RankFacts rank_facts_from_text(const std::string& text, int rank) {
  RankFacts facts;
  facts.rank = rank;
  bool first = true;
  for (std::size_t at = 0; at < text.size(); first = false) {
    const std::size_t end = std::min(text.find(value_end, at), text.size());
    const std::string part = text.substr(at, end - at);
    at = end + 1;
    const std::size_t cut = part.find(field_end);
    if (first) {
      facts.host = part;
    } else if (cut != std::string::npos) {
      facts.facts[part.substr(0, cut)] = part.substr(cut + 1);
    }
  }
  return facts;
}

bool is_without_network(std::span<const RankFacts> ranks) {
  return !ranks.empty() && std::all_of(ranks.begin(), ranks.end(), [](const RankFacts& rank) {
    const auto by = rank.facts.find(transports);
    return by != rank.facts.end() && by->second.find("NET/") == std::string::npos &&
           by->second.find("CollNet") == std::string::npos;
  });
}

std::map<std::string, Parameter> rank_differences(std::span<const RankFacts> ranks) {
  std::map<std::string, Parameter> path;
  std::vector<std::string> all;
  const bool without_network = is_without_network(ranks);
  for (const ComparedFact& fact : compared) {
    if (without_network && fact.name == std::string_view(network)) continue;
    Values values;
    for (const RankFacts& rank : ranks)
      if (const auto found = rank.facts.find(fact.name); found != rank.facts.end())
        values[found->second].push_back(&rank);
    if (values.size() < 2) continue;
    const auto rule = majority(values);
    all.push_back(words_of(fact.words, values, rule));
    if (!fact.accuses) continue;
    path[fmt::format("{}_differs", fact.name)] = all.back();
    if (rule != values.end()) path[fmt::format("{}_odd_hosts", fact.name)] = odd_hosts(values, rule);
  }
  if (!all.empty()) path["nccl_differs"] = fmt::format("{}", fmt::join(all, "; "));
  return path;
}

}  // namespace fabricheck::collectives
