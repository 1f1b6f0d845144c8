// Where the ranks of a process group stood when PyTorch's watchdog ended the job: who waited in which
// collective, and who had not called it. Private to this folder.
#pragma once

#include <string>
#include <vector>

#include "diagnose/observations.hpp"

namespace fabricheck::diagnose {

enum class Stand {
  unknown,     ///< too few ranks, or numbers that cannot be compared
  mismatch,    ///< as one number of the group, ranks called different collectives, or different sizes
  not_called,  ///< some waited in a collective that others had not called
  unfinished,  ///< all called it, and `odd` had not finished what the others had: it, or one before
  all_called,  ///< all that are heard called it, and none is behind
};

struct GroupStand {
  Stand stand{Stand::unknown};
  std::string group;
  std::int64_t number{};  ///< of the collective that was waited for, in its group
  std::vector<const CollectiveWait*> heard, waiting, odd;
  /// not_called: those that are fewer are odd. true: they are the ones that called it.
  bool odd_called{};
  std::vector<int> unheard;  ///< ranks within the group, lower than the highest that is heard
};

/// One for each process group in which a rank waited, those that name a rank first. They point into `seen`.
std::vector<GroupStand> where_ranks_stood(const Observations& seen);

/// "ALLREDUCE of 1024 elements"; "a collective" where it is not told.
std::string operation_words(const CollectiveWait& wait);

}  // namespace fabricheck::diagnose
