// What the counters of NICs mean: the one table of names, and the one table of what each kind of counter
// tells.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/finding.hpp"

namespace fabricheck::counters {

enum class Kind {
  bytes_sent,
  packets_sent,
  class_bytes,     ///< sent in one priority
  class_packets,   ///< received or sent in one priority
  retransmission,  ///< a packet was sent again, or asked for again
  rerouted,        ///< sent again over another path, as SRD does in the ordinary course
  retry_exceeded,  ///< a connection was given up
  sequence_gap,    ///< a packet came before an earlier one: lost, or overtaken on another path
  receiver_wait,   ///< receiver not ready
  discard,         ///< dropped here, in a class that is not told
  class_discard,   ///< dropped here, in one priority
  congestion,      ///< ECN marks, CNPs
  pause_received,  ///< frames
  pause_sent,
  paused_us,   ///< for how long the other end of the cable stopped us
  pausing_us,  ///< for how long we stopped it
  pause_storm,
  credit_wait,  ///< ticks in which data waited for the link (IB flow control)
  link_down,
  symbol_error,
  link_error,       ///< frames lost to a bad cable, transceiver or port
  remote_error,     ///< packets that another link of the path had broken before
  corrected,        ///< by forward error correction, without loss
  transport_error,  ///< a request that the other end refused, or one that failed here
  flushed,          ///< work that was thrown away when a connection was taken down
};

enum class Source { counters, hw_counters, ethtool };
const char* source_name(Source source);

struct CounterRow {
  Source source;
  const char* name;    ///< as the driver calls it; # stands for a priority
  const char* common;  ///< what results call it, the same for all drivers; # as above
  Kind kind;
  int bits;         ///< 64, or fewer: it wraps or sticks there
  bool saturates;   ///< sticks at its largest value until it is reset
  double scale{1};  ///< to bytes, packets, microseconds
};

std::span<const CounterRow> counter_rows();

struct FoundCounter {
  const CounterRow* row{};
  std::optional<int> priority;
};

/// The row of a driver's counter; nothing for one that tells nothing here.
std::optional<FoundCounter> find_counter(Source source, std::string_view name);

/// The name in results: "out_of_sequence", "prio3_discards".
std::string common_name(const FoundCounter& counter);

/// When a counter that moved is worth a finding.
enum class Measured { never, any, per_packet, per_second, share_of_time };

struct KindRow {
  Kind kind;
  Measured measured;
  double limit;  ///< up to it the finding is `info`; above it `severity`
  Severity severity;
  bool is_loss;       ///< a check that passed meanwhile says so
  bool by_dead_peer;  ///< what a peer that ended causes, too: no fault where the check was cut short
  const char* slug;
  const char* phrase;  ///< "packets were sent again"
  const char* meaning;
  const char* advice;
  const char* confirm;
};

const KindRow& kind_row(Kind kind);
std::span<const KindRow> kind_rows();

}  // namespace fabricheck::counters
