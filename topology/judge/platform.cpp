#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "core/error.hpp"
#include "core/figure_table.hpp"
#include "core/suggest.hpp"
#include "topology/judge/faults.hpp"
#include "topology/judge/file_limits.hpp"
#include "topology/judge/gpu_presence.hpp"
#include "topology/judge/judge.hpp"
#include "topology/judge/platform_match.hpp"
#include "topology/model/odd_ones.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::topology {
namespace {

constexpr FaultKind gpu_missing{
    "platform-gpu-missing",
    Severity::bad,
    "host",
    "has",
    "this host has fewer GPUs than a machine of its platform: jobs that ask for all of them fail or run on "
    "fewer",
    "look for the missing ones in lspci and in the kernel log (Xid 79), power-cycle the host, reseat or "
    "replace "
    "them; if the machine was bought with fewer, say so with --expect or --platform",
    "nvidia-smi -L; lspci -d 10de:; dmesg | grep -i xid",
    "likely"};
constexpr FaultKind gpu_surplus{
    "platform-gpu-surplus",
    Severity::bad,
    "host",
    "has",
    "this host is not the platform that it is said or was found to be",
    "name the platform that it is (`fabricheck list platforms`), or pass --expect",
    "nvidia-smi -L",
    "certain"};
constexpr FaultKind gpu_model{
    "platform-gpu-model",
    Severity::bad,
    "gpu",
    "is",
    "this host is not the platform that it is said to be, or a wrong GPU was put in",
    "correct --platform, or have the GPU replaced by one of the right model",
    "nvidia-smi -L; cat /sys/class/dmi/id/product_name",
    "certain"};
constexpr FaultKind nvlink_missing{
    "platform-nvlink-missing",
    Severity::bad,
    "link",
    "has",
    "this GPU reaches the others over fewer NVLinks than its platform has: collectives in the node are "
    "slower",
    "look at topology.devices for the inactive link; reset the GPUs; if it stays, replace the GPU board",
    "nvidia-smi nvlink -s",
    "certain"};
constexpr FaultKind nvswitch_missing{
    "platform-nvswitch-missing",
    Severity::bad,
    "host",
    "has",
    "an NVSwitch is lost: the GPUs reach each other over fewer NVLinks, or not at all",
    "read the fabric manager's log and the kernel log (SXid), power-cycle the host; replace the GPU board",
    "lspci -d 10de: | grep -i bridge; journalctl -u nvidia-fabricmanager",
    "certain"};
constexpr FaultKind pcie_narrow{
    "platform-pcie-narrow",
    Severity::bad,
    "link",
    "has",
    "copies to and from this GPU, and GPUDirect over it, are slower than on a good machine of this platform",
    "power-cycle the host; if it stays, reseat the GPU or its riser, then replace it",
    "nvidia-smi -q | grep -A12 'PCI$'",
    "certain"};
constexpr FaultKind nic_missing{
    "platform-nic-missing",
    Severity::bad,
    "host",
    "has",
    "fewer rails, or slower ones, than a machine of this platform has: collectives between nodes are slower",
    "look for NICs that are gone from lspci, for ports that are down and for cables of a lower rate",
    "rdma link; ibstat; ethtool NETDEV",
    "likely"};

struct Fault {
  const FaultKind* kind{};
  std::string part;
  std::string what;
};

/// What comparing one host with its platform gave.
struct Comparison {
  std::vector<Fault> faults;
  std::vector<std::string> doubts;  ///< asked for and not known: no PASS
};

struct GpuCount {
  int answering{};
  int dead{};
  int unseen{};  ///< hidden, or their state is not known
  int present() const { return answering + dead + unseen; }
};

double figure_of(const Platform& platform, const std::string& key, const std::string& direction) {
  for (const Figure& figure : platform.figures) {
    if (figure.key == key && figure.kind == "datasheet" && condition_of(figure, "direction") == direction)
      return figure.value;
  }
  return 0;
}

std::string gpu_name(const Gpu& gpu) { return fmt::format("GPU{}", gpu.index); }

class HostComparison {
 public:
  HostComparison(const Host& host, const PlatformMatch& match)
      : host_(host),
        platform_(*match.platform),
        expected_(match.expected),
        told_(match.word != PlatformMatch::Word::gpus) {}

  Comparison compare() {
    split_by_model();
    compare_count();
    if (expected_.nvlinks_per_gpu) compare_nvlinks(*expected_.nvlinks_per_gpu);
    if (expected_.nvswitches) compare_nvswitches(*expected_.nvswitches);
    if (expected_.gpu_pcie_width) compare_width(*expected_.gpu_pcie_width);
    for (const ExpectedNics& nics : expected_.nics) compare_nics(nics);
    return std::move(result_);
  }

 private:
  void fault(const FaultKind& kind, const std::string& part, const std::string& what) {
    result_.faults.push_back({&kind, part, what});
  }

  /// Other GPUs beside those of the model drive a display; instead of them, they are the wrong ones.
  void split_by_model() {
    for (const Gpu& gpu : host_.gpus) (is_gpu_of(platform_, host_, gpu) ? ours_ : others_).push_back(&gpu);
    for (const Gpu* gpu : ours_) {
      if (gpu->status == "answers")
        ++count_.answering;
      else if (gpu->status == "not answering" && !is_behind_another(host_, *gpu))
        ++count_.dead;
      else
        ++count_.unseen;
    }
    if (!told_ || count_.present() >= expected_.gpus.value_or(1)) return;
    for (const Gpu* gpu : others_) {
      fault(gpu_model, gpu_name(*gpu),
            fmt::format("{}, not the {} of {}", gpu->name.empty() ? "another model" : in_quotes(gpu->name),
                        platform_.gpu_names.empty() ? "GPU" : platform_.gpu_names.front(), platform_.name));
    }
  }

  void compare_count() {
    if (!expected_.gpus) return;
    const int wanted = *expected_.gpus;
    if (count_.present() > wanted) {
      fault(gpu_surplus, "",
            fmt::format("{} GPUs where {} has {}", count_.present(), platform_.name, wanted));
    } else if (count_.dead == 0 && may_be_a_part(host_, count_.present(), wanted)) {
      result_.doubts.push_back(
          fmt::format("the file shows {} of {} GPUs, which may be all that its job or container was given",
                      count_.present(), wanted));
    } else if (count_.answering + count_.unseen < wanted) {
      fault(gpu_missing, "",
            fmt::format(
                "{} of {} GPUs of {}{}", count_.answering + count_.unseen, wanted, platform_.name,
                count_.dead > 0 ? fmt::format("; {} more on the PCI bus, not answering", count_.dead) : ""));
    } else if (count_.answering < wanted) {
      result_.doubts.push_back(fmt::format(
          "{} of {} GPUs are hidden from this process or their state is not known", count_.unseen, wanted));
    }
  }

  void compare_nvlinks(int wanted) {
    if (wanted == 0) return;
    const double link_GBps = figure_of(platform_, "nvlink.link.bandwidth", "one way");
    const PathMatrix paths = paths_of(host_);
    const auto given = given_nvlinks(host_, paths);
    std::vector<std::string> unknown;
    std::vector<std::string> split;
    for (const Gpu* gpu : ours_) {
      if (gpu->status != "answers") continue;
      if (gpu->mig_enabled.value_or(false)) {
        split.push_back(gpu_name(*gpu));
        continue;
      }
      int active = 0;
      // A driver that answered and told no link means none; a file that tells no link does not tell.
      bool all_known = !gpu->nvlinks.empty() || driver_told_nvlinks() || file_tells_nvlinks(host_);
      for (const NvLink& link : gpu->nvlinks) {
        if (link.active.value_or(false)) ++active;
        if (!link.active) all_known = false;
      }
      if (const auto& told = given[static_cast<std::size_t>(gpu - host_.gpus.data())]) {
        active = *told;
        all_known = true;
      }
      if (active >= wanted) continue;
      if (!all_known) {
        unknown.push_back(gpu_name(*gpu));
        continue;
      }
      const std::string datasheet = link_GBps > 0 ? fmt::format(" ({:g} of {:g} GB/s each way by datasheet)",
                                                                active * link_GBps, wanted * link_GBps)
                                                  : "";
      fault(nvlink_missing, gpu_name(*gpu),
            fmt::format("{} of {} active NVLinks of {}{}", active, wanted, platform_.name, datasheet));
    }
    for (const OddOne& odd : odd_ones(host_, paths))
      if (odd.kind == OddOne::Kind::nvlink_pair) fault(nvlink_missing, odd.part, odd.what);
    doubt(unknown, "the NVLinks of {} are not known");
    doubt(split, "MIG is on in {}: it does not use NVLink");
  }

  bool driver_told_nvlinks() const {
    return !host_.gpu_driver.empty() &&
           std::none_of(host_.unknown.begin(), host_.unknown.end(), [](const std::string& sentence) {
             return sentence.find("NVLink") != std::string::npos;
           });
  }

  void compare_nvswitches(int wanted) {
    // Where none is seen, a hypervisor keeps them, or they are of NVLink 5 and do not show.
    const auto seen = std::count_if(host_.pci.begin(), host_.pci.end(),
                                    [](const PciNode& node) { return node.kind == "nvswitch"; });
    if (seen > 0 && seen < wanted)
      fault(nvswitch_missing, "", fmt::format("{} of {} NVSwitches of {}", seen, wanted, platform_.name));
  }

  std::optional<int> width_of(const Gpu& gpu) const {
    if (gpu.pcie.width.value_or(0) > 0) return gpu.pcie.width;
    for (const PciNode& node : host_.pci) {
      if (!gpu.pci_address.empty() && node.address == gpu.pci_address && node.link.width.value_or(0) > 0)
        return node.link.width;
    }
    return std::nullopt;
  }

  void compare_width(int wanted) {
    std::vector<std::string> unknown;
    bool only_possible = false;
    for (const Gpu* gpu : ours_) {
      if (gpu->status != "answers") continue;
      const std::optional<int> width = width_of(*gpu);
      if (!width) {
        unknown.push_back(gpu_name(*gpu));
      } else if (*width < wanted) {
        fault(pcie_narrow, gpu_name(*gpu),
              fmt::format("{} of {} PCIe lanes of {}", *width, wanted, platform_.name));
      } else if (is_nccl_file(host_)) {
        only_possible = true;
      }
    }
    doubt(unknown, "the PCIe width of {} is not known");
    if (only_possible)
      result_.doubts.emplace_back("how many PCIe lanes are in use: NCCL writes how many there can be");
  }

  void compare_nics(const ExpectedNics& wanted) {
    const bool bare_metal = host_.environment.hypervisor == "none";
    int good = 0;
    int unknown = 0;
    for (const RdmaDevice& device : host_.rdma_devices) {
      if (device.status != "answers" || (bare_metal && device.virtual_function.value_or(false))) continue;
      if (device.ports.empty() && is_foreign_file(host_)) ++unknown;
      for (const RdmaPort& port : device.ports) {
        if (!port.state.empty() && port.state != "unknown" && port.state != "ACTIVE") continue;
        if (!wanted.link_layer.empty() && !port.link_layer.empty() && port.link_layer != wanted.link_layer)
          continue;
        if (!wanted.rate_Gbps || port.rate_Gbps.value_or(0) >= *wanted.rate_Gbps)
          ++good;
        else if (!port.rate_Gbps)
          ++unknown;
      }
    }
    if (good >= wanted.count) return;
    const std::string ports = fmt::format(
        "{} {}NIC ports{}", wanted.count, wanted.link_layer.empty() ? "" : wanted.link_layer + " ",
        wanted.rate_Gbps ? fmt::format(" of {:g} Gb/s", *wanted.rate_Gbps) : "");
    if (good + unknown >= wanted.count)
      result_.doubts.push_back(fmt::format("the rate of {} NIC ports is not known", unknown));
    else if (may_be_a_part(host_, good + unknown, wanted.count) ||
             (is_foreign_file(host_) && host_.rdma_devices.empty()))
      result_.doubts.push_back(
          fmt::format("the file shows {} of the {} of {}, and need not have all that are there",
                      good + unknown, ports, platform_.name));
    else
      fault(nic_missing, "", fmt::format("{} of the {} of {}", good + unknown, ports, platform_.name));
  }

  void doubt(const std::vector<std::string>& parts, const char* sentence) {
    constexpr std::size_t kMostListed = 8;
    if (!parts.empty())
      result_.doubts.push_back(fmt::format(fmt::runtime(sentence), joined(parts, ", ", kMostListed)));
  }

  const Host& host_;
  const Platform& platform_;
  const Expectation& expected_;
  bool told_;
  std::vector<const Gpu*> ours_, others_;
  GpuCount count_;
  Comparison result_;
};

/// "8 x NVIDIA H100 80GB HBM3, 18 active NVLinks each (900 GB/s both ways by datasheet)".
std::string described(const PlatformMatch& match) {
  const Platform& platform = *match.platform;
  std::vector<std::string> items;
  if (match.expected.gpus) {
    items.push_back(fmt::format("{} x {}", *match.expected.gpus,
                                platform.gpu_names.empty() ? "GPU" : platform.gpu_names.front()));
  }
  if (match.expected.nvlinks_per_gpu) {
    const double both_ways = figure_of(platform, "nvlink.bandwidth", "both ways");
    items.push_back(
        fmt::format("{} active NVLinks each{}", *match.expected.nvlinks_per_gpu,
                    both_ways > 0 ? fmt::format(" ({:g} GB/s both ways by datasheet)", both_ways) : ""));
  }
  if (match.expected.gpu_pcie_width) items.push_back(fmt::format("PCIe x{}", *match.expected.gpu_pcie_width));
  if (match.expected.nics.empty()) {
    items.emplace_back(
        "its NICs not compared, for clouds build different ones around these GPUs (--expect does)");
  }
  for (const ExpectedNics& nics : match.expected.nics) {
    items.push_back(fmt::format("{} NIC ports{}", nics.count,
                                nics.rate_Gbps ? fmt::format(" of {:g} Gb/s", *nics.rate_Gbps) : ""));
  }
  return joined(items, ", ", items.size());
}

std::string by_what(const PlatformMatch& match) {
  switch (match.word) {
    case PlatformMatch::Word::user:
      return "as named";
    case PlatformMatch::Word::product:
      return "by DMI product " + match.product;
    case PlatformMatch::Word::gpus:
      return "by its GPUs";
  }
  return "";
}

/// Sentences and the hosts that they hold for.
class Notes {
 public:
  void add(const std::string& sentence, const std::vector<std::size_t>& hosts) {
    auto& list = hosts_[sentence];
    list.insert(list.end(), hosts.begin(), hosts.end());
  }
  bool empty() const { return hosts_.empty(); }
  std::string text(const ClusterTopology& cluster) const {
    std::vector<std::string> sentences;
    for (const auto& [sentence, hosts] : hosts_)
      sentences.push_back(fmt::format("{}: {}", host_names(cluster, hosts), sentence));
    constexpr std::size_t kMostListed = 4;
    return joined(sentences, "; ", kMostListed);
  }

 private:
  std::map<std::string, std::vector<std::size_t>> hosts_;
};

/// The whole check: kinds one by one, then one verdict.
class PlatformCheck {
 public:
  PlatformCheck(const ClusterTopology& cluster, std::span<const Platform> platforms, const std::string& named)
      : cluster_(cluster), platforms_(platforms), book_(cluster, "topology.platform") {
    if (named.empty()) return;
    named_ = platforms_named(named, platforms);
    if (!named_.empty()) return;
    std::vector<std::string> known;
    for (const Platform& platform : platforms) {
      known.push_back(platform.name);
      known.insert(known.end(), platform.aliases.begin(), platform.aliases.end());
    }
    throw UsageError(fmt::format("--platform: {} is not known{}; `fabricheck list platforms` shows them",
                                 in_quotes(named), suggestion(named, known)));
  }

  Judged judge() {
    const auto hosts = hosts_by_kind(cluster_);
    for (std::size_t kind = 0; kind < hosts.size(); ++kind) {
      if (!hosts[kind].empty()) judge_kind(cluster_.kinds[kind], hosts[kind]);
    }
    Judged judged;
    CheckRecord& check = judged.check;
    check.id = "topology.platform";
    check.title = "The whole of its platform";
    check.scope = "inside node";
    check.metric = "faults";
    check.unit = "hosts";
    check.parameters["nodes"] = static_cast<std::int64_t>(cluster_.hosts.size());
    if (names_.size() == 1) check.parameters["platform"] = *names_.begin();
    for (const HostEntry& host : cluster_.hosts) check.participants.push_back(host.name);
    conclude(check);
    judged.findings = book_.findings();
    return judged;
  }

 private:
  void judge_kind(const Host& host, const std::vector<std::size_t>& hosts) {
    const PlatformMatch match = named_.empty() ? find_platform(host, platforms_) : best_by_gpus(named_, host);
    if (match.platform == nullptr) {
      (match.verdict == Verdict::inconclusive ? doubts_ : skipped_).add(match.why, hosts);
      return;
    }
    names_.insert(match.platform->name);
    const Comparison comparison = HostComparison(host, match).compare();
    for (const Fault& fault : comparison.faults) {
      for (const std::size_t at : hosts) book_.add(at, *fault.kind, fault.part, fault.what);
    }
    for (const std::string& doubt : comparison.doubts) doubts_.add(doubt, hosts);
    if (!comparison.faults.empty() || !comparison.doubts.empty()) return;
    if (!match.expected.gpus) {
      const std::string why =
          fmt::format("{} comes with any number of GPUs: pass --expect to say how many there should be",
                      match.platform->name);
      (match.word == PlatformMatch::Word::user ? doubts_ : skipped_).add(why, hosts);
      return;
    }
    const std::string expectation = described(match);
    good_.add(fmt::format("{} {}{}{}", match.platform->name, by_what(match), expectation.empty() ? "" : ", ",
                          expectation),
              hosts);
  }

  void conclude(CheckRecord& check) const {
    const auto with_rest = [&](std::string text, const Notes& rest, const char* heading) {
      if (rest.empty()) return text;
      return text + (text.empty() ? "" : "; ") + heading + rest.text(cluster_);
    };
    if (book_.hosts_at_fault() > 0) {
      check.verdict = Verdict::fail;
      check.value = static_cast<double>(book_.hosts_at_fault());
      check.reason = with_rest(book_.summary(), doubts_, "not decided: ");
    } else if (!doubts_.empty()) {
      check.verdict = Verdict::inconclusive;
      check.reason = doubts_.text(cluster_);
    } else if (!good_.empty()) {
      check.verdict = Verdict::pass;
      check.value = 0;
      check.reason = with_rest(good_.text(cluster_), skipped_, "not compared: ");
    } else {
      check.verdict = Verdict::skipped;
      check.reason = skipped_.empty() ? "no host" : skipped_.text(cluster_);
    }
  }

  const ClusterTopology& cluster_;
  std::span<const Platform> platforms_;
  std::vector<PlatformMatch> named_;
  FaultBook book_;
  Notes doubts_, skipped_, good_;
  std::set<std::string> names_;
};

}  // namespace

Judged judge_platform(const ClusterTopology& cluster, std::span<const Platform> platforms,
                      const std::string& named) {
  return PlatformCheck(cluster, platforms, named).judge();
}

}  // namespace fabricheck::topology
