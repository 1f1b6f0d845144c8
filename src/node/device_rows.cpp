#include "node/device_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <initializer_list>
#include <map>

#include "topology/model/host_names.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::node {
namespace {

using Slugs = std::vector<std::string>;

const Slugs kGpuSlugs{"gpu-not-answering"};
const Slugs kNvlinkSlugs{"nvlink-inactive"};
const Slugs kFabricSlugs{"fabric-manager-down", "fabric-registration-failed", "fabric-unhealthy"};
const Slugs kMemorySlugs{"gpu-ecc-uncorrected", "gpu-remap-failed", "gpu-remap-pending",
                         "gpu-page-retirement-pending"};
const Slugs kThrottleSlugs{"gpu-hardware-throttle"};
const Slugs kPcieSlugs{"pcie-width-reduced", "pcie-speed-reduced"};
const Slugs kNicSlugs{"nic-not-answering", "port-not-active"};

bool is_one_of(const std::string& word, const Slugs& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool answers(const Gpu& gpu) { return gpu.status == "answers"; }
/// NVML failed in a way that says nothing of the GPU.
bool is_not_known(const Gpu& gpu) { return gpu.status == "state not known"; }

Outcome skipped(std::string reason) { return {Verdict::skipped, std::move(reason), {}, {}, {}}; }
Outcome unclear(std::string reason) { return {Verdict::inconclusive, std::move(reason), {}, {}, {}}; }

/// "GPU3 of node7: does not answer" -> "GPU3 does not answer".
std::string without_host(const std::string& sentence, const std::string& host) {
  const std::string of_host = " of " + host + ": ";
  if (const std::size_t at = sentence.find(of_host); at != std::string::npos)
    return sentence.substr(0, at) + " " + sentence.substr(at + of_host.size());
  if (sentence.starts_with(host + ": ")) return sentence.substr(host.size() + 2);
  return sentence;
}

std::vector<Fault> faults_of(const NodeFacts& facts, const Slugs& slugs, bool deterministic,
                             const char* check = "topology.devices") {
  std::vector<Fault> faults;
  for (const Finding& finding : facts.topology_findings) {
    if (finding.severity == Severity::info || !is_one_of(check, finding.explains)) continue;
    if (!slugs.empty() && !is_one_of(finding.slug, slugs)) continue;
    Fault fault;
    fault.part = finding.component.name;
    fault.text = finding.evidence.empty()
                     ? finding.slug
                     : without_host(finding.evidence.front().text, finding.component.host);
    fault.kind = finding.slug;
    fault.deterministic = deterministic && finding.confidence == "certain";
    faults.push_back(std::move(fault));
  }
  return faults;
}

std::string reason_of(const std::vector<Fault>& faults) {
  std::vector<std::string> texts;
  texts.reserve(faults.size());
  for (const Fault& fault : faults) texts.push_back(fault.text);
  return fmt::format("{}", fmt::join(texts, "; "));
}

Outcome failed(std::vector<Fault> faults) {
  Outcome outcome;
  outcome.reason = reason_of(faults);
  const bool any_certain =
      std::any_of(faults.begin(), faults.end(), [](const Fault& fault) { return fault.deterministic; });
  outcome.verdict = any_certain ? Verdict::fail : Verdict::inconclusive;
  outcome.faults = std::move(faults);
  return outcome;
}

/// Why GPUs are not judged here at all; nothing: they are.
std::optional<Outcome> no_gpus(const NodeFacts& facts) {
  if (facts.gpus_skipped) return skipped("the job has no GPUs");
  if (!facts.host) return unclear(facts.host_unknown);
  if (facts.host->gpus.empty()) return skipped("no GPU on this node");
  if (std::all_of(facts.host->gpus.begin(), facts.host->gpus.end(),
                  [](const Gpu& gpu) { return gpu.status == "hidden" || gpu.status == "not asked"; }))
    return skipped("the GPUs are hidden from this process, or NVML was not to be asked");
  return std::nullopt;
}

/// Judges by findings, and does not pass what `unknown` names for a GPU that answers.
Outcome by_findings(const NodeFacts& facts, const Slugs& slugs, bool (*is_known)(const Gpu&),
                    const char* what) {
  if (auto none = no_gpus(facts)) return *none;
  auto faults = faults_of(facts, slugs, true);
  if (!faults.empty()) return failed(std::move(faults));
  std::vector<std::string> open;
  bool any = false;
  for (const Gpu& gpu : facts.host->gpus) {
    any = any || answers(gpu);
    if (is_not_known(gpu) || (answers(gpu) && !is_known(gpu)))
      open.push_back(fmt::format("GPU{}", gpu.index));
  }
  if (!any) return unclear("no GPU answers");
  if (!open.empty()) return unclear(fmt::format("{} of {} not known", what, fmt::join(open, ", ")));
  return {};
}

/// "GPU[0-7]: libnvidia-ml.so.1 is not on this host" of those of which NVML's failure tells nothing; empty:
/// there is none.
std::string not_known_words(const Host& host) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const Gpu& gpu : host.gpus)
    if (is_not_known(gpu))
      by_reason[gpu.problem.empty() ? "state not known" : topology::printable(gpu.problem)].push_back(
          fmt::format("GPU{}", gpu.index));
  std::vector<std::string> sentences;
  sentences.reserve(by_reason.size());
  for (const auto& [reason, names] : by_reason)
    sentences.push_back(fmt::format("{}: {}", topology::fold_names(names), reason));
  return fmt::format("{}", fmt::join(sentences, "; "));
}

bool nvml_was_never_reached(const Host& host) {
  return std::all_of(host.gpus.begin(), host.gpus.end(), [](const Gpu& gpu) {
    return gpu.status == "not answering" && gpu.problem.find("nvmlInit") != std::string::npos;
  });
}

bool did_not_return(const Gpu& gpu) { return gpu.problem.find("did not return") != std::string::npos; }

/// Without the persistence daemon the driver, and each GPU, is started by the first who asks, which takes
/// seconds: until then slowness is no silence.
bool may_be_starting(const Gpu& gpu) {
  return gpu.status == "not answering" && did_not_return(gpu) &&
         (gpu.problem.find("nvmlInit") != std::string::npos ||
          gpu.problem.find("nvmlDeviceGetHandleByIndex") != std::string::npos);
}

/// Whether GPUs that do not answer may do so in a moment. Twice as long as a driver needs is long enough.
bool may_be_starting(const NodeFacts& facts) {
  constexpr double kSurelyHung_s = 20;
  return facts.host && !facts.host->gpus.empty() && facts.nvml_deadline_s < kSurelyHung_s &&
         (nvml_was_never_reached(*facts.host) ||
          std::any_of(facts.host->gpus.begin(), facts.host->gpus.end(),
                      [](const Gpu& gpu) { return may_be_starting(gpu); }));
}

constexpr const char* kSlowToStart =
    "; start nvidia-persistenced, or give a budget of a minute to tell slow from dead";

}  // namespace

std::vector<std::string> device_slugs() {
  Slugs all;
  for (const Slugs* slugs :
       {&kGpuSlugs, &kNvlinkSlugs, &kFabricSlugs, &kMemorySlugs, &kThrottleSlugs, &kPcieSlugs, &kNicSlugs})
    all.insert(all.end(), slugs->begin(), slugs->end());
  return all;
}

Outcome judge_gpus(const NodeFacts& facts, const NodeConfig&) {
  if (!facts.nvml_stuck.empty() && facts.host && !facts.host->gpus.empty()) {
    Fault fault;
    fault.part = facts.nvml_stuck_part;
    fault.text = fmt::format("{} not answer: {}", fault.part.empty() ? "GPUs do" : fault.part + " does",
                             facts.nvml_stuck);
    fault.kind = kGpuSlugs.front();
    fault.deterministic = facts.is_nvml_surely_stuck;
    return failed({fault});
  }
  if (auto none = no_gpus(facts)) return *none;
  const bool some_may_start = may_be_starting(facts);
  const auto& gpus = facts.host->gpus;
  if (some_may_start && nvml_was_never_reached(*facts.host))
    return unclear(gpus.front().problem + (did_not_return(gpus.front()) ? kSlowToStart : ""));
  auto faults = faults_of(facts, kGpuSlugs, true);
  bool any_starting = false;
  for (Fault& fault : faults) {
    const std::vector<int> of = gpus_of(fault.part);
    const bool starting = std::any_of(gpus.begin(), gpus.end(), [&](const Gpu& gpu) {
      return may_be_starting(gpu) && std::find(of.begin(), of.end(), gpu.index) != of.end();
    });
    if (!starting || !some_may_start) continue;
    any_starting = true;
    fault.deterministic = false;
  }
  const std::string not_known = not_known_words(*facts.host);
  if (faults.empty()) return not_known.empty() ? Outcome{} : unclear(not_known);
  Outcome outcome = failed(std::move(faults));
  if (!not_known.empty()) outcome.reason += "; not judged: " + not_known;
  if (any_starting && outcome.verdict == Verdict::inconclusive) outcome.reason += kSlowToStart;
  return outcome;
}

Outcome judge_driver(const NodeFacts& facts, const NodeConfig&) {
  if (auto none = no_gpus(facts)) return *none;
  if (!facts.host->gpu_driver.empty()) return {Verdict::pass, "driver " + facts.host->gpu_driver, {}, {}, {}};
  for (const std::string& sentence : facts.host->unknown)
    if (sentence.starts_with("NVML")) return unclear(sentence);
  return unclear("NVML does not tell the driver's version");
}

Outcome judge_nvlink(const NodeFacts& facts, const NodeConfig&) {
  if (auto none = no_gpus(facts)) return *none;
  const auto& gpus = facts.host->gpus;
  if (std::none_of(gpus.begin(), gpus.end(), [](const Gpu& gpu) { return !gpu.nvlinks.empty(); }))
    return std::any_of(gpus.begin(), gpus.end(), answers) ? skipped("no NVLink on this node")
                                                          : unclear("no GPU answers");
  if (faults_of(facts, kNvlinkSlugs, true).empty())
    return by_findings(
        facts, kNvlinkSlugs,
        [](const Gpu& gpu) {
          return std::all_of(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                             [](const NvLink& link) { return link.active.has_value(); });
        },
        "the state of NVLinks");
  // A drain reason has room for how many, not for which.
  std::vector<Fault> faults;
  for (const Gpu& gpu : gpus) {
    const auto up = std::count_if(gpu.nvlinks.begin(), gpu.nvlinks.end(),
                                  [](const NvLink& link) { return link.active.value_or(false); });
    if (!answers(gpu) || up == static_cast<std::ptrdiff_t>(gpu.nvlinks.size())) continue;
    Fault fault;
    fault.part = fmt::format("GPU{}", gpu.index);
    fault.text = fmt::format("{} {} of {} links up", fault.part, up, gpu.nvlinks.size());
    fault.kind = kNvlinkSlugs.front();
    fault.deterministic = true;
    faults.push_back(std::move(fault));
  }
  return failed(std::move(faults));
}

Outcome judge_fabric_manager(const NodeFacts& facts, const NodeConfig&) {
  if (auto none = no_gpus(facts)) return *none;
  const auto& gpus = facts.host->gpus;
  const bool has_fabric = std::any_of(gpus.begin(), gpus.end(), [](const Gpu& gpu) {
    return gpu.fabric.has_value() && gpu.fabric->state != "not-supported";
  });
  if (!has_fabric) return skipped("no NVSwitch fabric on this node");
  return by_findings(
      facts, kFabricSlugs,
      [](const Gpu& gpu) { return gpu.fabric.has_value() && !gpu.fabric->state.empty(); },
      "the state of the NVLink fabric");
}

Outcome judge_gpu_memory(const NodeFacts& facts, const NodeConfig&) {
  return by_findings(
      facts, kMemorySlugs, [](const Gpu& gpu) { return gpu.health.has_value(); }, "health");
}

Outcome judge_throttle(const NodeFacts& facts, const NodeConfig&) {
  if (auto none = no_gpus(facts)) return *none;
  // A moment's look does not tell a burst of power from a fan that stands still.
  auto faults = faults_of(facts, kThrottleSlugs, false);
  if (!faults.empty()) return failed(std::move(faults));
  return by_findings(
      facts, kThrottleSlugs, [](const Gpu& gpu) { return gpu.health && gpu.health->throttle_reasons; },
      "throttling");
}

Outcome judge_pcie(const NodeFacts& facts, const NodeConfig&) {
  if (!facts.host) return unclear(facts.host_unknown);
  auto faults = faults_of(facts, kPcieSlugs, true);
  // While a GPU rests its driver lowers the speed; the width stays.
  for (Fault& fault : faults)
    if (fault.kind == "pcie-speed-reduced" && fault.part.starts_with("GPU")) fault.deterministic = false;
  if (!faults.empty()) return failed(std::move(faults));
  const auto has_width = [](const PciNode& node) { return node.link.width.value_or(0) > 0; };
  if (std::none_of(facts.host->pci.begin(), facts.host->pci.end(), has_width) && facts.host->gpus.empty())
    return skipped("no PCIe link of a GPU or NIC is seen here");
  return {};
}

Outcome judge_nics(const NodeFacts& facts, const NodeConfig&) {
  if (!facts.hung_device.empty()) {
    Fault fault;
    fault.part = facts.hung_device;
    fault.text = fault.part + " does not answer: reading its state hung";
    fault.kind = "nic-not-answering";
    fault.deterministic = facts.is_surely_hung;
    return failed({fault});
  }
  if (!facts.host) return unclear(facts.host_unknown);
  if (facts.host->rdma_devices.empty()) return skipped("no RDMA NIC on this node");
  // Where no NIC has an RDMA device, RDMA may just not be wanted here: then it is for --expect to say.
  const bool any_answers = std::any_of(facts.host->rdma_devices.begin(), facts.host->rdma_devices.end(),
                                       [](const RdmaDevice& nic) { return nic.status == "answers"; });
  auto faults = faults_of(facts, kNicSlugs, any_answers);
  if (!faults.empty()) return failed(std::move(faults));
  std::vector<std::string> down;
  for (const RdmaDevice& nic : facts.host->rdma_devices)
    for (const RdmaPort& port : nic.ports)
      if (!port.state.empty() && port.state != "ACTIVE")
        down.push_back(fmt::format("{} port {} is {}", nic.name, port.number, port.state));
  if (down.empty()) return {};
  return {Verdict::unchecked,
          topology::printable(
              fmt::format("{}; whether it should be up is for --expect to say", fmt::join(down, ", "))),
          {},
          {},
          {}};
}

Outcome judge_gids(const NodeFacts& facts, const NodeConfig&) {
  if (!facts.host) return unclear(facts.host_unknown);
  std::vector<std::string> without;
  int roce_ports = 0;
  for (const RdmaDevice& nic : facts.host->rdma_devices) {
    for (const RdmaPort& port : nic.ports) {
      if (port.link_layer != "Ethernet" || port.state != "ACTIVE") continue;
      ++roce_ports;
      if (std::none_of(port.gids.begin(), port.gids.end(),
                       [](const Gid& gid) { return gid.type == "RoCE v2"; }))
        without.push_back(fmt::format("{} port {}", nic.name, port.number));
    }
  }
  if (roce_ports == 0) return skipped("no active RoCE port on this node");
  if (without.empty()) return {};
  // Addresses come and go with the network's daemons.
  return unclear(
      fmt::format("{} has no RoCE v2 GID: its net device has no address", fmt::join(without, ", ")));
}

namespace {

/// What topology/judge said of the whole node.
Outcome by_topology_check(const NodeFacts& facts, const char* id) {
  for (const NotTested& skip : facts.topology_not_tested)
    if (skip.id == id) return skipped(skip.reason);
  if (!facts.host) return unclear(facts.host_unknown);
  for (const CheckRecord& check : facts.topology_checks) {
    if (check.id != id) continue;
    // What GPUs that are only slow to start seem to lack is not known.
    auto faults = faults_of(facts, {}, !may_be_starting(facts), id);
    if (check.verdict == Verdict::fail && !faults.empty()) return failed(std::move(faults));
    if (facts.gpus_skipped && check.verdict != Verdict::pass)
      return skipped("the job has no GPUs, so that they were not asked");
    return {check.verdict, check.reason, {}, {}, {}};
  }
  return skipped("not judged");
}

}  // namespace

Outcome judge_expectation(const NodeFacts& facts, const NodeConfig&) {
  return by_topology_check(facts, "topology.expectation");
}

Outcome judge_platform(const NodeFacts& facts, const NodeConfig&) {
  return by_topology_check(facts, "topology.platform");
}

}  // namespace fabricheck::node
