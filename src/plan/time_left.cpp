#include "plan/time_left.hpp"

#include <algorithm>

namespace fabricheck::plan {

TimeLeft::TimeLeft(const std::vector<Expected>& checks) {
  for (const Expected& one : checks) {
    Check check;
    check.visits_left = one.visits;
    check.share_ns = one.share_ns;
    add(check, 1.0);
    checks_.push_back(check);
  }
}

void TimeLeft::add(const Check& check, double sign) {
  const double left = sign * check.visits_left;
  if (check.visits > 1) {
    known_ns_ += left * static_cast<double>(check.later_ns) / (check.visits - 1);
  } else if (check.visits == 1) {
    first_once_ns_ += left * static_cast<double>(check.first_ns);
  } else if (check.visits_left > 0) {
    const auto share_ns = static_cast<double>(check.share_ns);
    share_first_ns_ += sign * share_ns;
    share_later_ns_ += (left - sign) * share_ns;
  }
}

void TimeLeft::visited(std::size_t index, std::int64_t took_ns) {
  Check& check = checks_[index];
  add(check, -1.0);
  if (check.visits == 0) {
    check.first_ns = took_ns;
    firsts_ns_ += static_cast<double>(took_ns);
    firsts_share_ns_ += static_cast<double>(check.share_ns);
  } else {
    check.later_ns += took_ns;
    laters_ns_ += static_cast<double>(took_ns);
    laters_first_ns_ += static_cast<double>(check.first_ns);
  }
  ++check.visits;
  if (check.visits_left > 0) --check.visits_left;
  add(check, 1.0);
  ++visits_;
}

void TimeLeft::finished(std::size_t index) {
  Check& check = checks_[index];
  add(check, -1.0);
  check.visits_left = 0;
  add(check, 1.0);
}

std::optional<std::int64_t> TimeLeft::left_ns(std::int64_t room_ns) const {
  if (visits_ == 0) return std::nullopt;
  const double to_budget = firsts_share_ns_ > 0.0 ? firsts_ns_ / firsts_share_ns_ : 0.0;
  const double later_to_first = laters_first_ns_ > 0.0 ? laters_ns_ / laters_first_ns_ : 1.0;
  const double first_ns = to_budget * share_first_ns_;
  const double later_ns = known_ns_ + later_to_first * (first_once_ns_ + to_budget * share_later_ns_);
  const double within_ns = std::min(first_ns + later_ns, static_cast<double>(room_ns));
  return static_cast<std::int64_t>(std::max(first_ns, within_ns));
}

}  // namespace fabricheck::plan
