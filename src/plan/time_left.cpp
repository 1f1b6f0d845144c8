#include "plan/time_left.hpp"

#include <algorithm>

namespace fabricheck::plan {

TimeLeft::TimeLeft(const std::vector<Expected>& checks) {
  for (const Expected& one : checks) {
    Check check;
    check.kind = one.kind;
    check.visits_left = one.visits;
    check.share_ns = one.share_ns;
    kinds_.resize(std::max(kinds_.size(), one.kind + 1));
    add(check, 1.0);
    checks_.push_back(check);
  }
}

void TimeLeft::add(const Check& check, double sign) {
  const double left = sign * check.visits_left;
  Kind& kind = kinds_[check.kind];
  if (check.visits > 1) {
    known_ns_ += left * static_cast<double>(check.later_ns) / (check.visits - 1);
  } else if (check.visits == 1) {
    kind.first_once_ns += left * static_cast<double>(check.first_ns);
  } else if (check.visits_left > 0) {
    const auto share_ns = static_cast<double>(check.share_ns);
    kind.share_first_ns += sign * share_ns;
    kind.share_later_ns += (left - sign) * share_ns;
  }
}

void TimeLeft::visited(std::size_t index, std::int64_t took_ns) {
  Check& check = checks_[index];
  add(check, -1.0);
  for (Kind* seen : {&kinds_[check.kind], &all_}) {
    if (check.visits == 0) {
      seen->firsts_ns += static_cast<double>(took_ns);
      seen->firsts_share_ns += static_cast<double>(check.share_ns);
    } else {
      seen->laters_ns += static_cast<double>(took_ns);
      seen->laters_first_ns += static_cast<double>(check.first_ns);
    }
  }
  if (check.visits == 0)
    check.first_ns = took_ns;
  else
    check.later_ns += took_ns;
  ++check.visits;
  if (check.visits_left > 0) --check.visits_left;
  add(check, 1.0);
  ++visits_;
}

void TimeLeft::at_most(std::size_t index, int visits) {
  more(index, std::min(0, visits - checks_[index].visits_left));
}

void TimeLeft::more(std::size_t index, int visits) {
  Check& check = checks_[index];
  add(check, -1.0);
  check.visits_left += visits;
  add(check, 1.0);
}

void TimeLeft::finished(std::size_t index) { at_most(index, 0); }

std::optional<std::int64_t> TimeLeft::left_ns(std::int64_t room_ns) const {
  if (visits_ == 0) return std::nullopt;
  double first_ns = 0.0, later_ns = known_ns_;
  for (const Kind& kind : kinds_) {
    const Kind& of_firsts = kind.firsts_share_ns > 0.0 ? kind : all_;
    const Kind& of_laters = kind.laters_first_ns > 0.0 ? kind : all_;
    const double to_budget =
        of_firsts.firsts_share_ns > 0.0 ? of_firsts.firsts_ns / of_firsts.firsts_share_ns : 0.0;
    const double later_to_first =
        of_laters.laters_first_ns > 0.0 ? of_laters.laters_ns / of_laters.laters_first_ns : 1.0;
    first_ns += to_budget * kind.share_first_ns;
    later_ns += later_to_first * (kind.first_once_ns + to_budget * kind.share_later_ns);
  }
  const double within_ns = std::min(first_ns + later_ns, static_cast<double>(room_ns));
  return static_cast<std::int64_t>(std::max(first_ns, within_ns));
}

}  // namespace fabricheck::plan
