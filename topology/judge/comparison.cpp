#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "topology/judge/attribute_table.hpp"
#include "topology/judge/differences.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr std::size_t kMostListed = 4;

/// The first number of a value: "x16", "400 Gb/s".
double number_in(const std::string& value) {
  const std::size_t first = value.find_first_of("0123456789");
  double number = 0;
  if (first != std::string::npos) std::from_chars(value.data() + first, value.data() + value.size(), number);
  return number;
}

std::vector<std::string> items(const std::string& list) {
  std::vector<std::string> result;
  std::size_t from = 0;
  while (true) {
    const std::size_t comma = list.find(", ", from);
    result.push_back(list.substr(from, comma - from));
    if (comma == std::string::npos) return result;
    from = comma + 2;
  }
}

}  // namespace

std::string instead_of(const std::string& odd, const std::string& majority) {
  const auto mine = items(odd);
  const auto usual = items(majority);
  if (mine.size() != usual.size() || mine.size() < 2)
    return fmt::format("{} instead of {}", printable(odd), printable(majority));
  std::vector<std::string> odd_items;
  std::vector<std::string> usual_items;
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (mine[i] == usual[i]) continue;
    odd_items.push_back(printable(mine[i]));
    usual_items.push_back(printable(usual[i]));
  }
  return fmt::format("{} instead of {}", joined(odd_items, ", ", kMostListed),
                     joined(usual_items, ", ", kMostListed));
}

void Comparison::add(std::size_t kind, const Observation& observation) {
  const auto [at, is_new] = votes_.try_emplace({observation.attribute, observation.part});
  if (is_new) order_.push_back(at->first);
  at->second[observation.value].push_back(kind);
}

std::size_t Comparison::weight(const std::vector<std::size_t>& kinds) const {
  std::size_t hosts = 0;
  for (const std::size_t kind : kinds) hosts += hosts_[kind].size();
  return hosts;
}

std::string Comparison::names(const std::vector<std::size_t>& kinds) const {
  std::vector<std::size_t> hosts;
  for (const std::size_t kind : kinds) hosts.insert(hosts.end(), hosts_[kind].begin(), hosts_[kind].end());
  return host_names(cluster_, hosts);
}

void Comparison::tell(Differences& differences) {
  for (const Key& key : order_) decide(key, votes_.at(key), differences);
  tell_ties(differences);
  tell_unknown(differences);
  order_.clear();
  votes_.clear();
}

void Comparison::decide(const Key& key, const Votes& votes, Differences& differences) {
  std::size_t known = 0;
  std::size_t most = 0;
  const std::string* majority = nullptr;
  for (const auto& [value, kinds] : votes) {
    if (value.empty()) continue;
    const std::size_t hosts = weight(kinds);
    known += hosts;
    if (hosts <= most) continue;
    most = hosts;
    majority = &value;
  }
  const auto not_known = votes.find("");
  if (not_known != votes.end() && known > 0)
    for (const std::size_t kind : not_known->second) unknown_[kind].insert(key.first->fault.phrase);
  if (majority == nullptr || most == known) return;
  if (2 * most > known) {
    accuse(key, votes, *majority, differences);
  } else {
    Votes told = votes;
    told.erase("");
    tied_[{key.first, told}].push_back(key.second);
  }
}

void Comparison::accuse(const Key& key, const Votes& votes, const std::string& majority,
                        Differences& differences) {
  const Attribute& attribute = *key.first;
  for (const auto& [value, kinds] : votes) {
    if (value.empty() || value == majority) continue;
    const FaultKind* kind = attribute.choose != nullptr ? attribute.choose(value, majority) : nullptr;
    if (kind == nullptr) kind = &attribute.fault;
    std::string what = instead_of(value, majority);
    if (attribute.more_is_better && number_in(value) > number_in(majority)) {
      kind = &attribute::more_than_majority;
      what = fmt::format("{} {}", attribute.fault.phrase, what);
    }
    for (const std::size_t one : kinds) {
      odd_.emplace(kind->slug, one);
      for (const std::size_t host : hosts_[one]) differences.book.add(host, *kind, key.second, what);
    }
  }
}

void Comparison::tell_ties(Differences& differences) {
  for (const auto& [key, parts] : tied_) {
    const auto& [attribute, votes] = key;
    std::vector<std::string> sides;
    for (const auto& [value, kinds] : votes) {
      if (sides.size() < kMostListed) {
        sides.push_back(fmt::format("{} on {}", printable(value), names(kinds)));
      } else {
        sides.emplace_back();
      }
    }
    std::vector<std::string> known_parts;
    for (const std::string& part : parts)
      if (!part.empty()) known_parts.push_back(printable(part));
    std::string what = attribute->fault.phrase;
    if (what.back() == ':') what.pop_back();
    differences.ties.push_back(fmt::format("{}{}{}: {}", what, known_parts.empty() ? "" : " of ",
                                           fold_names(known_parts), joined(sides, ", ", kMostListed)));
    differences.undecided = differences.undecided || attribute->fault.severity != Severity::info;
  }
  tied_.clear();
}

void Comparison::tell_unknown(Differences& differences) {
  std::map<std::set<std::string>, std::vector<std::size_t>> by_list;
  for (const auto& [kind, list] : unknown_) by_list[list].push_back(kind);
  for (const auto& [list, kinds] : by_list) {
    std::vector<std::string> words;
    for (std::string word : list) {
      if (word.back() == ':') word.pop_back();
      words.push_back(std::move(word));
    }
    differences.remarks.push_back(
        fmt::format("not known on {}: {}", names(kinds), joined(words, ", ", 2 * kMostListed)));
  }
  unknown_.clear();
}

}  // namespace fabricheck::topology
