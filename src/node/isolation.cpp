#include "node/isolation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace fabricheck::node {
namespace {

/// More than any probe has to say.
constexpr std::size_t kMostText = std::size_t{16} << 20;

process::ProcessId process_of(const StuckProbe& stuck) {
  return {static_cast<pid_t>(stuck.pid), stuck.start_ticks};
}

}  // namespace

Isolation::Isolation(std::vector<StuckProbe> stuck, double now_unix_s, const Deadline& whole)
    : stuck_(std::move(stuck)), now_unix_s_(now_unix_s), whole_(whole) {
  std::erase_if(stuck_, [](const StuckProbe& one) { return !process::is_running(process_of(one)); });
}

std::optional<double> Isolation::stuck_since(const std::string& probe) const {
  const auto found =
      std::find_if(stuck_.begin(), stuck_.end(), [&](const StuckProbe& one) { return one.probe == probe; });
  return found == stuck_.end() ? std::nullopt : std::optional(found->since_unix_s);
}

void Isolation::add_stuck(const std::string& probe, const process::ProcessId& child) {
  stuck_.push_back({probe, child.pid, child.start_ticks, now_unix_s_});
}

IsolatedAnswer Isolation::run(const std::string& probe, std::chrono::milliseconds deadline,
                              const std::function<void(int)>& work) {
  IsolatedAnswer answer;
  if (const auto since = stuck_since(probe)) {
    answer.hung = true;
    answer.stuck = true;
    const double seconds = std::max(0.0, now_unix_s_ - *since);
    answer.problem =
        seconds < 1 ? std::string("a process that cannot be killed still waits for it")
                    : fmt::format("a process that cannot be killed waits for it since {:.0f} s", seconds);
    return answer;
  }
  const auto limit = std::min(deadline, whole_.left());
  if (limit.count() <= 0) {
    answer.problem = "the budget had come to its end";
    return answer;
  }
  const process::ChildEnd end = process::run_in_child(work, limit, [&](std::string_view bytes) {
    answer.so_far.append(bytes.substr(0, kMostText - std::min(kMostText, answer.so_far.size())));
    return true;
  });
  if (end.left_behind) {
    add_stuck(probe, *end.left_behind);
    answer.stuck = true;
  }
  if (!end.failure.empty()) {
    answer.problem = end.failure;
  } else if (!end.in_time) {
    // What was left of the budget says nothing of who was asked.
    answer.hung = limit == deadline;
    answer.problem = fmt::format("did not answer within {} ms{}", limit.count(),
                                 answer.hung ? "" : ", which was all that the budget left");
  } else if (end.status != 0) {
    answer.problem = "its probe " + process::how_it_ended(end.status);
  } else {
    answer.text = answer.so_far;
  }
  return answer;
}

}  // namespace fabricheck::node
