// Whether the job's traffic class was used: by the bytes that went out in each priority.
#include <fmt/format.h>

#include <array>
#include <set>

#include "core/units.hpp"
#include "fabric/counters/judgement.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::counters {
namespace {

/// Below it a port had no part in what was measured.
constexpr double least_bytes = 1e6;
/// Of the bytes in all priorities; the rest is other traffic of the host.
constexpr double used_share = 0.5;

struct UseKind {
  const char* slug;
  const char* meaning;
  const char* advice;
};
constexpr std::array<UseKind, 3> uses{
    {{"traffic-class-used", "the job's traffic class arrived in its priority, as the NIC counted", ""},
     {"traffic-class-not-used",
      "most of what was sent went out in another priority than the job's traffic class is of: what protects "
      "that class "
      "does not protect the job",
      "compare trust and the DSCP map of the NIC (mlnx_qos -i NETDEV), and see whether the NIC forces a "
      "class "
      "(/sys/class/infiniband/DEVICE/tc/PORT/traffic_class)"},
     {"traffic-class-not-told", "whether the job's traffic class was used is not told by these NICs", ""}}};

std::string part_of(const PortIdentity& port) {
  return port.number == 1 ? topology::printable(port.device)
                          : fmt::format("{} port {}", topology::printable(port.device), port.number);
}

/// Index into `uses`; nothing for a port that sent nothing.
std::optional<std::size_t> use_of(const PortChanges& port, const ClassUse& use) {
  double sent = 0;
  for (const Change& change : port.changes) {
    const auto found = find_counter(change.source, change.name);
    if (found && (found->row->kind == Kind::bytes_sent || found->row->kind == Kind::class_bytes ||
                  found->row->kind == Kind::packets_sent))
      sent += change.amount;
  }
  if (sent < least_bytes) return std::nullopt;
  if (!use.share) return 2;
  return *use.share >= used_share ? 0 : 1;
}

}  // namespace

ClassUse class_use(const PortChanges& port) {
  double all = 0, mine = 0;
  for (const Change& change : port.changes) {
    const auto found = find_counter(change.source, change.name);
    if (!found || found->row->kind != Kind::class_bytes) continue;
    all += change.amount;
    if (found->priority == port.port.job_priority) mine += change.amount;
  }
  if (!port.port.job_priority) return {std::nullopt, "the priority of the job's class is not known here"};
  if (all <= 0) return {std::nullopt, "not told by this NIC"};
  constexpr double giga = 1e9;
  return {mine / all, fmt::format("priority {} carried {} % of {} GB", *port.port.job_priority,
                                  format_number(100 * mine / all), format_number(all / giga))};
}

std::vector<Finding> class_findings(const std::vector<PortChanges>& ports, bool sets_class) {
  constexpr std::size_t most_evidence = 8;
  std::vector<Finding> findings;
  for (std::size_t kind = 0; kind < uses.size(); ++kind) {
    Finding finding;
    std::set<std::string> parts, hosts;
    for (const PortChanges& port : ports) {
      const ClassUse use = class_use(port);
      if (use_of(port, use) != kind) continue;
      parts.insert(part_of(port.port));
      hosts.insert(topology::printable(port.host));
      if (finding.evidence.size() < most_evidence)
        finding.evidence.push_back(
            {"", 0,
             fmt::format("{} of {}: {}", part_of(port.port), topology::printable(port.host), use.words)});
    }
    if (parts.empty()) continue;
    finding.slug = uses[kind].slug;
    finding.severity = kind == 1 && sets_class ? Severity::bad : Severity::info;
    finding.component = {"nic", topology::fold_names({parts.begin(), parts.end()}),
                         topology::fold_names({hosts.begin(), hosts.end()})};
    finding.meaning = uses[kind].meaning;
    finding.advice = uses[kind].advice;
    finding.confirm = "ethtool -S NETDEV | grep tx_prio";
    finding.confidence = "likely";
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace fabricheck::counters
