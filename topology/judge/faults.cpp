#include "topology/judge/faults.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kMostListed = 8;

/// A sentence takes no thousand names; Component::host has them all.
std::string shortened(const std::string& names, std::size_t hosts) {
  constexpr std::size_t kLongest = 160;
  constexpr std::size_t kShown = 100;
  if (names.size() <= kLongest) return names;
  return fmt::format("{} hosts ({}…)", hosts, names.substr(0, kShown));
}

/// Numbers the distinct values of `map` in order of appearance.
template <class Key, class List>
std::size_t number_of(std::map<Key, std::size_t>& ids, List& list, const Key& key) {
  const auto [at, is_new] = ids.emplace(key, list.size());
  if (is_new) list.push_back(key);
  return at->second;
}

}  // namespace

void FaultBook::add(std::size_t host, const FaultKind& kind, const std::string& part, const std::string& what,
                    const std::string& detail) {
  const std::size_t wording = number_of(wording_ids_, wordings_, std::make_pair(&kind, what));
  entries_.push_back({wording, number_of(part_ids_, parts_, part), host, detail});
  if (kind.severity == Severity::info) return;
  parts_at_fault_.emplace(host, part);
  hosts_at_fault_.insert(host);
}

std::vector<FaultBook::Group> FaultBook::groups() const {
  std::map<std::pair<std::size_t, std::size_t>, std::vector<std::size_t>> by_wording_and_host;
  for (std::size_t i = 0; i < entries_.size(); ++i)
    by_wording_and_host[{entries_[i].wording, entries_[i].host}].push_back(i);
  std::map<std::pair<std::size_t, std::vector<std::size_t>>, Group> by_parts;
  for (const auto& [key, entries] : by_wording_and_host) {
    std::vector<std::size_t> parts;
    parts.reserve(entries.size());
    for (const std::size_t entry : entries) parts.push_back(entries_[entry].part);
    std::sort(parts.begin(), parts.end());
    parts.erase(std::unique(parts.begin(), parts.end()), parts.end());
    Group& group = by_parts[{key.first, parts}];
    group.wording = key.first;
    group.parts = parts;
    group.entries.insert(group.entries.end(), entries.begin(), entries.end());
    group.hosts.push_back(key.second);
  }
  std::vector<Group> result;
  result.reserve(by_parts.size());
  for (auto& [key, group] : by_parts) result.push_back(std::move(group));
  std::stable_sort(result.begin(), result.end(), [&](const Group& a, const Group& b) {
    const Severity worse = wordings_[a.wording].first->severity;
    const Severity other = wordings_[b.wording].first->severity;
    return worse != other ? worse > other : a.hosts.size() > b.hosts.size();
  });
  return result;
}

std::string FaultBook::part_names(const Group& group) const {
  std::vector<std::string> names;
  for (const std::size_t part : group.parts)
    if (!parts_[part].empty()) names.push_back(printable(parts_[part]));
  return fold_names(std::move(names));
}

std::string FaultBook::sentence(const Group& group) const {
  const auto& [kind, what] = wordings_[group.wording];
  const std::string parts = part_names(group);
  return fmt::format("{}{}{}: {}{}{}", parts, parts.empty() ? "" : " of ",
                     shortened(host_names(cluster_, group.hosts), group.hosts.size()), kind->phrase,
                     what.empty() ? "" : " ", what);
}

std::string FaultBook::listed(bool info) const {
  std::vector<std::string> sentences;
  for (const Group& group : groups())
    if ((wordings_[group.wording].first->severity == Severity::info) == info)
      sentences.push_back(sentence(group));
  return joined(sentences, "; ", kMostListed);
}

std::string FaultBook::summary() const { return listed(false); }

std::string FaultBook::remarks() const { return listed(true); }

std::vector<Evidence> FaultBook::evidence(const Group& group) const {
  std::vector<Evidence> result{{"", 0, sentence(group)}};
  std::size_t more = 0;
  for (const std::size_t at : group.entries) {
    const Entry& entry = entries_[at];
    if (entry.detail.empty()) continue;
    if (result.size() > kMostListed) {
      ++more;
      continue;
    }
    const std::string& part = parts_[entry.part];
    result.push_back({"", 0,
                      fmt::format("{}{}{}: {}", printable(cluster_.hosts[entry.host].name),
                                  part.empty() ? "" : " ", printable(part), entry.detail)});
  }
  if (more > 0) result.push_back({"", 0, fmt::format("and {} more like these", more)});
  return result;
}

std::vector<Finding> FaultBook::findings() const {
  std::vector<Finding> result;
  for (const Group& group : groups()) {
    const FaultKind& kind = *wordings_[group.wording].first;
    Finding finding;
    finding.slug = kind.slug;
    finding.severity = kind.severity;
    finding.component = {kind.component, part_names(group), host_names(cluster_, group.hosts)};
    finding.meaning = kind.meaning;
    finding.evidence = evidence(group);
    finding.advice = kind.advice;
    finding.confirm = kind.confirm;
    finding.confidence = kind.confidence;
    finding.explains = {check_id_};
    result.push_back(std::move(finding));
  }
  return result;
}

std::string host_names(const ClusterTopology& cluster, const std::vector<std::size_t>& hosts) {
  std::vector<std::string> names;
  names.reserve(hosts.size());
  for (const std::size_t host : hosts) names.push_back(printable(cluster.hosts[host].name));
  return fold_names(std::move(names));
}

std::vector<std::vector<std::size_t>> hosts_by_kind(const ClusterTopology& cluster) {
  std::vector<std::vector<std::size_t>> hosts(cluster.kinds.size());
  for (std::size_t i = 0; i < cluster.hosts.size(); ++i)
    hosts.at(static_cast<std::size_t>(cluster.hosts[i].kind)).push_back(i);
  return hosts;
}

std::string joined(const std::vector<std::string>& items, const char* separator, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < items.size() && i < most; ++i) {
    if (i > 0) text += separator;
    text += items[i];
  }
  if (items.size() > most) text += fmt::format(" and {} more", items.size() - most);
  return text;
}

}  // namespace fabricheck::topology
