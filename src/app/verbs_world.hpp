// Verbs in this world: which port each rank measures with, and which pairs they make.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/options.hpp"
#include "core/run_record.hpp"
#include "fabric/verbs/measure/operations.hpp"
#include "plan/plan.hpp"
#include "topology/model/rank_nics.hpp"

namespace fabricheck::app {

/// What a rank tells all others of its port.
struct RankPort {
  std::string nic;  ///< empty: none
  int port{};
  int rail{};
  std::optional<double> rate_Gbps;  ///< of the port, or what its PCIe link carries where that is less
  bool behind_pcie{};               ///< it is the latter
  bool in_software{};
  /// Domain, bus and slot, "0000:01:00": what has the same shares a PCIe link. Empty: not known.
  std::string card;
  std::optional<double> link_Gbps;  ///< what that link carries, where it is trained as it can be
  bool virtual_function{};
  std::string unavailable;  ///< why it cannot be measured with, "no RDMA device on node7"; empty: it can
  bool operator==(const RankPort&) const = default;
};

/// What a port can send and receive: its rate, or less where its PCIe link carries less although it is
/// trained as it can be. One that is not is a fault, and excuses nothing. Tells the card, too.
void tell_rate(const Host& host, const RdmaDevice& device, const RdmaPort& port, RankPort& told);

/// Why no port of this host could be chosen, a part of a sentence.
std::string no_port_because(const Host& host);

/// On one line, without line breaks and tabs in it but those between the fields.
std::string rank_port_to_text(const RankPort& port);
RankPort rank_port_from_text(const std::string& text);

/// The leader of a host chooses for its ranks, the i-th of which drives the i-th of `gpus` (indices into
/// Host::gpus); what it tells them, one line per local rank: "device port rail" or "-".
std::string chosen_nics(const Host& host, int local_ranks, const std::vector<std::size_t>& gpus,
                        const LinkOptions& links);

/// Opens what this rank was given: `line` of chosen_nics(), `host` with the RDMA devices. A port that cannot
/// be opened is told in Setup::unavailable, and to all others in `told`. Throws UsageError for options that
/// the device cannot have.
verbs::Setup open_port(const std::string& line, const Host& host, const RunOptions& options,
                       const verbs::EnvironmentLookup& environment, RankPort& told);

/// Puts the rounds of pairs into `request`, or why there are none. Returns whose pairs are left out and why.
std::vector<NotTested> plan_pairs(const std::vector<RankPort>& ports, const ClusterTopology& topology,
                                  const VerbsOptions& options, Suite suite, plan::Request& request);

}  // namespace fabricheck::app
