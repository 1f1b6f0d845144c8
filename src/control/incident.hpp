// What the watchdog on rank 0 knows of all ranks, and whether it is time to end the job: pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fabricheck::control {

/// Where one rank was when it was last heard.
struct RankPosition {
  int rank{};
  std::string host;
  std::uint64_t phase{};
  std::uint64_t step{};  ///< as Progress counts them
  double silent_s{};
  bool is_reset{};  ///< its connection did not end as that of a process that dies does
};

enum class IncidentKind {
  lost,         ///< a rank's connection closed without a goodbye: it died
  silent,       ///< a rank's watchdog thread itself is no longer heard: stopped, or its host or link is gone
  stuck,        ///< all are heard and nothing moves
  failed,       ///< a rank said that it cannot go on (an exception inside an operation)
  interrupted,  ///< SIGINT or SIGTERM
};

struct Incident {
  IncidentKind kind{};
  /// Empty for stuck when all are at the same place; for interrupted those that were not heard any more when
  /// the signal came.
  std::vector<RankPosition> culprits;
  std::uint64_t phase{};  ///< rank 0's own place
  std::uint64_t step{};
  std::string text;  ///< the exception's words, or the signal's name
  /// For stuck: ranks that are not heard, so that nobody knows how far they are and nobody else is accused.
  std::vector<RankPosition> unheard;
  bool is_alone{};    ///< there is one rank, so that nobody waits for another
  bool whole_host{};  ///< all ranks of the culprits' host are affected
};

/// What is known of one rank. Ages are in seconds before now.
struct RankState {
  bool connected{};              ///< its heartbeats arrive, or did until it fell silent
  bool left{};                   ///< said goodbye
  bool terminated{};             ///< said that a signal ended it
  bool idle{};                   ///< only waits for the others
  double silent_s{};             ///< since it was heard, or took part in what all ranks did
  std::optional<double> lost_s;  ///< its connection closed without a goodbye
  std::uint64_t phase{};
  std::uint64_t step{};
  std::string failure;  ///< its own words, when it cannot go on
  bool is_reset{};      ///< lost_s by a reset, which something between can send, too
};

struct WorldState {
  std::vector<RankState> ranks;  ///< by rank; [0] is rank 0 itself
  std::vector<std::string> hosts;
  std::optional<double> signal_s;  ///< since the first SIGINT or SIGTERM anywhere
  std::string signal_name;
  double still_s{};  ///< since any rank moved
  double silence_limit_s{};
  double deadline_s{};
};

/// In this order: a rank's own failure, a death before any signal, a signal, silence, a standstill. A death
/// and a signal are held back for a moment, because their cause may arrive right after: whoever died first
/// closed first, and mpirun's own signal follows.
std::optional<Incident> find_incident(const WorldState& world);

}  // namespace fabricheck::control
