#include "control/incident.hpp"

#include <algorithm>
#include <utility>

namespace fabricheck::control {
namespace {

/// How long others' bad news may come after the first.
constexpr double grace_s = 0.15;
/// Deaths so close together have one cause.
constexpr double same_death_s = 0.02;
/// A death that is seen so shortly after a signal may still be its cause.
constexpr double signal_slack_s = 0.05;
/// Those silent for nearly as long as the first fell silent with it, a heartbeat earlier or later.
constexpr double same_silence = 0.8;
/// Several heartbeats: who was not heard for so long when a signal came is likely why it was sent.
constexpr double suspicious_silence_s = 2.0;

class Finder {
 public:
  explicit Finder(const WorldState& world) : world_(world) {
    incident_.phase = world.ranks[0].phase;
    incident_.step = world.ranks[0].step;
    incident_.is_alone = world.ranks.size() == 1;
  }

  std::optional<Incident> find() {
    const bool found = failed() || lost() || interrupted() || silent() || stuck();
    if (!found || waits_) return std::nullopt;
    mark_whole_host();
    return incident_;
  }

 private:
  template <class IsCulprit>
  bool accuse(IncidentKind kind, IsCulprit&& is_culprit) {
    incident_.kind = kind;
    for (std::size_t rank = 0; rank < world_.ranks.size(); ++rank) {
      const RankState& one = world_.ranks[rank];
      if (is_culprit(one)) incident_.culprits.push_back(position(rank));
    }
    return true;
  }

  RankPosition position(std::size_t rank) const {
    const RankState& one = world_.ranks[rank];
    const std::string host = rank < world_.hosts.size() ? world_.hosts[rank] : "?";
    return {static_cast<int>(rank), host, one.phase, one.step, one.silent_s, one.is_reset};
  }

  bool failed() {
    for (const RankState& rank : world_.ranks)
      if (!rank.failure.empty()) {
        incident_.text = rank.failure;
        return accuse(IncidentKind::failed, [](const RankState& one) { return !one.failure.empty(); });
      }
    return false;
  }

  bool lost() {
    const auto died = [](const RankState& one) { return one.lost_s && !one.terminated; };
    std::optional<double> first_s;
    for (const RankState& rank : world_.ranks)
      if (died(rank)) first_s = std::max(first_s.value_or(0.0), *rank.lost_s);
    // Whoever closes well after mpirun's own signal was killed by mpirun, not by what went wrong.
    if (!first_s || (world_.signal_s && *first_s < *world_.signal_s - signal_slack_s)) return false;
    if (*first_s < grace_s) return hold_back();
    return accuse(IncidentKind::lost,
                  [&](const RankState& one) { return died(one) && *one.lost_s >= *first_s - same_death_s; });
  }

  /// Something happened, and its cause may be on its way.
  bool hold_back() {
    waits_ = true;
    return true;
  }

  bool interrupted() {
    if (!world_.signal_s) return false;
    if (*world_.signal_s < grace_s) return hold_back();
    incident_.text = world_.signal_name;
    return accuse(IncidentKind::interrupted, [&](const RankState& one) {
      return one.connected && !one.left && !one.lost_s &&
             one.silent_s - *world_.signal_s > suspicious_silence_s;
    });
  }

  bool silent() {
    const auto silent_for = [](const RankState& one, double limit_s) {
      return one.connected && !one.left && !one.lost_s && one.silent_s > limit_s;
    };
    const bool any = std::any_of(world_.ranks.begin(), world_.ranks.end(), [&](const RankState& one) {
      return silent_for(one, world_.silence_limit_s);
    });
    return any && accuse(IncidentKind::silent, [&](const RankState& one) {
             return silent_for(one, same_silence * world_.silence_limit_s);
           });
  }

  /// The least advanced of those that are at work; when all are equally far nobody can be accused.
  bool stuck() {
    if (world_.still_s <= world_.deadline_s) return false;
    using Place = std::pair<std::uint64_t, std::uint64_t>;
    const auto place = [](const RankState& one) { return Place(one.phase, one.step); };
    const auto at_work = [](const RankState& one) { return one.connected && !one.idle; };
    std::optional<Place> least, most;
    std::size_t working = 0, waiting = 0;
    for (std::size_t rank = 0; rank < world_.ranks.size(); ++rank)
      if (!world_.ranks[rank].connected && !world_.ranks[rank].left)
        incident_.unheard.push_back(position(rank));
    if (!incident_.unheard.empty())
      return accuse(IncidentKind::stuck, [](const RankState&) { return false; });
    for (const RankState& rank : world_.ranks) {
      waiting += rank.connected && rank.idle ? 1 : 0;
      if (at_work(rank)) {
        ++working;
        least = least ? std::min(*least, place(rank)) : place(rank);
        most = most ? std::max(*most, place(rank)) : place(rank);
      }
    }
    return accuse(IncidentKind::stuck, [&](const RankState& one) {
      // Who alone does not end its part while others have ended theirs is behind them; of two at the same
      // place a message between them may be lost.
      const bool is_last = working == 1 && waiting > 0;
      return at_work(one) && (is_last || *least != *most) && place(one) == *least;
    });
  }

  void mark_whole_host() {
    if (incident_.culprits.empty()) return;
    const std::string& host = incident_.culprits.front().host;
    const auto of_host = std::count(world_.hosts.begin(), world_.hosts.end(), host);
    const bool one_host = std::all_of(incident_.culprits.begin(), incident_.culprits.end(),
                                      [&](const RankPosition& one) { return one.host == host; });
    incident_.whole_host = one_host && static_cast<std::size_t>(of_host) == incident_.culprits.size();
  }

  const WorldState& world_;
  Incident incident_;
  bool waits_{};
};

}  // namespace

std::optional<Incident> find_incident(const WorldState& world) { return Finder(world).find(); }

}  // namespace fabricheck::control
