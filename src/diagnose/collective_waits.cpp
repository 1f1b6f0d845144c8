#include "diagnose/collective_waits.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include <fmt/format.h>

namespace fabricheck::diagnose {
namespace {

/// Watchdogs of one job end it within minutes of each other; what is further apart is of two attempts.
constexpr std::int64_t kSameEnd_s = 1800;
/// Ranks that take part in sends, receives or what is made of them count differently, and rightly so.
constexpr std::int64_t kMostBehind = 16;

bool has_own_numbers(const std::string& operation) {
  for (const char* one : {"SEND", "RECV", "COALESCED", "ALLTOALL", "BARRIER_P2P"})
    if (operation.starts_with(one)) return true;
  return false;
}

/// Whether all ranks must give as many elements; of others each rank, or the root, may give another number.
bool has_equal_sizes(const std::string& operation) {
  for (const char* one : {"ALLREDUCE", "BROADCAST", "REDUCE", "_ALLGATHER_BASE", "_REDUCE_SCATTER_BASE"})
    if (operation == one) return true;
  return false;
}

using Waits = std::vector<const CollectiveWait*>;

bool can_be_compared(const Waits& ranks) {
  std::set<int> within;
  std::int64_t first = -1, last = -1;
  for (const CollectiveWait* one : ranks) {
    // Two ranks that are the same one of the group are of two groups that share a local name.
    if (!within.insert(one->group_rank).second) return false;
    if (!one->is_global_name && one->rank != one->group_rank) return false;
    if (has_own_numbers(one->operation)) return false;
    if (one->time_s < 0) continue;
    first = first < 0 ? one->time_s : std::min(first, one->time_s);
    last = std::max(last, one->time_s);
  }
  return ranks.size() > 1 && last - first <= kSameEnd_s;
}

/// The ranks of the rarer call; all that wait where none is the rarer one.
Waits rarer_calls(const Waits& waiting) {
  std::map<std::pair<std::string, std::int64_t>, Waits> calls;
  for (const CollectiveWait* one : waiting)
    if (!one->operation.empty())
      calls[{one->operation, has_equal_sizes(one->operation) ? one->elements : -1}].push_back(one);
  if (calls.size() < 2) return {};
  std::size_t all = 0;
  const Waits* most = nullptr;
  for (const auto& entry : calls) {
    all += entry.second.size();
    if (most == nullptr || entry.second.size() > most->size()) most = &entry.second;
  }
  Waits odd;
  for (const auto& entry : calls)
    if (&entry.second != most || 2 * most->size() <= all)
      odd.insert(odd.end(), entry.second.begin(), entry.second.end());
  std::sort(odd.begin(), odd.end(),
            [](const CollectiveWait* a, const CollectiveWait* b) { return a->rank < b->rank; });
  return odd;
}

std::vector<int> unheard_of(const Waits& ranks) {
  std::set<int> heard;
  for (const CollectiveWait* one : ranks) heard.insert(one->group_rank);
  std::vector<int> unheard;
  constexpr std::size_t most = 1024;
  for (int rank = 0; rank < *heard.rbegin() && unheard.size() < most; ++rank)
    if (heard.count(rank) == 0) unheard.push_back(rank);
  return unheard;
}

void find_who_did_not_call(GroupStand& found, const Waits& ranks, const std::set<int>& waits_elsewhere) {
  Waits called, others;
  for (const CollectiveWait* one : ranks) (*one->enqueued >= found.number ? called : others).push_back(one);
  found.odd_called = called.size() < others.size();
  found.odd = found.odd_called ? called : others;
  found.waiting = called;
  found.stand = Stand::not_called;
  // Who waits in another group does so for somebody else.
  const bool is_held_up = std::any_of(others.begin(), others.end(), [&](const CollectiveWait* one) {
    return waits_elsewhere.count(one->rank) > 0;
  });
  if (is_held_up) found.stand = Stand::unknown;
}

GroupStand stand_of(const Waits& ranks, const std::map<int, std::set<std::string>>& waits_of_rank) {
  GroupStand found;
  found.group = ranks.front()->group;
  found.heard = ranks;
  if (!can_be_compared(ranks)) return found;
  std::optional<std::int64_t> number;
  for (const CollectiveWait* one : ranks)
    if (one->waits_for) number = std::max(number.value_or(*one->waits_for), *one->waits_for);
  if (!number) return found;
  found.number = *number;
  std::int64_t finished = -1;
  for (const CollectiveWait* one : ranks) {
    if (one->waits_for == number) found.waiting.push_back(one);
    finished = std::max(finished, one->completed.value_or(-1));
    // The one before was finished by those that wait, so it was called by all.
    if (!one->enqueued || !one->completed || *one->enqueued < *number - 1) return found;
  }
  found.unheard = unheard_of(ranks);
  if (found.odd = rarer_calls(found.waiting); !found.odd.empty()) {
    found.stand = Stand::mismatch;
    std::erase_if(found.waiting, [](const CollectiveWait* one) { return one->operation.empty(); });
    return found;
  }
  if (std::any_of(ranks.begin(), ranks.end(),
                  [&](const CollectiveWait* one) { return *one->enqueued < *number; })) {
    std::set<int> elsewhere;
    for (const auto& [rank, groups] : waits_of_rank)
      if (groups.size() > groups.count(found.group)) elsewhere.insert(rank);
    find_who_did_not_call(found, ranks, elsewhere);
    return found;
  }
  for (const CollectiveWait* one : ranks) {
    if (*one->completed >= finished) continue;
    if (finished - *one->completed > kMostBehind) return found;
    found.odd.push_back(one);
  }
  // The root of a broadcast ends before the others, and rightly so.
  if (2 * found.odd.size() > ranks.size()) found.odd.clear();
  found.stand = found.odd.empty() ? Stand::all_called : Stand::unfinished;
  return found;
}

}  // namespace

std::vector<GroupStand> where_ranks_stood(const Observations& seen) {
  std::map<std::string, Waits> groups;
  std::map<int, std::set<std::string>> waits_of_rank;
  for (const CollectiveWait& one : seen.waits) {
    groups[one.group].push_back(&one);
    if (one.waits_for) waits_of_rank[one.rank].insert(one.group);
  }
  std::vector<GroupStand> stands;
  for (const auto& [group, ranks] : groups) stands.push_back(stand_of(ranks, waits_of_rank));
  std::erase_if(stands, [](const GroupStand& one) { return one.stand == Stand::unknown; });
  std::stable_sort(stands.begin(), stands.end(), [](const GroupStand& a, const GroupStand& b) {
    return std::make_tuple(a.stand, b.waiting.size()) < std::make_tuple(b.stand, a.waiting.size());
  });
  return stands;
}

std::string operation_words(const CollectiveWait& wait) {
  if (wait.operation.empty()) return "a collective";
  return wait.elements < 0 ? wait.operation : fmt::format("{} of {} elements", wait.operation, wait.elements);
}

}  // namespace fabricheck::diagnose
