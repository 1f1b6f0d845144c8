// From two readings of a port's counters to what moved, and from that to findings. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/finding.hpp"
#include "fabric/counters/counter_table.hpp"

namespace fabricheck::counters {

/// What is known of a port beside its counters.
struct PortIdentity {
  std::string device;
  int number{};
  std::string net_device;
  std::optional<std::vector<int>> lossless;  ///< priorities with PFC; unset: not known
  std::optional<int> job_priority;           ///< in which the job's class is sent; unset: not known
  bool in_software{};                        ///< Soft-RoCE and its like: late when its host is
  bool operator==(const PortIdentity&) const = default;
};

using Key = std::pair<Source, std::string>;  ///< where a counter is, and the driver's name for it

/// The counters of one port at one time; those that could not be read are not in it.
struct PortReading {
  PortIdentity port;
  std::map<Key, std::uint64_t> values;
  bool operator==(const PortReading&) const = default;
};

struct Change {
  Source source{};
  std::string name;  ///< the driver's
  double amount{};   ///< scaled: bytes, packets, microseconds, events
  bool operator==(const Change&) const = default;
};

/// What moved on a port.
struct PortChanges {
  std::string host;
  PortIdentity port;
  double duration_s{};
  std::vector<Change> changes;
  std::vector<std::string> notes;  ///< parts of a sentence: "symbol_error sticks at 65535"
  bool operator==(const PortChanges&) const = default;
};

/// What lies between two readings. A counter that fell was reset, or, one of fewer than 64 bits that was
/// above the half of its range, wrapped once. One that sticks at its largest value tells nothing more. A
/// counter that only one reading has tells nothing.
PortChanges changes_between(const PortReading& before, const PortReading& after, double duration_s);

/// Adds what moved in `more`, of the same port at another time.
void add(PortChanges& sum, const PortChanges& more);

/// What a check is judged by.
struct CheckCircumstances {
  std::string check_id;
  bool cut_short{};  ///< an error ended it: a peer that is gone explains repeats and failed requests
};

/// One counter of one port that is worth telling.
struct Trouble {
  const KindRow* kind{};
  Severity severity{};
  std::string host;
  std::string part;  ///< "mlx5_0", "mlx5_0 port 2"
  std::string what;  ///< "12 packet_seq_err in 3.2 s, 0.4 of a million packets"
  std::string check_id;
  bool excused{};  ///< by the end of a peer
};

struct CounterVerdict {
  std::map<std::string, double> moved;  ///< for CheckRecord::counters: by common name, over all ports
  std::vector<Trouble> troubles;
  std::string loss;  ///< empty, or a part of a sentence: "12 packet_seq_err at mlx5_0 of h7"
};

CounterVerdict judge(const std::vector<PortChanges>& ports, const CheckCircumstances& circumstances);

/// A rate that no single check is long enough to show: `sums` is what moved on each port in all checks that
/// were not cut short. Makes the troubles of a port as grave as the kind's limit over the whole run says.
void judge_whole_run(const std::vector<PortChanges>& sums, std::vector<Trouble>& troubles);

/// Troubles of a whole run: one finding for each severity and slug, parts and hosts folded, the gravest
/// first.
std::vector<Finding> findings_of(const std::vector<Trouble>& troubles);

/// Whether the job's class was used: of the bytes that went out in priorities, the share of the job's one.
struct ClassUse {
  std::optional<double> share;  ///< unset: not told
  std::string words;            ///< "priority 3 carried 99 % of 12.3 GB", "not told by this NIC"
};
ClassUse class_use(const PortChanges& port);

/// One finding each for the ports that used the job's class, did not, or do not tell. `sets_class`: what was
/// measured gives its packets the class itself, so that another one is a fault.
std::vector<Finding> class_findings(const std::vector<PortChanges>& ports, bool sets_class);

/// What goes over the wire to rank 0. decode() throws Error for a text that is none.
std::string encode(const std::vector<PortChanges>& ports);
std::vector<PortChanges> decode(const std::string& text);

}  // namespace fabricheck::counters
