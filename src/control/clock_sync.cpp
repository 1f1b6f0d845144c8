#include "control/clock_sync.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <vector>

namespace fabricheck::control {
namespace {

constexpr int exchanges = 60;
constexpr int fastest = 6;
constexpr double asymmetry_allowance = 0.1;
constexpr std::int64_t rate_baseline_ns = 20'000'000;

template <class T>
std::span<std::byte> writable(T& value) {
  return std::as_writable_bytes(std::span<T, 1>(&value, 1));
}
template <class T>
std::span<const std::byte> readable(const T& value) {
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

/// A parent's relation as it travels to its child.
struct Message {
  double offset_ns;
  double rate;
  double error_ns;
  std::int64_t reference_ns;  ///< relative to the parent's fixed reference, as its answers are
};

struct Exchange {
  double offset_ns;
  double round_trip_ns;
  std::int64_t at_ns;
};

}  // namespace

std::string boot_identity() {
  std::string boot;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> boot;
  return boot;
}

std::string clock_identity(const std::string& host) {
  const std::string boot = boot_identity();
  std::error_code error;
  const auto time_namespace = std::filesystem::read_symlink("/proc/self/ns/time", error);
  return host + "|" + boot + "|" + (error ? std::string() : time_namespace.string());
}

HierarchicalClock::HierarchicalClock(Communicator& group, const Clock& clock, const std::string& identity)
    : clock_(clock) {
  const std::vector<std::string> all = allgather_strings(group, identity);
  std::vector<std::string> distinct;
  for (const std::string& one : all)
    if (std::find(distinct.begin(), distinct.end(), one) == distinct.end()) distinct.push_back(one);
  clocks_ = static_cast<int>(distinct.size());
  const int mine = static_cast<int>(std::find(distinct.begin(), distinct.end(), identity) - distinct.begin());
  peers_ = group.split(mine, group.rank());
  leaders_ = group.split(peers_->rank() == 0 ? 0 : -1, group.rank());
}

HierarchicalClock::Relation HierarchicalClock::measure_against(int parent, std::int64_t& at_local_ns) {
  // The child asks, the parent answers with its own two times (local to the parent, relative to its
  // reference).
  std::array<Exchange, exchanges> seen{};
  for (Exchange& one : seen) {
    const std::int64_t sent = clock_.now_ns();
    leaders_->send(readable(sent), parent);
    std::array<std::int64_t, 2> answer{};
    leaders_->receive(std::as_writable_bytes(std::span(answer)), parent);
    const std::int64_t received = clock_.now_ns();
    const double out = static_cast<double>(answer[0]) - static_cast<double>(sent - reference_ns_);
    const double back = static_cast<double>(answer[1]) - static_cast<double>(received - reference_ns_);
    one = {(out + back) / 2.0,
           static_cast<double>(received - sent) - static_cast<double>(answer[1] - answer[0]),
           sent + (received - sent) / 2};
  }
  std::sort(seen.begin(), seen.end(),
            [](const Exchange& a, const Exchange& b) { return a.round_trip_ns < b.round_trip_ns; });
  double lo = seen[0].offset_ns, hi = lo;
  for (int i = 1; i < fastest; ++i) {
    lo = std::min(lo, seen[static_cast<std::size_t>(i)].offset_ns);
    hi = std::max(hi, seen[static_cast<std::size_t>(i)].offset_ns);
  }
  at_local_ns = seen[0].at_ns;
  return {seen[0].offset_ns, (hi - lo) / 2.0 + asymmetry_allowance * seen[0].round_trip_ns / 2.0};
}

void HierarchicalClock::serve(int child) {
  for (int i = 0; i < exchanges; ++i) {
    std::int64_t ignored{};
    leaders_->receive(writable(ignored), child);
    const std::int64_t received = clock_.now_ns() - reference_ns_;
    const std::array<std::int64_t, 2> answer{received, clock_.now_ns() - reference_ns_};
    leaders_->send(std::as_bytes(std::span(answer)), child);
  }
}

CommonClock HierarchicalClock::tree_round() {
  // Parents first: a rank knows its relation before its children ask. Bits from the highest: rank r joins in
  // the round of its highest set bit.
  CommonClock mine{0.0, 0.0, reference_ns_, 0.0};
  const int rank = leaders_->rank(), size = leaders_->size();
  for (int bit = 1; bit < size; bit *= 2) {
    if (rank < bit && rank + bit < size) {
      const Message message{mine.offset_ns, mine.skew, mine.error_us * 1000.0,
                            mine.reference_ns - reference_ns_};
      leaders_->send(readable(message), rank + bit);
      serve(rank + bit);
    } else if (rank >= bit && rank < 2 * bit) {
      Message parent{};
      leaders_->receive(writable(parent), rank - bit);
      std::int64_t at_ns = 0;
      const Relation relation = measure_against(rank - bit, at_ns);
      const double parent_local = static_cast<double>(at_ns - reference_ns_) + relation.offset_ns;
      const double since = parent_local - static_cast<double>(parent.reference_ns);
      mine.reference_ns = at_ns;
      mine.offset_ns = since * (1.0 + parent.rate) + parent.offset_ns;
      mine.skew = last_.skew;
      mine.error_us = (parent.error_ns + relation.error_ns) / 1000.0;
    }
  }
  return mine;
}

CommonClock HierarchicalClock::synchronise() {
  if (reference_ns_ == 0) reference_ns_ = clock_.now_ns();
  CommonClock now;
  if (leaders_) {
    now = tree_round();
    if (leaders_->size() > 1) {
      if (!known_) {
        // Two series apart give the rate; the root only waits.
        const CommonClock first = now;
        clock_.sleep_ns(rate_baseline_ns);
        now = tree_round();
        rate_base_ = first;
      }
      if (leaders_->rank() > 0) {
        const double local_span = static_cast<double>(now.reference_ns - rate_base_.reference_ns);
        const double rate_error = 1000.0 * (now.error_us + rate_base_.error_us) / local_span;
        if (known_) {
          const double predicted = last_.to_common_ns(now.reference_ns);
          now.error_us += std::abs(predicted - now.offset_ns) / 1000.0;
        } else {
          // Over the quarter second until the next synchronisation; afterwards the drift itself is seen.
          now.error_us += rate_error * 25e3;
        }
        // A short check's next synchronisation follows at once: divided by so little time, the error of the
        // two relations would be most of the rate, so the known one stays.
        if (!known_ || local_span >= static_cast<double>(rate_baseline_ns)) {
          now.skew = (now.offset_ns - rate_base_.offset_ns) / local_span - 1.0;
          rate_base_ = now;
        }
      }
      known_ = true;
    }
    last_ = now;
  }
  struct Shared {
    double offset_ns, skew, error_us;
    std::int64_t reference_ns;
  } shared{now.offset_ns, now.skew, now.error_us, now.reference_ns};
  // Peers read the same clock, so the leader's relation is theirs to the nanosecond.
  peers_->broadcast(writable(shared), 0);
  return {shared.offset_ns, shared.skew, shared.reference_ns, shared.error_us};
}

}  // namespace fabricheck::control
