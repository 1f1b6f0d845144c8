#include "topology/judge/link_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "topology/judge/attribute_table.hpp"
#include "topology/judge/differences.hpp"
#include "topology/judge/link_fault_kinds.hpp"
#include "topology/model/merge.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// Of topology.consistency's attributes those that a link's setting is made of.
bool is_of_link(const Attribute* attribute) {
  static const std::array<const Attribute*, 8> of_link{
      &attribute::firmware, &attribute::port_state, &attribute::rate, &attribute::active_mtu,
      &attribute::net_mtu,  &attribute::ipoib_mtu,  &attribute::gid,  &attribute::memlock};
  return std::find(of_link.begin(), of_link.end(), attribute) != of_link.end();
}

/// Hosts that have such ports at all are compared; which others lack them is topology.consistency's to say.
void compare(const ClusterTopology& cluster, const std::vector<Host>& kinds, Differences& differences) {
  auto hosts = hosts_by_kind(cluster);
  std::vector<std::size_t> weights;
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    if (kinds[kind].rdma_devices.empty()) hosts[kind].clear();
    weights.push_back(hosts[kind].size());
  }
  const Union all = union_of(kinds, weights);
  Comparison comparison(cluster, hosts);
  for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
    if (hosts[kind].empty()) continue;
    for (const Observation& one : observations(kinds[kind], kind, all))
      if (is_of_link(one.attribute)) comparison.add(kind, one);
    for (const Observation& one : link_observations(kinds[kind], kind, all)) comparison.add(kind, one);
  }
  comparison.tell(differences);
}

/// What no active port of the cluster tells, in a few words each.
std::set<std::string> not_told(const std::vector<Host>& kinds, bool& any_active) {
  std::set<std::string> words;
  for (const Host& kind : kinds) {
    for (const RdmaDevice& device : kind.rdma_devices) {
      for (const RdmaPort& port : device.ports) {
        if (port.state != "ACTIVE") continue;
        any_active = true;
        const auto need = [&](bool known, const char* what) {
          if (!known) words.insert(what);
        };
        need(port.active_mtu_bytes.has_value(), "RDMA MTU");
        if (port.link_layer == "InfiniBand") {
          need(port.pkeys.has_value(), "partition keys");
          need(port.sm_lid.has_value(), "subnet manager");
          need(port.max_rate_Gbps.has_value(), "the best rate of the links");
          continue;
        }
        const PortClasses classes = port.classes.value_or(PortClasses{});
        need(classes.pfc.has_value(), "PFC");
        need(classes.trust.has_value(), "trust");
        need(classes.ecn_answers && classes.ecn_slows, "ECN");
      }
    }
  }
  return words;
}

void conclude(const Differences& differences, const std::set<std::string>& unknown, bool any_active,
              CheckRecord& check) {
  constexpr std::size_t most_listed = 4;
  std::vector<std::string> sentences;
  if (differences.book.parts_at_fault() > 0) sentences.push_back(differences.book.summary());
  if (!differences.ties.empty())
    sentences.push_back("a tie, nobody is accused: " + joined(differences.ties, "; ", most_listed));
  if (const std::string remarks = differences.book.remarks(); !remarks.empty()) sentences.push_back(remarks);
  if (!differences.remarks.empty()) sentences.push_back(joined(differences.remarks, "; ", most_listed));
  if (!unknown.empty()) {
    const std::vector<std::string> words(unknown.begin(), unknown.end());
    sentences.push_back("not known on some or all ports: " + joined(words, ", ", words.size()));
  }
  if (!any_active) sentences.emplace_back("no port is active");
  check.reason = joined(sentences, "; ", sentences.size());
  check.value = static_cast<double>(differences.book.parts_at_fault());
  check.verdict = differences.book.parts_at_fault() > 0  ? Verdict::fail
                  : differences.undecided || !any_active ? Verdict::inconclusive
                                                         : Verdict::pass;
}

Judged judge_links(const ClusterTopology& cluster, const JobNetwork& job, const char* id, const char* title,
                   const std::string& link_layer) {
  Judged judged;
  CheckRecord& check = judged.check;
  check.id = id;
  check.title = title;
  check.scope = "between nodes";
  check.metric = "faults";
  check.parameters["nodes"] = static_cast<std::int64_t>(cluster.hosts.size());
  for (const HostEntry& host : cluster.hosts) check.participants.push_back(host.name);
  std::vector<Host> kinds;
  bool any = false;
  for (const Host& kind : cluster.kinds) {
    kinds.push_back(only_ports_of(kind, link_layer));
    any = any || !kinds.back().rdma_devices.empty();
  }
  if (!any) {
    check.verdict = Verdict::skipped;
    check.reason = fmt::format("no {} port on any host", link_layer == "Ethernet" ? "RoCE" : link_layer);
    return judged;
  }
  Differences differences(cluster, check.id);
  for (std::size_t i = 0; i < cluster.hosts.size(); ++i)
    for (const LinkFault& fault : link_faults(only_ports_of(whole_host(cluster, i), link_layer), job))
      differences.book.add(i, *fault.kind, fault.part, fault.what);
  if (cluster.hosts.size() > 1) compare(cluster, kinds, differences);
  bool any_active = false;
  const auto unknown = not_told(kinds, any_active);
  conclude(differences, unknown, any_active, check);
  judged.findings = differences.book.findings();
  return judged;
}

}  // namespace

Judged judge_roce_config(const ClusterTopology& cluster, const JobNetwork& job) {
  return judge_links(cluster, job, "roce.config", "RoCE ports are set up for training, and alike",
                     "Ethernet");
}

Judged judge_ib_config(const ClusterTopology& cluster, const JobNetwork& job) {
  return judge_links(cluster, job, "ib.config", "InfiniBand ports are set up for training, and alike",
                     "InfiniBand");
}

}  // namespace fabricheck::topology
