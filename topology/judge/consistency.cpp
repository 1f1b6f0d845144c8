#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <set>
#include <string_view>

#include "topology/judge/attribute_table.hpp"
#include "topology/judge/differences.hpp"
#include "topology/judge/judge.hpp"
#include "topology/judge/pci_presence.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// What a host that lost a part has another order of NICs from.
bool lost_a_part(const Comparison& comparison, std::size_t kind) {
  for (const char* slug :
       {attribute::gpus.fault.slug, attribute::nics.fault.slug, attribute::nics_beside.fault.slug,
        attribute::port_state.fault.slug, attribute::port_state_other.slug, attribute::rate.fault.slug,
        attribute::more_than_majority.slug})
    if (comparison.is_odd(kind, slug)) return true;
  return false;
}

constexpr FaultKind other_machine{
    "other-machine",
    Severity::info,
    "host",
    "has no GPU and is",
    "a login or CPU node among GPU nodes: what it has is not compared with theirs",
    "start the test on the hosts that jobs run on",
    "cat /sys/class/dmi/id/product_name",
    "likely"};

/// What boards say whose maker told nothing.
bool is_placeholder(std::string product) {
  std::transform(product.begin(), product.end(), product.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  constexpr std::array<std::string_view, 5> kNothing{"", "none", "default string", "to be filled by o.e.m.",
                                                     "system product name"};
  return std::find(kNothing.begin(), kNothing.end(), product) != kNothing.end();
}

/// Which kinds are no GPU nodes at all among a majority of such. One that lost all its GPUs is still the
/// product that the others are.
std::vector<bool> other_machines(const ClusterTopology& cluster,
                                 const std::vector<std::vector<std::size_t>>& hosts) {
  std::vector<bool> others(cluster.kinds.size(), false);
  std::set<std::string> products;
  std::size_t with_gpus = 0;
  for (std::size_t kind = 0; kind < others.size(); ++kind) {
    if (cluster.kinds[kind].gpus.empty()) continue;
    with_gpus += hosts[kind].size();
    products.insert(cluster.kinds[kind].environment.product);
  }
  if (2 * with_gpus <= cluster.hosts.size() || std::any_of(products.begin(), products.end(), is_placeholder))
    return others;
  for (std::size_t kind = 0; kind < others.size(); ++kind) {
    const std::string& product = cluster.kinds[kind].environment.product;
    others[kind] =
        cluster.kinds[kind].gpus.empty() && !is_placeholder(product) && products.count(product) == 0;
  }
  return others;
}

Finding note(const char* slug, const std::string& check, const std::vector<std::string>& sentences,
             const char* meaning, const char* advice) {
  Finding finding;
  finding.slug = slug;
  finding.severity = Severity::info;
  finding.component = {"cluster", "", ""};
  finding.meaning = meaning;
  constexpr std::size_t kMostEvidence = 32;
  for (const std::string& sentence : sentences) {
    if (finding.evidence.size() == kMostEvidence) break;
    finding.evidence.push_back({"", 0, sentence});
  }
  if (sentences.size() > kMostEvidence)
    finding.evidence.push_back({"", 0, fmt::format("and {} more", sentences.size() - kMostEvidence)});
  finding.advice = advice;
  finding.confirm = "fabricheck topology";
  finding.confidence = "certain";
  finding.explains = {check};
  return finding;
}

/// Hosts that show nothing are alike in what they show.
void tell_hidden(const ClusterTopology& cluster, const std::vector<std::vector<std::size_t>>& hosts,
                 Differences& differences) {
  std::vector<std::size_t> hidden;
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind)
    if (is_pci_hidden(cluster.kinds[kind]))
      hidden.insert(hidden.end(), hosts[kind].begin(), hosts[kind].end());
  if (hidden.empty()) return;
  differences.undecided = true;
  differences.remarks.push_back(
      fmt::format("the PCI devices of {} cannot be read; is sysfs mounted?", host_names(cluster, hidden)));
}

void conclude(const Differences& differences, CheckRecord& check) {
  constexpr std::size_t kMostListed = 4;
  std::vector<std::string> sentences;
  if (differences.book.hosts_at_fault() > 0) sentences.push_back(differences.book.summary());
  if (!differences.ties.empty())
    sentences.push_back("a tie, nobody is accused: " + joined(differences.ties, "; ", kMostListed));
  if (const std::string remarks = differences.book.remarks(); !remarks.empty())
    sentences.push_back("also different: " + remarks);
  if (!differences.remarks.empty()) sentences.push_back(joined(differences.remarks, "; ", kMostListed));
  check.reason = joined(sentences, "; ", sentences.size());
  check.verdict = differences.book.hosts_at_fault() > 0 ? Verdict::fail
                  : differences.undecided               ? Verdict::inconclusive
                                                        : Verdict::pass;
}

}  // namespace

Judged judge_consistency(const ClusterTopology& cluster) {
  Judged judged;
  CheckRecord& check = judged.check;
  check.id = "topology.consistency";
  check.title = "Hosts are alike";
  check.scope = "between nodes";
  check.metric = "faults";
  check.parameters["nodes"] = static_cast<std::int64_t>(cluster.hosts.size());
  for (const HostEntry& host : cluster.hosts) check.participants.push_back(host.name);
  if (cluster.hosts.size() < 2) {
    check.verdict = Verdict::skipped;
    check.reason = cluster.hosts.empty() ? "no host" : "one host: nothing to compare with";
    return judged;
  }

  const auto hosts = hosts_by_kind(cluster);
  std::vector<std::size_t> weights;
  weights.reserve(hosts.size());
  for (const auto& of_kind : hosts) weights.push_back(of_kind.size());
  const Union all = union_of(cluster.kinds, weights);

  Differences differences(cluster, check.id);
  const std::vector<bool> others = other_machines(cluster, hosts);
  Comparison comparison(cluster, hosts);
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind) {
    if (others[kind]) {
      for (const std::size_t host : hosts[kind])
        differences.book.add(host, other_machine, "",
                             "a " + printable(cluster.kinds[kind].environment.product));
      continue;
    }
    for (const Observation& observation : observations(cluster.kinds[kind], kind, all))
      comparison.add(kind, observation);
  }
  comparison.tell(differences);
  for (std::size_t kind = 0; kind < cluster.kinds.size(); ++kind)
    if (!others[kind] && !lost_a_part(comparison, kind))
      comparison.add(kind, gpu_nic_order(cluster.kinds[kind]));
  comparison.tell(differences);
  compare_memory(cluster, others, differences);
  compare_nvlink_domains(cluster, hosts, differences);
  compare_rails(cluster, hosts, all, differences);

  tell_hidden(cluster, hosts, differences);

  check.value = static_cast<double>(differences.book.hosts_at_fault());
  conclude(differences, check);
  judged.findings = differences.book.findings();
  if (!differences.ties.empty())
    judged.findings.push_back(
        note("no-majority", check.id, differences.ties,
             "hosts differ and no value is that of most, so nobody can be called the odd one",
             "say what should be there by --expect, or test with more hosts"));
  if (!differences.remarks.empty())
    judged.findings.push_back(note("not-comparable", check.id, differences.remarks,
                                   "some hosts do not tell what others do, which is not called a difference",
                                   "give the same access to devices and files on all hosts"));
  return judged;
}

}  // namespace fabricheck::topology
