#include "node/system_rows.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "core/units.hpp"

namespace fabricheck::node {
namespace {

Outcome outcome_of(Verdict verdict, std::string reason) { return {verdict, std::move(reason), {}, {}, {}}; }

Fault uncertain(std::string part, std::string text, std::string kind) {
  Fault fault;
  fault.part = std::move(part);
  fault.text = std::move(text);
  fault.kind = std::move(kind);
  return fault;
}

Fault certain(std::string part, std::string text, std::string kind) {
  Fault fault = uncertain(std::move(part), std::move(text), std::move(kind));
  fault.deterministic = true;
  return fault;
}

Outcome failed(std::vector<Fault> faults) {
  Outcome outcome;
  const bool any_certain =
      std::any_of(faults.begin(), faults.end(), [](const Fault& fault) { return fault.deterministic; });
  outcome.verdict = any_certain ? Verdict::fail : Verdict::inconclusive;
  std::vector<std::string> texts;
  texts.reserve(faults.size());
  for (const Fault& fault : faults) texts.push_back(fault.text);
  outcome.reason = fmt::format("{}", fmt::join(texts, "; "));
  outcome.faults = std::move(faults);
  return outcome;
}

std::string size_text(std::uint64_t bytes) {
  return bytes >= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()) ? "without limit"
                                                                                       : format_bytes(bytes);
}

/// Which GPU a PCI address of the kernel log is of; nothing: none of this node's.
std::optional<std::string> gpu_at(const Host& host, const std::string& address) {
  for (const Gpu& gpu : host.gpus) {
    const std::string& own = gpu.pci_address;
    if (own == address || (own.starts_with(address) && own[address.size()] == '.'))
      return fmt::format("GPU{}", gpu.index);
  }
  return std::nullopt;
}

}  // namespace

Outcome judge_kernel_log(const NodeFacts& facts, const NodeConfig& config) {
  const KernelLogFact& log = facts.kernel_log;
  if (!log.events) return outcome_of(Verdict::inconclusive, log.unknown);
  if (log.first_visit)
    return outcome_of(
        Verdict::unchecked,
        "the first visit since the node started that is remembered: later ones around jobs judge "
        "what is new; for what is there already: dmesg | fabricheck diagnose -");
  std::vector<Fault> faults;
  std::vector<std::string> others;
  for (const KernelEvent& event : *log.events) {
    const bool fatal = event.kind == "Xid" && std::find(config.fatal_xids.begin(), config.fatal_xids.end(),
                                                        event.code) != config.fatal_xids.end();
    const auto gpu = facts.host ? gpu_at(*facts.host, event.pci_address) : std::nullopt;
    const std::string part = gpu.value_or(event.pci_address);
    const std::string text = fmt::format("{} {} {} since the last visit", part, event.kind, event.code);
    if (fatal && facts.host && !gpu) {
      faults.push_back(
          uncertain(part, text + ", which is no GPU of this node", fmt::format("xid-{}", event.code)));
    } else if (fatal) {
      faults.push_back(certain(part, text, fmt::format("xid-{}", event.code)));
    } else if (others.size() < 4) {
      others.push_back(fmt::format("{} {} of {}", event.kind, event.code, part));
    }
  }
  if (!faults.empty()) return failed(std::move(faults));
  if (others.empty()) return {};
  return outcome_of(Verdict::pass, fmt::format("{}: none that a site calls fatal", fmt::join(others, ", ")));
}

Outcome judge_counters(const NodeFacts& facts, const NodeConfig& config) {
  if (facts.counters.empty()) return outcome_of(Verdict::skipped, "no error counter on this node");
  std::vector<Fault> faults;
  std::vector<std::string> moved;
  bool any_limit = false;
  bool any_rate = false;
  for (const CounterFact& counter : facts.counters) {
    const auto limit = config.counters_per_hour_max.find(counter.kind);
    any_limit = any_limit || limit != config.counters_per_hour_max.end();
    if (!counter.per_hour) continue;
    any_rate = true;
    if (limit != config.counters_per_hour_max.end() && *counter.per_hour > limit->second) {
      faults.push_back(certain(counter.name.substr(0, counter.name.find(' ')),
                               fmt::format("{} moved by {:.0f} an hour, limit {:g}", counter.name,
                                           *counter.per_hour, limit->second),
                               "counter-" + counter.kind));
    } else if (*counter.per_hour > 0 && moved.size() < 6) {
      moved.push_back(fmt::format("{} +{:.0f}/h", counter.name, *counter.per_hour));
    }
  }
  if (!faults.empty()) return failed(std::move(faults));
  const std::string what = moved.empty() ? "" : fmt::format("moved: {}", fmt::join(moved, ", "));
  if (!any_rate)
    return outcome_of(Verdict::unchecked, "the first visit since the node started: nothing to compare with");
  if (!any_limit) return outcome_of(Verdict::unchecked, what);
  return outcome_of(Verdict::pass, what);
}

Outcome judge_gpudirect(const NodeFacts& facts, const NodeConfig& config) {
  if (!facts.host) return outcome_of(Verdict::inconclusive, facts.host_unknown);
  const Host& host = *facts.host;
  if (host.gpus.empty() || host.rdma_devices.empty())
    return outcome_of(Verdict::skipped,
                      host.gpus.empty() ? "no GPU on this node" : "no RDMA NIC on this node");
  const bool peermem = host.environment.modules.count("nvidia_peermem") != 0;
  const std::optional<bool>& dmabuf = host.environment.dmabuf;
  if (peermem || dmabuf.value_or(false))
    return outcome_of(Verdict::pass, peermem ? "nvidia_peermem is loaded" : "by dmabuf");
  if (!dmabuf)
    return outcome_of(config.gpudirect ? Verdict::inconclusive : Verdict::unchecked,
                      "whether the driver offers dmabuf is not known");
  if (!config.gpudirect)
    return outcome_of(Verdict::unchecked,
                      "neither nvidia_peermem nor dmabuf; `gpudirect = true` asks for one");
  return failed(
      {certain("", "neither nvidia_peermem nor dmabuf: NICs cannot reach GPU memory", "no-gpudirect")});
}

Outcome judge_memlock(const NodeFacts& facts, const NodeConfig& config) {
  if (!facts.host) return outcome_of(Verdict::inconclusive, facts.host_unknown);
  const auto& limit = facts.host->environment.memlock_bytes;
  if (!limit)
    return outcome_of(config.memlock_bytes_min ? Verdict::inconclusive : Verdict::skipped,
                      "the limit of locked memory is not known");
  Outcome outcome;
  outcome.unit = "B";
  outcome.value = static_cast<double>(*limit);
  outcome.reason = size_text(*limit);
  outcome.verdict = config.memlock_bytes_min ? Verdict::pass : Verdict::unchecked;
  if (config.memlock_bytes_min && *limit < *config.memlock_bytes_min)
    return failed({certain(
        "", fmt::format("{} of {}", size_text(*limit), size_text(*config.memlock_bytes_min)), "memlock")});
  return outcome;
}

Outcome judge_file_systems(const NodeFacts& facts, const NodeConfig& config) {
  if (config.file_systems.empty())
    return outcome_of(Verdict::skipped, "the configuration names no file system");
  std::vector<Fault> faults;
  std::vector<std::string> open;
  for (std::size_t i = 0; i < facts.file_systems.size() && i < config.file_systems.size(); ++i) {
    const FileSystemFact& fact = facts.file_systems[i];
    const FileSystemRule& rule = config.file_systems[i];
    if (fact.mounted && !*fact.mounted) {
      faults.push_back(certain(fact.path, fact.path + " is not mounted", "not-mounted"));
    } else if (fact.stuck) {
      faults.push_back(certain(fact.path, fmt::format("{} hangs", fact.path), "hangs"));
    } else if (!fact.unknown.empty()) {
      open.push_back(fmt::format("{}: {}", fact.path, fact.unknown));
    } else if (rule.writable && fact.read_only.value_or(false)) {
      faults.push_back(certain(fact.path, fact.path + " is mounted read-only", "read-only"));
    } else if (!fact.write_problem.empty()) {
      faults.push_back(certain(
          fact.path, fmt::format("{} is not writable: {}", fact.path, fact.write_problem), "not-writable"));
    } else if (rule.free_bytes_min && fact.free_bytes && *fact.free_bytes < *rule.free_bytes_min) {
      faults.push_back(
          certain(fact.path,
                  fmt::format("{} has {} free, {} wanted", fact.path, format_bytes(*fact.free_bytes),
                              format_bytes(*rule.free_bytes_min)),
                  "full"));
    } else if (!fact.write_unknown.empty()) {
      open.push_back(fmt::format("whether {} is writable is not known: {}", fact.path, fact.write_unknown));
    } else if (rule.free_bytes_min && !fact.free_bytes) {
      open.push_back(fact.path + ": free space not known");
    }
  }
  if (!faults.empty()) return failed(std::move(faults));
  if (!open.empty()) return outcome_of(Verdict::inconclusive, fmt::format("{}", fmt::join(open, "; ")));
  return {};
}

Outcome judge_shm(const NodeFacts& facts, const NodeConfig& config) {
  const SharedMemoryFact& shm = facts.shared_memory;
  if (!shm.bytes) {
    return outcome_of(config.shm_bytes_min ? Verdict::inconclusive : Verdict::skipped, shm.unknown);
  }
  if (config.shm_bytes_min && *shm.bytes < *config.shm_bytes_min)
    return failed({certain("",
                           fmt::format("/dev/shm has {}, {} wanted", format_bytes(*shm.bytes),
                                       format_bytes(*config.shm_bytes_min)),
                           "shm-small")});
  Outcome outcome;
  outcome.unit = "B";
  outcome.value = static_cast<double>(*shm.bytes);
  outcome.reason = format_bytes(*shm.bytes);
  outcome.verdict = config.shm_bytes_min ? Verdict::pass : Verdict::unchecked;
  return outcome;
}

Outcome judge_clock(const NodeFacts& facts, const NodeConfig& config) {
  const ClockFact& clock = facts.clock;
  const bool asked = config.clock_synchronised || config.clock_error_max;
  if (!clock.synchronised) return outcome_of(asked ? Verdict::inconclusive : Verdict::skipped, clock.unknown);
  if (config.clock_synchronised && !*clock.synchronised)
    return failed({certain("", "the clock is not synchronised", "clock-not-synchronised")});
  if (config.clock_error_max && clock.error_s) {
    const double most_s = std::chrono::duration<double>(*config.clock_error_max).count();
    if (*clock.error_s > most_s)
      return failed({certain(
          "", fmt::format("the clock may be off by {:.3f} s, {:.3f} s allowed", *clock.error_s, most_s),
          "clock-error")});
  }
  return outcome_of(asked ? Verdict::pass : Verdict::unchecked,
                    *clock.synchronised ? "" : "the kernel says that it is not synchronised");
}

}  // namespace fabricheck::node
