// How long a run still takes, from what its visits took so far. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

namespace fabricheck::plan {

/// A check is visited once per repeat. What a visit takes is known of checks that were visited; of the others
/// it is in proportion to their share of the budget, by the proportion seen so far of their kind, or of all
/// while none of their kind was visited. Times in nanoseconds.
class TimeLeft {
 public:
  /// One check: how often it is expected to be visited, and what the budget gives each visit. Checks of one
  /// kind are those that take much the same part of their share, numbered from 0 without gaps.
  struct Expected {
    int visits{};
    std::int64_t share_ns{};
    std::size_t kind{};
  };
  explicit TimeLeft(const std::vector<Expected>& checks);

  /// One visit of check `index` took so long. Not for one that could not be measured: how soon that was says
  /// nothing of the others.
  void visited(std::size_t index, std::int64_t took_ns);
  /// It is expected to be visited no more often than so many times from here on.
  void at_most(std::size_t index, int visits);
  /// It is visited so many times more than was expected.
  void more(std::size_t index, int visits);
  /// Its next visit, if one was expected, does not come.
  void finished(std::size_t index);

  /// None before the first visit. Every check is visited once, later visits come only within `room_ns`.
  std::optional<std::int64_t> left_ns(std::int64_t room_ns = std::numeric_limits<std::int64_t>::max()) const;

 private:
  struct Check {
    std::size_t kind{};
    int visits_left{};
    std::int64_t share_ns{};
    int visits{};
    std::int64_t first_ns{}, later_ns{};  ///< the first visit; all others
  };
  /// Sums, so that an answer costs nothing however many checks there are.
  struct Kind {
    double first_once_ns{};                 ///< of checks with one visit: first_ns times the visits to come
    double share_first_ns{};                ///< of checks without a visit: the share of the first
    double share_later_ns{};                ///< and of those after it
    double firsts_ns{}, firsts_share_ns{};  ///< first visits so far, and what the budget gave them
    double laters_ns{}, laters_first_ns{};  ///< later ones so far, and what the first of the same check took
  };
  void add(const Check& check, double sign);

  std::vector<Check> checks_;
  std::vector<Kind> kinds_;
  Kind all_;           ///< what was seen of all of them
  double known_ns_{};  ///< still to come of checks with a later visit
  std::int64_t visits_{};
};

}  // namespace fabricheck::plan
