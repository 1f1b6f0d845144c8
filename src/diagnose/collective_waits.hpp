// Where the ranks of a process group stood when PyTorch's watchdog ended the job: who waited in which
// collective, and who had not called it. Private to this folder. What is counted, and when, is read off
// PyTorch's ProcessGroupNCCL.cpp (2.3 to 2.9).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

enum class Stand {
  mismatch,    ///< as one number of the group, ranks called different collectives, or different sizes
  not_called,  ///< some waited in a collective that others had not called
  unfinished,  ///< `odd` waited in a collective that the others had finished
  all_called,  ///< all that are heard called it, and none is behind
  unknown,     ///< too few ranks, or numbers that cannot be compared
};

using Waits = std::vector<const CollectiveWait*>;

struct GroupStand {
  Stand stand{Stand::unknown};
  std::string group;
  bool is_of_all{};       ///< the group of all ranks of the job
  std::int64_t number{};  ///< of the collective that was waited for, in its group
  Waits heard, waiting;   ///< all; those that wait for `number`, with a known operation first
  Waits odd;
  /// not_called: those that are fewer are odd; where they are as many, those that did not call. true: they
  /// are the ones that called it.
  bool odd_called{};
  /// Ranks, lower than the highest that is heard, without any line; told of the group of all ranks alone, for
  /// a rank that waits for nothing in another group says nothing of it.
  std::vector<int> unheard;
  std::vector<int> silent;  ///< of the group of all ranks: those that said something, but nothing of it
  bool all_timed_out{};     ///< of all that wait it is told that they did, and they wait in this group alone
};

/// One for each process group in which a rank waited, those that name a rank first. They point into `seen`.
std::vector<GroupStand> where_ranks_stood(const Observations& seen);

/// Where all ranks but one told of a collective that they waited in: that one, and those that waited. It may
/// have waited as well, for less than the time-out.
struct IdleRank {
  const CollectiveWait* idle{};
  Waits waiting;
};
/// nullopt where another rank may be the cause, as where it is not known how many `ranks` there are (0).
std::optional<IdleRank> the_one_that_waited_in_none(const Observations& seen, int ranks);

/// "rank 5 (node1)", "ranks 1, 5, 7, 8 and 12 more"; without hosts where `host_of` is not given.
std::string rank_words(const std::vector<int>& ranks, const std::function<std::string(int)>& host_of = {});

/// A line for each process group: which ranks waited in what, and how far the others were. The first groups
/// alone, and of a group the first such sets of ranks.
std::vector<std::string> group_words(const Observations& seen);

/// "ALLREDUCE of 1024 elements"; "a collective" where it is not told.
std::string operation_words(const CollectiveWait& wait);

}  // namespace fabricheck::diagnose
