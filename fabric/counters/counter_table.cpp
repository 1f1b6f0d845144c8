#include "fabric/counters/counter_table.hpp"

#include <algorithm>
#include <array>

namespace fabricheck::counters {
namespace {

constexpr auto port = Source::counters;
constexpr auto hw = Source::hw_counters;
constexpr auto eth = Source::ethtool;

// `counters`: InfiniBand Architecture Specification 1.4, section 16.1.3 (PortCounters), whose error counters
// stick at their largest value; the kernel takes traffic from PortCountersExtended, 64 bits wide.
// `hw_counters`: the kernel's drivers mlx5_ib (counters.c; Q counters are 32 bits wide), bnxt_re
// (hw_counters.c), irdma (verbs.c), efa (efa_verbs.c), rdma_rxe (rxe_hw_counters.c). `ethtool`: mlx5_core
// (en_stats.c and the kernel's document mlx5/counters.rst), bnxt_en (bnxt_ethtool.c), ice (ice_ethtool.c).
constexpr std::array rows{
    CounterRow{port, "port_xmit_data", "bytes_sent", Kind::bytes_sent, 64, false, 4},
    CounterRow{port, "port_xmit_packets", "packets_sent", Kind::packets_sent, 64, false},
    CounterRow{port, "port_xmit_wait", "xmit_wait", Kind::credit_wait, 32, true},
    CounterRow{port, "port_xmit_discards", "send_discards", Kind::discard, 16, true},
    CounterRow{port, "port_rcv_errors", "receive_errors", Kind::link_error, 16, true},
    CounterRow{port, "port_rcv_remote_physical_errors", "remote_physical_errors", Kind::remote_error, 16,
               true},
    CounterRow{port, "symbol_error", "symbol_errors", Kind::symbol_error, 16, true},
    CounterRow{port, "link_downed", "link_downed", Kind::link_down, 8, true},
    CounterRow{port, "link_error_recovery", "link_recoveries", Kind::link_error, 8, true},
    CounterRow{port, "local_link_integrity_errors", "link_integrity_errors", Kind::link_error, 4, true},
    CounterRow{port, "excessive_buffer_overrun_errors", "buffer_overruns", Kind::link_error, 4, true},

    // mlx5
    CounterRow{hw, "packet_seq_err", "retransmissions", Kind::retransmission, 32, false},
    CounterRow{hw, "local_ack_timeout_err", "ack_timeouts", Kind::retransmission, 32, false},
    CounterRow{hw, "implied_nak_seq_err", "retransmissions_implied", Kind::retransmission, 32, false},
    CounterRow{hw, "roce_adp_retrans", "adaptive_retransmissions", Kind::retransmission, 32, false},
    CounterRow{hw, "roce_adp_retrans_to", "adaptive_timeouts", Kind::retransmission, 32, false},
    CounterRow{hw, "duplicate_request", "duplicate_requests", Kind::sequence_gap, 32, false},
    CounterRow{hw, "out_of_sequence", "out_of_sequence", Kind::sequence_gap, 32, false},
    CounterRow{hw, "rnr_nak_retry_err", "receiver_not_ready", Kind::receiver_wait, 32, false},
    CounterRow{hw, "out_of_buffer", "out_of_buffer", Kind::receiver_wait, 32, false},
    CounterRow{hw, "req_transport_retries_exceeded", "retries_exceeded", Kind::retry_exceeded, 32, false},
    CounterRow{hw, "req_rnr_retries_exceeded", "rnr_retries_exceeded", Kind::retry_exceeded, 32, false},
    CounterRow{hw, "rx_icrc_encapsulated", "icrc_errors", Kind::link_error, 64, false},
    CounterRow{hw, "np_ecn_marked_roce_packets", "ecn_marked", Kind::congestion, 64, false},
    CounterRow{hw, "np_cnp_sent", "cnp_sent", Kind::congestion, 64, false},
    CounterRow{hw, "rp_cnp_handled", "cnp_received", Kind::congestion, 64, false},
    CounterRow{hw, "rp_cnp_ignored", "cnp_ignored", Kind::congestion, 64, false},
    CounterRow{hw, "roce_slow_restart", "slow_restarts", Kind::congestion, 32, false},
    CounterRow{hw, "req_cqe_error", "request_errors", Kind::transport_error, 32, false},
    CounterRow{hw, "resp_cqe_error", "response_errors", Kind::transport_error, 32, false},
    CounterRow{hw, "req_remote_access_errors", "remote_access_errors", Kind::transport_error, 32, false},
    CounterRow{hw, "resp_remote_access_errors", "remote_access_errors_here", Kind::transport_error, 32,
               false},
    CounterRow{hw, "resp_local_length_error", "length_errors", Kind::transport_error, 32, false},
    CounterRow{hw, "req_remote_invalid_request", "invalid_requests", Kind::transport_error, 32, false},
    CounterRow{hw, "req_cqe_flush_error", "flushed_requests", Kind::flushed, 32, false},
    CounterRow{hw, "resp_cqe_flush_error", "flushed_responses", Kind::flushed, 32, false},

    // rdma_rxe: the name of a packet that came too late or too early is the responder's
    CounterRow{hw, "sent_pkts", "packets_sent", Kind::packets_sent, 64, false},
    CounterRow{hw, "completer_retry_err", "ack_timeouts", Kind::retransmission, 64, false},
    CounterRow{hw, "rcvd_seq_err", "retransmissions", Kind::retransmission, 64, false},
    CounterRow{hw, "out_of_seq_request", "out_of_sequence", Kind::sequence_gap, 64, false},
    CounterRow{hw, "retry_exceeded_err", "retries_exceeded", Kind::retry_exceeded, 64, false},
    CounterRow{hw, "retry_rnr_exceeded_err", "rnr_retries_exceeded", Kind::retry_exceeded, 64, false},
    CounterRow{hw, "rcvd_rnr_err", "receiver_not_ready", Kind::receiver_wait, 64, false},
    CounterRow{hw, "send_err", "send_discards", Kind::discard, 64, false},
    CounterRow{hw, "link_downed", "link_downed", Kind::link_down, 64, false},

    // bnxt_re and efa share names of traffic
    CounterRow{hw, "tx_bytes", "bytes_sent", Kind::bytes_sent, 64, false},
    CounterRow{hw, "tx_pkts", "packets_sent", Kind::packets_sent, 64, false},
    CounterRow{hw, "to_retransmits", "ack_timeouts", Kind::retransmission, 64, false},
    CounterRow{hw, "seq_err_naks_rcvd", "retransmissions", Kind::retransmission, 64, false},
    CounterRow{hw, "missing_resp", "missing_responses", Kind::retransmission, 64, false},
    CounterRow{hw, "oos_drop_count", "out_of_sequence", Kind::sequence_gap, 64, false},
    CounterRow{hw, "dup_req", "duplicate_requests", Kind::sequence_gap, 64, false},
    CounterRow{hw, "max_retry_exceeded", "retries_exceeded", Kind::retry_exceeded, 64, false},
    CounterRow{hw, "rnr_naks_rcvd", "receiver_not_ready", Kind::receiver_wait, 64, false},
    CounterRow{hw, "rx_out_of_buffer", "out_of_buffer", Kind::receiver_wait, 64, false},
    CounterRow{hw, "rx_roce_discards", "receive_discards", Kind::discard, 64, false},
    CounterRow{hw, "tx_roce_discards", "send_discards", Kind::discard, 64, false},
    CounterRow{hw, "rx_roce_errors", "receive_errors", Kind::link_error, 64, false},
    CounterRow{hw, "unrecoverable_err", "request_errors", Kind::transport_error, 64, false},
    CounterRow{hw, "local_protection_err", "protection_errors", Kind::transport_error, 64, false},
    CounterRow{hw, "remote_access_err", "remote_access_errors", Kind::transport_error, 64, false},
    CounterRow{hw, "rx_ecn_marked_pkts", "ecn_marked", Kind::congestion, 64, false},
    CounterRow{hw, "tx_cnp_pkts", "cnp_sent", Kind::congestion, 64, false},
    CounterRow{hw, "rx_cnp_pkts", "cnp_received", Kind::congestion, 64, false},

    // efa: SRD resends over other paths as a matter of course
    CounterRow{hw, "rx_drops", "receive_discards", Kind::discard, 64, false},
    CounterRow{hw, "retrans_pkts", "rerouted_packets", Kind::rerouted, 64, false},
    CounterRow{hw, "retrans_timeout_events", "rerouted_timeouts", Kind::rerouted, 64, false},
    CounterRow{hw, "unresponsive_remote_events", "retries_exceeded", Kind::retry_exceeded, 64, false},
    CounterRow{hw, "impaired_remote_conn_events", "impaired_connections", Kind::transport_error, 64, false},

    // irdma; newer ones have names with spaces in them
    CounterRow{hw, "RetransSegs", "retransmissions", Kind::retransmission, 64, false},
    CounterRow{hw, "tcpRetransSegs", "retransmissions", Kind::retransmission, 64, false},
    CounterRow{hw, "Nak Sequence Error", "sequence_naks", Kind::retransmission, 64, false},
    CounterRow{hw, "RTO", "ack_timeouts", Kind::retransmission, 64, false},
    CounterRow{hw, "Rcvd Out of order packets", "out_of_sequence", Kind::sequence_gap, 64, false},
    CounterRow{hw, "RNR received", "receiver_not_ready", Kind::receiver_wait, 64, false},
    CounterRow{hw, "CRC errors", "icrc_errors", Kind::link_error, 64, false},
    CounterRow{hw, "cnpHandled", "cnp_received", Kind::congestion, 32, false},
    CounterRow{hw, "cnpIgnored", "cnp_ignored", Kind::congestion, 32, false},
    CounterRow{hw, "cnpSent", "cnp_sent", Kind::congestion, 32, false},
    CounterRow{hw, "RxECNMrkd", "ecn_marked", Kind::congestion, 64, false},
    CounterRow{hw, "ip4InDiscards", "receive_discards", Kind::discard, 64, false},
    CounterRow{hw, "ip6InDiscards", "receive_discards_ipv6", Kind::discard, 64, false},

    // mlx5_core
    CounterRow{eth, "tx_prio#_bytes", "prio#_bytes_sent", Kind::class_bytes, 64, false},
    CounterRow{eth, "rx_prio#_discards", "prio#_discards", Kind::class_discard, 64, false},
    CounterRow{eth, "rx_prio#_buf_discard", "prio#_buffer_discards", Kind::class_discard, 64, false},
    CounterRow{eth, "rx_prio#_cong_discard", "prio#_congestion_discards", Kind::class_discard, 64, false},
    CounterRow{eth, "rx_prio#_pause", "prio#_pause_received", Kind::pause_received, 64, false},
    CounterRow{eth, "tx_prio#_pause", "prio#_pause_sent", Kind::pause_sent, 64, false},
    CounterRow{eth, "rx_prio#_pause_duration", "prio#_paused_us", Kind::paused_us, 64, false},
    CounterRow{eth, "tx_prio#_pause_duration", "prio#_pausing_us", Kind::pausing_us, 64, false},
    CounterRow{eth, "rx_global_pause", "pause_received", Kind::pause_received, 64, false},
    CounterRow{eth, "tx_global_pause", "pause_sent", Kind::pause_sent, 64, false},
    CounterRow{eth, "rx_global_pause_duration", "paused_us", Kind::paused_us, 64, false},
    CounterRow{eth, "tx_global_pause_duration", "pausing_us", Kind::pausing_us, 64, false},
    CounterRow{eth, "tx_pause_storm_warning_events", "pause_storm_warnings", Kind::pause_storm, 64, false},
    CounterRow{eth, "tx_pause_storm_error_events", "pause_storms", Kind::pause_storm, 64, false},
    CounterRow{eth, "rx_discards_phy", "receive_discards", Kind::discard, 64, false},
    CounterRow{eth, "tx_discards_phy", "send_discards_phy", Kind::discard, 64, false},
    CounterRow{eth, "rx_crc_errors_phy", "crc_errors", Kind::link_error, 64, false},
    CounterRow{eth, "rx_symbol_err_phy", "symbol_errors_phy", Kind::symbol_error, 64, false},
    CounterRow{eth, "rx_pcs_symbol_err_phy", "symbol_errors_pcs", Kind::symbol_error, 64, false},
    CounterRow{eth, "rx_corrected_bits_phy", "corrected_bits", Kind::corrected, 64, false},
    CounterRow{eth, "link_down_events_phy", "link_downed", Kind::link_down, 64, false},

    // bnxt_en
    CounterRow{eth, "tx_bytes_pri#", "prio#_bytes_sent", Kind::class_bytes, 64, false},
    CounterRow{eth, "rx_pfc_ena_frames_pri#", "prio#_pause_received", Kind::pause_received, 64, false},
    CounterRow{eth, "tx_pfc_ena_frames_pri#", "prio#_pause_sent", Kind::pause_sent, 64, false},
    CounterRow{eth, "pfc_pri#_rx_duration_us", "prio#_paused_us", Kind::paused_us, 64, false},
    CounterRow{eth, "pfc_pri#_tx_duration_us", "prio#_pausing_us", Kind::pausing_us, 64, false},
    CounterRow{eth, "rx_fcs_err_frames", "crc_errors", Kind::link_error, 64, false},
    CounterRow{eth, "rx_pcs_symbol_err", "symbol_errors_pcs", Kind::symbol_error, 64, false},
    CounterRow{eth, "rx_corrected_bits", "corrected_bits", Kind::corrected, 64, false},
    CounterRow{eth, "rx_fec_corrected_blocks", "corrected_blocks", Kind::corrected, 64, false},
    CounterRow{eth, "rx_fec_uncorrectable_blocks", "uncorrected_blocks", Kind::link_error, 64, false},
    CounterRow{eth, "link_down_events", "link_downed", Kind::link_down, 64, false},

    // ice
    CounterRow{eth, "rx_priority_#_xoff.nic", "prio#_pause_received", Kind::pause_received, 64, false},
    CounterRow{eth, "tx_priority_#_xoff.nic", "prio#_pause_sent", Kind::pause_sent, 64, false},
    CounterRow{eth, "rx_crc_errors.nic", "crc_errors", Kind::link_error, 64, false},
};

// Limits without a source beside them are our own choice: a retransmission goes back to the lost packet, so
// one in a million costs a window of some hundred packets in a million, 0.01 %; a pause of 1 % of the time
// costs 1 %.
constexpr double one_in_a_million = 1e-6;
constexpr double slow_symbols_per_s =
    0.1;  // a bit error rate of 1e-12 at 100 Gb/s, the worst that IBTA allows
constexpr double paused_share = 0.5;

constexpr const char* look_at_cable =
    "clean or replace the cable and its transceivers, first at the host, then at the switch port";
constexpr const char* cable_confirm =
    "ethtool -S NETDEV; ethtool -m NETDEV; on InfiniBand: perfquery; mlxlink -d DEVICE -m -c";

constexpr std::array kinds{
    KindRow{Kind::bytes_sent, Measured::never, 0, Severity::info, false, false, "", "", "", "", ""},
    KindRow{Kind::packets_sent, Measured::never, 0, Severity::info, false, false, "", "", "", "", ""},
    KindRow{Kind::class_bytes, Measured::never, 0, Severity::info, false, false, "", "", "", "", ""},
    KindRow{Kind::class_packets, Measured::never, 0, Severity::info, false, false, "", "", "", "", ""},
    KindRow{
        Kind::retransmission, Measured::per_packet, one_in_a_million, Severity::bad, true, true,
        "packets-retransmitted", "packets were sent again",
        "packets of RDMA connections were lost on the way: each loss stalls its connection until the packet "
        "is "
        "sent again",
        "on RoCE make the job's class lossless on NICs and switches (PFC on its priority, ECN), and look for "
        "discards at the switch ports of this rail; on InfiniBand and with a lossless class look for a bad "
        "cable",
        "rdma statistic show link DEVICE/PORT; grep . /sys/class/infiniband/DEVICE/ports/PORT/hw_counters/*"},
    KindRow{Kind::rerouted, Measured::never, 0, Severity::info, false, false, "", "packets took another path",
            "", "", ""},
    KindRow{
        Kind::retry_exceeded, Measured::any, 0, Severity::bad, true, true, "ib-retry-exceeded",
        "connections were given up",
        "a peer did not answer any of the repeated packets: the path to it is broken, or it has ended",
        "look at the link and the routes between the two hosts, at their GIDs and MTUs; if a job was ended "
        "meanwhile, that is the cause",
        "ping -I NETDEV PEER; ibv_rc_pingpong -d DEVICE -g INDEX PEER"},
    KindRow{Kind::sequence_gap, Measured::any, 0, Severity::info, true, true, "packets-out-of-order",
            "packets came out of order",
            "packets were lost or overtook each other on several paths; without retransmissions it is the "
            "latter, "
            "which adaptive routing does",
            "with retransmissions beside it look for loss; without, nothing needs to be done",
            "grep . /sys/class/infiniband/DEVICE/ports/PORT/hw_counters/*"},
    KindRow{Kind::receiver_wait, Measured::never, 0, Severity::info, false, true, "",
            "receivers were not ready", "", "", ""},
    KindRow{Kind::discard, Measured::any, 0, Severity::info, true, false, "packets-discarded",
            "packets were discarded",
            "the NIC threw packets away, in a class that its counter does not tell: RDMA traffic only if it "
            "was sent "
            "again, too",
            "see which class it was at the switch port and by the NIC's per-priority counters; give RDMA a "
            "class of its own "
            "with PFC",
            "ethtool -S NETDEV | grep -i discard"},
    KindRow{Kind::class_discard, Measured::any, 0, Severity::bad, true, false, "lossless-class-discards",
            "packets of a lossless class were discarded",
            "the NIC threw packets of a class away for which PFC should have stopped the sender",
            "enable PFC on this priority at the switch port, too, and check headroom and cable length "
            "settings of the "
            "NIC's receive buffer",
            "ethtool -S NETDEV | grep prio; mlnx_qos -i NETDEV; dcb pfc show dev NETDEV"},
    KindRow{Kind::congestion, Measured::never, 0, Severity::info, false, false, "",
            "congestion was signalled", "", "", ""},
    KindRow{Kind::pause_received, Measured::never, 0, Severity::info, false, false, "", "pause frames came",
            "", "", ""},
    KindRow{Kind::pause_sent, Measured::never, 0, Severity::info, false, false, "", "pause frames were sent",
            "", "", ""},
    KindRow{Kind::paused_us, Measured::share_of_time, paused_share, Severity::bad, false, false,
            "pfc-pause-storm", "was stopped by its switch",
            "the switch told this NIC to stop sending for a good part of the time: a receiver is slow, or "
            "pauses spread "
            "through the fabric",
            "find the host or switch port that sends the most pause frames, and mend that; turn on the "
            "switch's PFC watchdog",
            "ethtool -S NETDEV | grep pause"},
    KindRow{
        Kind::pausing_us, Measured::share_of_time, paused_share, Severity::bad, false, false,
        "nic-sends-pause", "stopped its switch",
        "this host takes packets more slowly than they come and stops the switch, which slows others, too",
        "look at the NIC's PCIe link (width, speed, relaxed ordering), at ACS and IOMMU, and at the memory "
        "its buffers "
        "are in",
        "ethtool -S NETDEV | grep -e pause -e pci; lspci -vv | grep LnkSta"},
    KindRow{
        Kind::pause_storm, Measured::any, 0, Severity::bad, false, false, "pfc-pause-storm",
        "had a pause storm",
        "the NIC sent pause frames for so long that its own guard took notice: the host did not take packets",
        "reset the host's NIC; look for a hung process or driver on it", "ethtool -S NETDEV | grep storm"},
    KindRow{Kind::credit_wait, Measured::never, 0, Severity::info, false, false, "",
            "data waited for the link", "", "", ""},
    KindRow{
        Kind::link_down, Measured::any, 0, Severity::bad, true, false, "link-flapped", "link went down",
        "the link went down and came back while it was measured: jobs lose their connections when it does",
        look_at_cable, cable_confirm},
    KindRow{Kind::symbol_error, Measured::per_second, slow_symbols_per_s, Severity::bad, false, false,
            "link-errors", "link errors",
            "the cable, a transceiver or a port has errors that cannot be corrected, and frames are lost",
            look_at_cable, cable_confirm},
    KindRow{Kind::link_error, Measured::any, 0, Severity::bad, true, false, "link-errors", "link errors",
            "the cable, a transceiver or a port has errors that cannot be corrected, and frames are lost",
            look_at_cable, cable_confirm},
    KindRow{
        Kind::remote_error, Measured::any, 0, Severity::info, true, false, "errors-elsewhere",
        "packets came that were marked as broken",
        "another link of the path broke packets and marked them (end bad packet): this port and its cable "
        "are not the cause",
        "look for symbol and link errors at the other ports of the path",
        "ibqueryerrors; perfquery -x of the switch ports between the two hosts"},
    KindRow{Kind::corrected, Measured::never, 0, Severity::info, false, false, "", "bits were corrected", "",
            "", ""},
    KindRow{Kind::transport_error, Measured::any, 0, Severity::info, false, true, "rdma-request-errors",
            "RDMA requests failed",
            "requests on this port were refused or failed; whether of this run or of another job is not told",
            "if nothing else ran on the host, read the program's own error for the connection",
            "grep . /sys/class/infiniband/DEVICE/ports/PORT/hw_counters/*"},
    KindRow{Kind::flushed, Measured::never, 0, Severity::info, false, false, "", "work was flushed", "", "",
            ""},
};

/// "tx_prio3_bytes" is of "tx_prio#_bytes", with priority 3.
bool matches(std::string_view pattern, std::string_view name, std::optional<int>& priority) {
  const std::size_t mark = pattern.find('#');
  if (mark == std::string_view::npos) return pattern == name;
  const std::string_view before = pattern.substr(0, mark), after = pattern.substr(mark + 1);
  if (name.size() != pattern.size() || name.substr(0, mark) != before || name.substr(mark + 1) != after)
    return false;
  if (name[mark] < '0' || name[mark] > '7') return false;
  priority = name[mark] - '0';
  return true;
}

}  // namespace

const char* source_name(Source source) {
  switch (source) {
    case Source::counters:
      return "counters";
    case Source::hw_counters:
      return "hw_counters";
    case Source::ethtool:
      break;
  }
  return "ethtool";
}

std::span<const CounterRow> counter_rows() { return rows; }

std::optional<FoundCounter> find_counter(Source source, std::string_view name) {
  for (const CounterRow& row : rows) {
    FoundCounter found{&row, std::nullopt};
    if (row.source == source && matches(row.name, name, found.priority)) return found;
  }
  return std::nullopt;
}

std::string common_name(const FoundCounter& counter) {
  std::string name = counter.row->common;
  const std::size_t mark = name.find('#');
  if (mark != std::string::npos && counter.priority) name.replace(mark, 1, std::to_string(*counter.priority));
  return name;
}

std::span<const KindRow> kind_rows() { return kinds; }

const KindRow& kind_row(Kind kind) {
  return *std::find_if(kinds.begin(), kinds.end(), [&](const KindRow& row) { return row.kind == kind; });
}

}  // namespace fabricheck::counters
