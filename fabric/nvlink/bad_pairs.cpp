#include "fabric/nvlink/bad_pairs.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/units.hpp"

namespace fabricheck::nvlink {
namespace {

/// Two GPUs, whichever way a copy went.
using Ends = std::pair<std::string, std::string>;

Ends ends_of(const JudgedPair& pair) {
  const PairExpectation& expected = pair.expected;
  return {std::min(expected.from, expected.to), std::max(expected.from, expected.to)};
}

bool has(const Ends& ends, const std::string& gpu) { return ends.first == gpu || ends.second == gpu; }

void add_once(std::vector<std::string>& all, const std::string& one) {
  if (std::find(all.begin(), all.end(), one) == all.end()) all.push_back(one);
}

/// The pairs of one host that have one fault.
class Group {
 public:
  void add(const JudgedPair& pair) {
    pairs_.push_back(&pair);
    ends_.insert(ends_of(pair));
  }

  /// `others`: pairs of the host that have no fault.
  Finding finding(const std::set<Ends>& others) const {
    Finding all = *pairs_.front()->finding;
    all.evidence.clear();
    for (const JudgedPair* pair : pairs_) {
      for (const std::string& id : pair->finding->explains) add_once(all.explains, id);
      for (const Evidence& evidence : pair->finding->evidence)
        if (std::find(all.evidence.begin(), all.evidence.end(), evidence) == all.evidence.end())
          all.evidence.push_back(evidence);
    }
    if (ends_.size() == 1) return all;
    const std::string host = all.component.host;
    const auto gpu = common_gpu(others);
    all.component = gpu ? Component{"gpu", *gpu, host} : Component{"host", host, host};
    all.meaning = fmt::format("{} {}", subject(gpu, host), what_happened());
    return all;
  }

 private:
  std::optional<std::string> common_gpu(const std::set<Ends>& others) const {
    for (const std::string& gpu : {ends_.begin()->first, ends_.begin()->second}) {
      const bool in_all =
          std::all_of(ends_.begin(), ends_.end(), [&](const Ends& one) { return has(one, gpu); });
      const bool only =
          std::any_of(others.begin(), others.end(), [&](const Ends& one) { return !has(one, gpu); });
      if (in_all && only) return gpu;
    }
    return std::nullopt;
  }

  std::string subject(const std::optional<std::string>& gpu, const std::string& host) const {
    constexpr std::size_t most_named = 3;
    std::vector<std::string> names;
    for (const Ends& one : ends_) {
      if (names.size() == most_named) break;
      if (gpu)
        names.push_back(one.first == *gpu ? one.second : one.first);
      else
        names.push_back(fmt::format("{} to {}", one.first, one.second));
    }
    std::string list = fmt::format("{}", fmt::join(names, ", "));
    if (ends_.size() > most_named) list += fmt::format(" and {} more", ends_.size() - most_named);
    return gpu ? fmt::format("{} on {}, towards {},", *gpu, host, list)
               : fmt::format("{} pairs of GPUs on {} ({})", ends_.size(), host, list);
  }

  std::string what_happened() const {
    const PairExpectation& expected = pairs_.front()->expected;
    const std::string rates = rate_words();
    const std::string measured =
        fmt::format("{} where {}", rates.empty() ? "no rate was measured" : rates, expected_words(expected));
    if (pairs_.front()->finding->slug == "nvlink-fallback")
      return fmt::format("fell back to PCIe: {}", measured);
    std::set<int> up;
    for (const JudgedPair* pair : pairs_) up.insert(pair->expected.links_up.value_or(0));
    const std::string links =
        up.size() == 1 ? fmt::format("{}", *up.begin()) : fmt::format("{} to {}", *up.begin(), *up.rbegin());
    return fmt::format("with {} of {} NVLinks up: {}", links, expected.links_there.value_or(0), measured);
  }

  /// Empty: only latencies were measured.
  std::string rate_words() const {
    std::optional<double> least, most;
    for (const JudgedPair* pair : pairs_) {
      const auto rate = one_way_GBps(pair->check);
      if (!rate) continue;
      least = std::min(least.value_or(*rate), *rate);
      most = std::max(most.value_or(*rate), *rate);
    }
    if (!least) return {};
    const std::string low = format_number(*least), high = format_number(*most);
    return low == high ? fmt::format("{} GB/s one way", low)
                       : fmt::format("{} to {} GB/s one way", low, high);
  }

  std::vector<const JudgedPair*> pairs_;
  std::set<Ends> ends_;
};

}  // namespace

std::vector<Finding> findings_of(std::span<const JudgedPair> pairs) {
  std::map<std::pair<std::string, std::string>, Group> groups;  // by host and fault
  std::map<std::string, std::set<Ends>> whole;
  for (const JudgedPair& pair : pairs) {
    if (pair.finding)
      groups[{pair.finding->component.host, pair.finding->slug}].add(pair);
    else if (one_way_GBps(pair.check) && !pair.check.participants.empty())
      whole[pair.check.participants.front()].insert(ends_of(pair));
  }
  for (const JudgedPair& pair : pairs)
    if (pair.finding) whole[pair.finding->component.host].erase(ends_of(pair));
  std::vector<Finding> findings;
  findings.reserve(groups.size());
  for (const auto& [key, group] : groups) findings.push_back(group.finding(whole[key.first]));
  return findings;
}

}  // namespace fabricheck::nvlink
