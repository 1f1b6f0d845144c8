#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "topology/judge/host_expectation.hpp"
#include "topology/judge/judge.hpp"
#include "topology/model/merge.hpp"
#include "topology/model/paths.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

bool asks_for_nothing(const Expectation& expected) {
  Expectation nothing;
  nothing.source = expected.source;
  return expected == nothing;
}

/// NVLink partitions are each host's own and are no part of its kind.
bool one_partition(const HostParticulars& own) {
  return std::all_of(own.gpus.begin(), own.gpus.end(), [&](const GpuParticulars& gpu) {
    return gpu.cluster_uuid == own.gpus.front().cluster_uuid && gpu.clique_id == own.gpus.front().clique_id;
  });
}

/// Compares hosts one after the other; what is the same for all hosts of a kind is compared once.
class Comparer {
 public:
  Comparer(const ClusterTopology& cluster, const Expectation& expected)
      : cluster_(cluster), expected_(expected) {}

  void begin_kind(const Host& kind) {
    of_kind_ = devices(kind);
    rails_.clear();
    if (!expected_.rails.empty()) rails_ = rails_of(kind, paths_of(kind));
  }

  Lacks compare(std::size_t host) const {
    const HostEntry& entry = cluster_.hosts[host];
    const bool whole = expected_.nvlink_islands && !one_partition(entry.own);
    Lacks lacks = whole ? devices(whole_host(cluster_, host)) : of_kind_;
    compare_rails(cluster_.kinds[static_cast<std::size_t>(entry.kind)], entry.own, rails_, expected_, lacks);
    return lacks;
  }

 private:
  Lacks devices(const Host& host) const {
    Lacks lacks;
    compare_gpus(host, expected_, lacks);
    compare_nics(host, expected_, lacks);
    return lacks;
  }

  const ClusterTopology& cluster_;
  const Expectation& expected_;
  Lacks of_kind_;
  std::vector<Rail> rails_;
};

std::string not_known(const ClusterTopology& cluster,
                      const std::map<std::vector<std::string>, std::vector<std::size_t>>& unknown) {
  constexpr std::size_t kMostListed = 6;
  std::vector<std::string> sentences;
  sentences.reserve(unknown.size());
  for (const auto& [what, hosts] : unknown)
    sentences.push_back(
        fmt::format("not known on {}: {}", host_names(cluster, hosts), joined(what, ", ", kMostListed)));
  return joined(sentences, "; ", kMostListed);
}

}  // namespace

Judged judge_expectation(const ClusterTopology& cluster, const Expectation& expectation) {
  Judged judged;
  CheckRecord& check = judged.check;
  check.id = "topology.expectation";
  check.title = "What should be there is there";
  check.scope = "inside node";
  check.metric = "faults";
  check.parameters["nodes"] = static_cast<std::int64_t>(cluster.hosts.size());
  check.parameters["source"] = printable(expectation.source);
  for (const HostEntry& host : cluster.hosts) check.participants.push_back(host.name);
  if (cluster.hosts.empty() || asks_for_nothing(expectation)) {
    check.verdict = Verdict::skipped;
    check.reason = cluster.hosts.empty() ? "no host" : "the expectation asks for nothing";
    return judged;
  }

  FaultBook book(cluster, check.id);
  std::map<std::vector<std::string>, std::vector<std::size_t>> unknown;
  Comparer comparer(cluster, expectation);
  const auto hosts = hosts_by_kind(cluster);
  for (std::size_t kind = 0; kind < hosts.size(); ++kind) {
    if (!hosts[kind].empty()) comparer.begin_kind(cluster.kinds[kind]);
    for (const std::size_t host : hosts[kind]) {
      const Lacks lacks = comparer.compare(host);
      for (const Lack& lack : lacks.missing) book.add(host, *lack.kind, lack.part, lack.what);
      if (!lacks.unknown.empty()) unknown[lacks.unknown].push_back(host);
    }
  }
  check.value = static_cast<double>(book.hosts_at_fault());
  check.verdict = book.hosts_at_fault() > 0 ? Verdict::fail
                  : !unknown.empty()        ? Verdict::inconclusive
                                            : Verdict::pass;
  check.reason = book.summary();
  if (!unknown.empty()) check.reason += (check.reason.empty() ? "" : "; ") + not_known(cluster, unknown);
  judged.findings = book.findings();
  return judged;
}

}  // namespace fabricheck::topology
