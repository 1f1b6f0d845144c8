#include "diagnose/collective_waits.hpp"

#include <algorithm>
#include <initializer_list>
#include <map>
#include <set>
#include <string_view>
#include <tuple>

#include <fmt/format.h>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

/// Watchdogs of one job speak within a minute of each other; what is further apart is of two attempts.
constexpr std::int64_t kSameEnd_s = 180;

bool is_one_of(const std::string& operation, std::initializer_list<std::string_view> known) {
  return std::find(known.begin(), known.end(), operation) != known.end();
}

/// Sends and receives have numbers of their own, and some of them count among the group's on the two ranks
/// alone that take part.
bool has_own_numbers(const std::string& operation) {
  return is_one_of(operation, {"SEND", "RECV", "COALESCED"});
}

/// Whether all ranks must give as many elements; of others each rank, or the root, may give another number.
bool has_equal_sizes(const std::string& operation) {
  return is_one_of(operation,
                   {"ALLREDUCE", "BROADCAST", "REDUCE", "_ALLGATHER_BASE", "_REDUCE_SCATTER_BASE"});
}

/// Whether no rank can finish before all have called: a root, or one that only sends, may.
bool waits_for_all(const std::string& operation) {
  return is_one_of(operation, {"ALLREDUCE", "ALLGATHER", "_ALLGATHER_BASE", "REDUCE_SCATTER",
                               "_REDUCE_SCATTER_BASE", "BARRIER"});
}

bool is_group_of_all(const std::string& group) { return contains(group, "default_pg") || group == "0"; }

/// Ranks of a group are in order of those of the job, and mostly evenly apart: where they are not, two groups
/// may have one name.
bool are_of_one_group(Waits ranks) {
  std::sort(ranks.begin(), ranks.end(),
            [](const CollectiveWait* a, const CollectiveWait* b) { return a->group_rank < b->group_rank; });
  for (std::size_t i = 1; i < ranks.size(); ++i) {
    if (ranks[i]->group_rank == ranks[i - 1]->group_rank || ranks[i]->rank <= ranks[i - 1]->rank)
      return false;
    if (i < 2) continue;
    const auto step = [&](std::size_t from, std::size_t to) {
      return std::pair<std::int64_t, std::int64_t>(ranks[to]->rank - ranks[from]->rank,
                                                   ranks[to]->group_rank - ranks[from]->group_rank);
    };
    const auto [rank, within] = step(i - 1, i);
    const auto [rank_before, within_before] = step(i - 2, i - 1);
    if (rank * within_before != rank_before * within) return false;
  }
  return true;
}

bool are_of_one_time(const Waits& ranks) {
  std::int64_t first = -1, last = -1;
  for (const CollectiveWait* one : ranks) {
    if (one->time_s < 0) continue;
    first = first < 0 ? one->time_s : std::min(first, one->time_s);
    last = std::max(last, one->time_s);
  }
  return last - first <= kSameEnd_s;
}

bool can_be_compared(const Waits& ranks) {
  if (ranks.size() < 2 || contains(ranks.front()->group, "PIPELINE")) return false;
  for (const CollectiveWait* one : ranks) {
    if (one->is_mixed || has_own_numbers(one->operation)) return false;
    if (!one->is_global_name && one->rank != one->group_rank) return false;
    // What is sent and received shows in these two, and in none of the others.
    if (!one->enqueued || !one->completed || *one->completed > *one->enqueued) return false;
  }
  return are_of_one_time(ranks) && are_of_one_group(ranks);
}

bool is_by_rank(const CollectiveWait* a, const CollectiveWait* b) { return a->rank < b->rank; }

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
  std::sort(odd.begin(), odd.end(), is_by_rank);
  return odd;
}

using GroupsOfRank = std::map<int, std::set<std::string>>;  ///< in which it waits

class Comparison {
 public:
  Comparison(const Waits& ranks, const Observations& seen, const GroupsOfRank& waits_of_rank)
      : seen_(seen), waits_of_rank_(waits_of_rank) {
    found_.heard = ranks;
    std::sort(found_.heard.begin(), found_.heard.end(), is_by_rank);
    found_.group = ranks.front()->group;
    found_.is_of_all = is_group_of_all(found_.group);
  }

  GroupStand result() {
    if (!can_be_compared(found_.heard)) return found_;
    std::set<std::int64_t> numbers;
    for (const CollectiveWait* one : found_.heard)
      if (one->waits_for) numbers.insert(*one->waits_for);
    if (numbers.empty()) return found_;
    for (const std::int64_t number : numbers) {
      set_number(number);
      found_.odd = rarer_calls(found_.waiting);
      if (found_.odd.empty()) continue;
      tell_mismatch();
      return found_;
    }
    set_number(*numbers.rbegin());
    if (!found_.waiting.front()->operation.empty() && are_numbers_sound()) judge();
    return found_;
  }

 private:
  /// Two ranks of a group of which it is not told how many it has may be of two groups of one name.
  bool may_accuse() const { return found_.is_of_all || found_.heard.size() > 2; }

  void set_number(std::int64_t number) {
    found_.number = number;
    found_.waiting.clear();
    for (const CollectiveWait* one : found_.heard)
      if (one->waits_for == number) found_.waiting.push_back(one);
    std::stable_partition(found_.waiting.begin(), found_.waiting.end(),
                          [](const CollectiveWait* one) { return !one->operation.empty(); });
    found_.unheard = find_unheard();
    found_.silent.clear();
    for (const int rank : seen_.rank_words.heard)
      if (found_.is_of_all && std::none_of(found_.heard.begin(), found_.heard.end(),
                                           [&](const CollectiveWait* one) { return one->rank == rank; }))
        found_.silent.push_back(rank);
  }

  void tell_mismatch() {
    if (!may_accuse()) return;
    found_.stand = Stand::mismatch;
    std::erase_if(found_.waiting, [](const CollectiveWait* one) { return one->operation.empty(); });
  }

  std::vector<int> find_unheard() const {
    std::vector<int> unheard;
    if (!found_.is_of_all || seen_.rank_words.are_left_out) return unheard;
    std::set<int> heard = seen_.rank_words.heard;
    for (const CollectiveWait* one : found_.heard) heard.insert(one->rank);
    constexpr std::size_t most = 1024;
    for (int rank = 0; rank < found_.heard.back()->rank && unheard.size() < most; ++rank)
      if (heard.count(rank) == 0) unheard.push_back(rank);
    return unheard;
  }

  /// Numbers begin at 1, and a group that has done nothing says -1.
  std::int64_t enqueued(const CollectiveWait* one) const {
    return found_.number == 1 ? std::max<std::int64_t>(0, *one->enqueued) : *one->enqueued;
  }

  bool are_numbers_sound() const {
    const bool is_for_all = waits_for_all(found_.waiting.front()->operation);
    return std::all_of(found_.heard.begin(), found_.heard.end(), [&](const CollectiveWait* one) {
      // The one before was finished by those that wait, so it was called by all.
      return enqueued(one) >= found_.number - 1 && !(is_for_all && *one->completed >= found_.number);
    });
  }

  void judge() {
    Waits called, stuck, idle;
    for (const CollectiveWait* one : found_.heard) {
      if (one->waits_for && *one->waits_for < found_.number)
        stuck.push_back(one);
      else
        (enqueued(one) >= found_.number ? called : idle).push_back(one);
    }
    if (!stuck.empty()) {
      judge_stuck(stuck, idle);
    } else if (!idle.empty()) {
      judge_idle(called, idle);
    } else {
      found_.all_timed_out = std::all_of(found_.waiting.begin(), found_.waiting.end(), [&](const auto* one) {
        return !one->operation.empty() && waits_of_rank_.at(one->rank).size() == 1;
      });
      // A root that is done is not behind, nor does that say anything of the others.
      for (const CollectiveWait* one : found_.heard) found_.all_timed_out &= *one->completed < found_.number;
      found_.all_timed_out &= found_.silent.empty();
      found_.stand = Stand::all_called;
    }
  }

  /// In one that the others have finished.
  void judge_stuck(const Waits& stuck, const Waits& idle) {
    const bool were_all_needed = std::all_of(
        stuck.begin(), stuck.end(), [](const CollectiveWait* one) { return waits_for_all(one->operation); });
    if (!were_all_needed || !idle.empty() || !found_.unheard.empty() || !found_.silent.empty() ||
        !may_accuse() || 2 * stuck.size() >= found_.heard.size())
      return;
    found_.odd = stuck;
    found_.stand = Stand::unfinished;
  }

  void judge_idle(const Waits& called, const Waits& idle) {
    // Who waits in another group does so for somebody else.
    const bool is_held_up = std::any_of(idle.begin(), idle.end(), [&](const CollectiveWait* one) {
      return waits_of_rank_.count(one->rank) > 0;
    });
    if (is_held_up || !may_accuse()) return;
    found_.odd_called = called.size() < idle.size();
    found_.odd = found_.odd_called ? called : idle;
    found_.stand = Stand::not_called;
  }

  const Observations& seen_;
  const GroupsOfRank& waits_of_rank_;
  GroupStand found_;
};

}  // namespace

std::vector<GroupStand> where_ranks_stood(const Observations& seen) {
  std::map<std::string, Waits> groups;
  GroupsOfRank waits_of_rank;
  for (const CollectiveWait& one : seen.waits) {
    if (one.group.empty()) continue;
    groups[one.group].push_back(&one);
    if (one.waits_for) waits_of_rank[one.rank].insert(one.group);
    if (!one.waits_for && one.timed_out_elsewhere) waits_of_rank[one.rank].insert("another");
  }
  std::vector<GroupStand> stands;
  stands.reserve(groups.size());
  for (const auto& [group, ranks] : groups) stands.push_back(Comparison(ranks, seen, waits_of_rank).result());
  std::erase_if(stands, [](const GroupStand& one) { return one.stand == Stand::unknown; });
  std::stable_sort(stands.begin(), stands.end(), [](const GroupStand& a, const GroupStand& b) {
    return std::make_tuple(a.stand, b.waiting.size()) < std::make_tuple(b.stand, a.waiting.size());
  });
  return stands;
}

std::optional<IdleRank> the_one_that_waited_in_none(const Observations& seen, int ranks) {
  if (seen.rank_words.are_left_out || ranks == 0) return std::nullopt;
  std::map<int, const CollectiveWait*> waiting, all;
  Waits words;
  for (const CollectiveWait& one : seen.waits) {
    if (one.group.empty()) continue;
    if (one.is_mixed) return std::nullopt;
    words.push_back(&one);
    all.emplace(one.rank, &one);
    if (one.waits_for || one.timed_out_elsewhere) waiting.emplace(one.rank, &one);
  }
  constexpr std::size_t fewest_waiting = 3;
  if (waiting.size() < fewest_waiting || all.size() != waiting.size() + 1 || !are_of_one_time(words))
    return std::nullopt;
  // One that is not heard may be the cause as well.
  const bool are_all = all.begin()->first == 0 && all.rbegin()->first + 1 == static_cast<int>(all.size()) &&
                       ranks == static_cast<int>(all.size());
  if (!are_all) return std::nullopt;
  std::map<std::string, std::int64_t> numbers;  // that are waited for, by group
  for (const CollectiveWait* one : words)
    if (one->waits_for) numbers[one->group] = std::max(numbers[one->group], *one->waits_for);
  // With something under way it waits itself; what the others wait in it may have called, and have finished.
  const bool has_work = std::any_of(words.begin(), words.end(), [&](const CollectiveWait* one) {
    const auto number = numbers.find(one->group);
    return waiting.count(one->rank) == 0 &&
           (one->enqueued != one->completed || (number != numbers.end() && *one->enqueued >= number->second));
  });
  if (has_work) return std::nullopt;
  IdleRank found;
  for (const auto& [rank, one] : all) {
    const auto waits = waiting.find(rank);
    if (waits == waiting.end())
      found.idle = one;
    else
      found.waiting.push_back(waits->second);
  }
  return found;
}

std::string rank_words(const std::vector<int>& ranks, const std::function<std::string(int)>& host_of) {
  constexpr std::size_t most_named = 4;
  std::string names;
  const std::size_t named = ranks.size() > most_named + 1 ? most_named : ranks.size();
  for (std::size_t i = 0; i < named; ++i) {
    const std::string host = host_of ? host_of(ranks[i]) : std::string();
    names += fmt::format("{}{}{}", i == 0 ? "" : (i + 1 == ranks.size() ? " and " : ", "), ranks[i],
                         host.empty() ? "" : " (" + host + ")");
  }
  if (named < ranks.size()) names += fmt::format(" and {} more", ranks.size() - named);
  return (ranks.size() == 1 ? "rank " : "ranks ") + names;
}

namespace {

/// Without groups nothing can be compared; who waited where can be told.
std::vector<std::string> groupless_words(const Observations& seen) {
  constexpr std::size_t most = 6;
  std::vector<std::string> lines;
  for (const auto& [what, ranks] : seen.timed_out) {
    if (lines.size() == most) {
      lines.push_back(fmt::format("and {} more collectives", seen.timed_out.size() - most));
      break;
    }
    lines.push_back(fmt::format("timed out in {} number {}: {} (which process group it is, no line tells)",
                                what.first, what.second, rank_words({ranks.begin(), ranks.end()})));
  }
  return lines;
}

}  // namespace

std::vector<std::string> group_words(const Observations& seen) {
  if (seen.waits.empty()) return groupless_words(seen);
  constexpr std::size_t most_groups = 4, most_places = 4;
  std::map<std::string, std::map<std::string, std::vector<int>>> groups;  // ranks by where they were
  std::set<std::string> mixed;
  for (const CollectiveWait& one : seen.waits) {
    if (one.group.empty()) continue;
    if (one.is_mixed) mixed.insert(one.group);
    const std::string where =
        one.waits_for ? fmt::format("waited in {} ({})", *one.waits_for, operation_words(one))
                      : fmt::format("had called {} and finished {}", *one.enqueued, *one.completed);
    groups[one.group][where].push_back(one.rank);
  }
  std::vector<std::string> lines;
  for (auto& [group, places] : groups) {
    if (lines.size() == most_groups) {
      lines.push_back(fmt::format("and {} more process groups", groups.size() - most_groups));
      break;
    }
    std::string line = fmt::format("process group {}: ", group);
    if (mixed.count(group) != 0) {
      lines.push_back(line +
                      "several processes are called by the same ranks of it, so they are not compared");
      continue;
    }
    std::size_t told = 0;
    for (auto& [where, ranks] : places) {
      if (told++ == most_places) {
        line += fmt::format("; and {} more places", places.size() - most_places);
        break;
      }
      std::sort(ranks.begin(), ranks.end());
      line += fmt::format("{}{} {}", told == 1 ? "" : "; ", rank_words(ranks), where);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::string operation_words(const CollectiveWait& wait) {
  if (wait.operation.empty()) return "a collective";
  return wait.elements < 0 ? wait.operation : fmt::format("{} of {} elements", wait.operation, wait.elements);
}

}  // namespace fabricheck::diagnose
