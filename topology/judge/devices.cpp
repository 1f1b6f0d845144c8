#include <fmt/format.h>

#include <map>

#include "topology/judge/device_faults.hpp"
#include "topology/judge/judge.hpp"
#include "topology/judge/pci_presence.hpp"
#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

/// What could not be judged, folded: why -> parts -> hosts.
class Gaps {
 public:
  void add(const DeviceGap& gap, std::size_t host) {
    parts_[{gap.why, host}].push_back(printable(gap.part));
    open_ = open_ || gap.open;
  }

  bool open() const { return open_; }
  bool empty() const { return parts_.empty(); }

  std::string sentence(const ClusterTopology& cluster) const {
    std::map<std::pair<std::string, std::vector<std::string>>, std::vector<std::size_t>> hosts;
    for (const auto& [key, parts] : parts_) hosts[{key.first, parts}].push_back(key.second);
    std::vector<std::string> sentences;
    sentences.reserve(hosts.size());
    for (const auto& [key, list] : hosts)
      sentences.push_back(
          fmt::format("{} of {}: {}", fold_names(key.second), host_names(cluster, list), key.first));
    constexpr std::size_t kMostListed = 4;
    return joined(sentences, "; ", kMostListed);
  }

 private:
  std::map<std::pair<std::string, std::size_t>, std::vector<std::string>> parts_;
  bool open_{};
};

void take(const DeviceFaults& found, std::size_t host, FaultBook& book, Gaps& gaps) {
  for (const DeviceFault& fault : found.faults)
    book.add(host, *fault.kind, fault.part, fault.what, fault.detail);
  for (const DeviceGap& gap : found.gaps) gaps.add(gap, host);
}

void conclude(const FaultBook& book, const Gaps& gaps, const ClusterTopology& cluster, CheckRecord& check) {
  const std::string remarks = book.remarks();
  const std::string not_judged = gaps.empty() ? std::string{} : gaps.sentence(cluster);
  if (book.parts_at_fault() > 0) {
    check.verdict = Verdict::fail;
    check.reason = book.summary();
    if (!not_judged.empty()) check.reason += "; not judged: " + not_judged;
    return;
  }
  check.verdict = gaps.open() ? Verdict::inconclusive : Verdict::pass;
  check.reason = not_judged;
  if (!remarks.empty()) check.reason += (check.reason.empty() ? "" : "; ") + remarks;
}

}  // namespace

Judged judge_devices(const ClusterTopology& cluster) {
  Judged judged;
  CheckRecord& check = judged.check;
  check.id = "topology.devices";
  check.title = "Devices answer, with their NVLink and PCIe links whole";
  check.scope = "inside node";
  check.metric = "faults";
  check.parameters["nodes"] = static_cast<std::int64_t>(cluster.hosts.size());
  for (const HostEntry& host : cluster.hosts) check.participants.push_back(host.name);

  FaultBook book(cluster, check.id);
  Gaps gaps;
  int judged_devices = 0;
  const auto hosts = hosts_by_kind(cluster);
  for (std::size_t kind = 0; kind < hosts.size(); ++kind) {
    const DeviceFaults of_kind = device_faults(cluster.kinds[kind]);
    if (!hosts[kind].empty()) judged_devices += of_kind.judged;
    for (const std::size_t host : hosts[kind]) {
      if (is_pci_hidden(cluster.kinds[kind]))
        gaps.add({"PCI devices", "they cannot be read; is sysfs mounted?", true}, host);
      take(of_kind, host, book, gaps);
      take(health_faults(cluster.kinds[kind], cluster.hosts[host].own.gpus), host, book, gaps);
    }
  }
  if (judged_devices == 0 && gaps.empty()) {
    check.verdict = Verdict::skipped;
    check.reason = cluster.hosts.empty() ? "no host" : "no GPU and no RDMA NIC";
    return judged;
  }
  check.value = static_cast<double>(book.parts_at_fault());
  conclude(book, gaps, cluster, check);
  if (judged_devices == 0) check.verdict = Verdict::inconclusive;
  judged.findings = book.findings();
  return judged;
}

}  // namespace fabricheck::topology
