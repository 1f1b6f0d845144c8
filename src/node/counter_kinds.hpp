// What the counters of a node count. One row a kind.
#pragma once

#include <array>
#include <span>

namespace fabricheck::node {

struct CounterKind {
  const char* name;
  const char* folder;   ///< of a NIC's port: "counters" or "hw_counters"; "": it is a GPU's
  const char* meaning;  ///< what it says when it moves
};

/// Retries, corrected errors and discards belong to healthy operation, and to jobs that were killed: a kind
/// is judged only where the site sets a limit for it.
inline constexpr std::array<CounterKind, 14> kCounterKinds{{
    {"pcie_replays", "", "PCIe packets that were sent again"},
    {"ecc_corrected", "", "memory errors that were corrected"},
    {"nvlink_replays", "", "NVLink packets that were sent again"},
    {"nvlink_recoveries", "", "NVLink retraining"},
    {"symbol_error", "counters", "bits of the physical link that could not be corrected"},
    {"link_downed", "counters", "times that the link went down"},
    {"link_error_recovery", "counters", "times that the link recovered by itself"},
    {"local_link_integrity_errors", "counters", "too many errors of the physical link"},
    {"port_rcv_errors", "counters", "packets received with an error"},
    {"excessive_buffer_overrun_errors", "counters", "buffer overruns"},
    {"out_of_sequence", "hw_counters", "packets that came out of order: loss in the network"},
    {"packet_seq_err", "hw_counters", "NAKs for packets that were lost"},
    {"local_ack_timeout_err", "hw_counters", "acknowledgements that did not come, as of a killed job"},
    {"rx_icrc_encapsulated", "hw_counters", "RoCE packets with a broken checksum"},
}};

inline constexpr std::span<const CounterKind> nic_counter_kinds() {
  return std::span<const CounterKind>(kCounterKinds).subspan(4);
}

}  // namespace fabricheck::node
