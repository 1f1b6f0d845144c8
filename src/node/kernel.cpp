// What the kernel tells: its log, its clock, its counters.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "core/descriptor.hpp"
#include "node/counter_kinds.hpp"
#include "node/probes.hpp"
#include "node/text_file.hpp"
#include "topology/model/text.hpp"

namespace fabricheck::node {
namespace {

constexpr std::size_t kMostEvents = 256;
constexpr double kHour_s = 3600;

/// Nothing where the count of a link is not known: the sum would rise by all of it once it is. A link that
/// has no entry has counted nothing.
std::optional<double> sum_over_links(const Gpu& gpu, std::optional<std::uint64_t> NvLinkErrors::*count) {
  if (gpu.nvlinks.empty()) return std::nullopt;
  double sum = 0;
  for (const NvLinkErrors& errors : gpu.health->nvlink_errors) {
    if (!(errors.*count)) return std::nullopt;
    sum += static_cast<double>(*(errors.*count));
  }
  return sum;
}

bool is_hex(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  });
}

/// "0000:18:00" or "0000:18:00.0", as the driver writes it.
bool is_pci_address(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon < 4 || colon > 8 || !is_hex(text.substr(0, colon)))
    return false;
  const std::string_view place = text.substr(colon + 1);
  if (place.size() != 5 && place.size() != 7) return false;
  if (!is_hex(place.substr(0, 2)) || place[2] != ':' || !is_hex(place.substr(3, 2))) return false;
  return place.size() == 5 || (place[5] == '.' && place[6] >= '0' && place[6] <= '7');
}

/// What stands behind "Nov 27 00:40:00 node7 kernel: " in a line of a log file: the first of these words is
/// the log's, and later ones are anybody's.
std::string_view message_of(std::string_view line) {
  constexpr std::string_view kKernel = " kernel: ";
  const std::size_t at = line.find(kKernel);
  return at == std::string_view::npos ? line : line.substr(at + kKernel.size());
}

/// Takes "[    5.123456] " off, which printk.time puts in front.
std::string_view without_time(std::string_view text) {
  if (!text.starts_with('[')) return text;
  const std::size_t end = text.find_first_not_of(" 0123456789.", 1);
  return end != std::string_view::npos && text.substr(end).starts_with("] ") ? text.substr(end + 2) : text;
}

/// Takes the driver's own words off the text's beginning: its kind of event, "Xid" or "SXid". Nothing: it
/// begins otherwise, as whatever quotes the name of somebody's process does.
std::optional<std::string_view> take_head(std::string_view& text) {
  constexpr std::string_view kGpu = "NVRM: Xid (PCI:";
  constexpr std::string_view kSwitch = "nvidia-nvswitch";
  constexpr std::string_view kSwitchXid = ": SXid (PCI:";
  if (text.starts_with(kGpu)) {
    text.remove_prefix(kGpu.size());
    return "Xid";
  }
  if (!text.starts_with(kSwitch)) return std::nullopt;
  const std::size_t end = text.find_first_not_of("0123456789", kSwitch.size());
  if (end == std::string_view::npos || end == kSwitch.size() || !text.substr(end).starts_with(kSwitchXid))
    return std::nullopt;
  text.remove_prefix(end + kSwitchXid.size());
  return "SXid";
}

void take_line(std::string_view text, std::vector<KernelEvent>& events) {
  if (events.size() >= kMostEvents) return;
  if (auto event = parse_kernel_event(text)) events.push_back(std::move(*event));
}

void add_unknown(KernelLogFact& fact, const std::string& file, const std::string& why) {
  fact.unknown += fmt::format("{}{}: {}", fact.unknown.empty() ? "" : "; ", file, why);
}

/// "6,1234,5678,-;text": its sequence number; the text stays in `record`.
std::optional<std::uint64_t> sequence_of(std::string_view& record) {
  const std::size_t comma = record.find(',');
  const std::size_t text = record.find(';');
  std::uint64_t sequence = 0;
  if (comma == std::string_view::npos || text == std::string_view::npos || comma > text) return std::nullopt;
  const char* const begin = record.data() + comma + 1;
  if (std::from_chars(begin, record.data() + text, sequence).ec != std::errc{}) return std::nullopt;
  record.remove_prefix(text + 1);
  return sequence;
}

/// One record a read, none of them waited for. False, with why, where it cannot be read, or is another device
/// that somebody put in its place: the kernel's own begins with the oldest record, however often it is read.
bool read_kmsg(int descriptor, const std::string& file, std::uint64_t from, KernelLogFact& fact) {
  std::array<char, 16384> buffer{};
  std::vector<KernelEvent> events;
  std::uint64_t next = from;
  bool any_record = false;
  for (;;) {
    const ssize_t got = ::read(descriptor, buffer.data(), buffer.size());
    if (got < 0 && (errno == EINTR || errno == EPIPE)) continue;  // EPIPE: older records were overwritten
    if (got < 0 && errno != EAGAIN) {
      add_unknown(fact, file, system_reason(errno));
      return false;
    }
    if (got <= 0) break;
    std::string_view record(buffer.data(), static_cast<std::size_t>(got));
    const auto sequence = sequence_of(record);
    if (!sequence) {
      add_unknown(fact, file, "what it holds is no record of the kernel's log");
      return false;
    }
    any_record = true;
    if (*sequence < from) continue;
    next = *sequence + 1;
    if (!fact.first_visit) take_line(record.substr(0, record.find('\n')), events);
  }
  if (!any_record) {
    add_unknown(fact, file, "it holds no record of the kernel's log");
    return false;
  }
  fact.position = LogPosition{file, next};
  fact.events = std::move(events);
  return true;
}

bool read_log_file(int descriptor, const std::string& file, std::uint64_t size, std::uint64_t from,
                   KernelLogFact& fact) {
  constexpr std::uint64_t kMostBytes = 4U << 20U;
  // A file that became shorter was rotated.
  std::uint64_t begin = from <= size ? from : 0;
  begin = std::max(begin, size - std::min(size, kMostBytes));
  std::string text(static_cast<std::size_t>(size - begin), '\0');
  const ssize_t got = ::pread(descriptor, text.data(), text.size(), static_cast<off_t>(begin));
  if (got < 0) {
    add_unknown(fact, file, system_reason(errno));
    return false;
  }
  text.resize(static_cast<std::size_t>(got));
  // A line that is still being written is for the next visit.
  text.resize(text.rfind('\n') == std::string::npos ? 0 : text.rfind('\n') + 1);
  std::vector<KernelEvent> events;
  std::string_view rest = text;
  while (!rest.empty() && !fact.first_visit) {
    const std::size_t end = rest.find('\n');
    take_line(message_of(rest.substr(0, end)), events);
    rest.remove_prefix(end + 1);
  }
  fact.position = LogPosition{file, begin + text.size()};
  fact.events = std::move(events);
  return true;
}

}  // namespace

std::optional<KernelEvent> parse_kernel_event(std::string_view text) {
  text = without_time(text);
  const std::string_view whole = text;
  const auto kind = take_head(text);
  if (!kind) return std::nullopt;
  const std::size_t close = text.find("): ");
  if (close == std::string_view::npos || !is_pci_address(text.substr(0, close))) return std::nullopt;
  KernelEvent event;
  event.kind = *kind;
  event.pci_address = text.substr(0, close);
  std::transform(event.pci_address.begin(), event.pci_address.end(), event.pci_address.begin(),
                 [](char c) { return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c; });
  // What follows the number is partly the user's: the name of the process.
  const std::string_view number = text.substr(close + 3);
  if (std::from_chars(number.begin(), number.end(), event.code).ec != std::errc{}) return std::nullopt;
  constexpr std::size_t kLongest = 200;
  event.text = topology::printable(whole.substr(0, kLongest));
  return event;
}

KernelLogFact read_kernel_log(const std::string& sysroot, const std::optional<LogPosition>& position) {
  KernelLogFact fact;
  for (const char* const name : {"dev/kmsg", "var/log/kern.log"}) {
    const std::string file = (std::filesystem::path(sysroot) / name).string();
    const Descriptor log(::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY));
    if (!log) {
      add_unknown(fact, file, system_reason(errno));
      continue;
    }
    const bool is_same = position && position->file == file;
    fact.first_visit = !is_same;
    const std::uint64_t from = is_same ? position->next : 0;
    struct stat facts {};
    bool done = false;
    if (::fstat(log.get(), &facts) != 0) {
      add_unknown(fact, file, system_reason(errno));
    } else if (S_ISREG(facts.st_mode)) {
      done = read_log_file(log.get(), file, static_cast<std::uint64_t>(facts.st_size), from, fact);
    } else if (S_ISCHR(facts.st_mode)) {
      done = read_kmsg(log.get(), file, from, fact);
    } else {
      add_unknown(fact, file, "it is neither a file nor the kernel's device");
    }
    if (done) {
      fact.unknown.clear();
      return fact;
    }
  }
  return fact;
}

ClockFact look_at_clock(const std::string& sysroot) {
  ClockFact fact;
  if (sysroot != "/") {
    fact.unknown = "a recorded machine does not tell";
    return fact;
  }
  timex facts{};
  const int state = ::adjtimex(&facts);
  if (state < 0) {
    fact.unknown = "adjtimex: " + system_reason(errno);
    return fact;
  }
  constexpr double kMicro = 1e-6;
  fact.synchronised = state != TIME_ERROR && (facts.status & STA_UNSYNC) == 0;
  fact.error_s = static_cast<double>(facts.maxerror) * kMicro;
  return fact;
}

std::string boot_id(const std::string& sysroot) {
  std::string why;
  const auto text = read_below(sysroot, "proc/sys/kernel/random/boot_id", why);
  if (!text) return {};
  return topology::printable(text->substr(0, text->find('\n')));
}

std::vector<CounterFact> read_counters(const std::string& sysroot, const Host& host) {
  std::vector<CounterFact> counters;
  const auto add = [&](const std::string& part, const char* kind, double value) {
    counters.push_back({part + " " + kind, kind, value, std::nullopt});
  };
  for (const Gpu& gpu : host.gpus) {
    if (gpu.status != "answers" || !gpu.health) continue;
    const std::string part = fmt::format("GPU{}", gpu.index);
    const GpuHealth& health = *gpu.health;
    if (health.pcie_replays) add(part, "pcie_replays", static_cast<double>(*health.pcie_replays));
    if (health.ecc_corrected) add(part, "ecc_corrected", static_cast<double>(*health.ecc_corrected));
    if (const auto replays = sum_over_links(gpu, &NvLinkErrors::replay))
      add(part, "nvlink_replays", *replays);
    if (const auto recoveries = sum_over_links(gpu, &NvLinkErrors::recovery))
      add(part, "nvlink_recoveries", *recoveries);
  }
  for (const RdmaDevice& nic : host.rdma_devices) {
    for (const RdmaPort& port : nic.ports) {
      for (const CounterKind& kind : nic_counter_kinds()) {
        const std::string file = fmt::format("sys/class/infiniband/{}/ports/{}/{}/{}", nic.name, port.number,
                                             kind.folder, kind.name);
        if (const auto value = number_below(sysroot, file))
          add(fmt::format("{}/{}", nic.name, port.number), kind.name, *value);
      }
    }
  }
  return counters;
}

void add_rates(std::vector<CounterFact>& counters, const NodeState& last, double now_unix_s) {
  constexpr double kShortest_s = 1;
  for (CounterFact& counter : counters) {
    const auto base = last.counters.find(counter.name);
    if (base == last.counters.end() || base->second.value > counter.value) continue;
    const double seconds = now_unix_s - base->second.unix_s;
    if (seconds < kShortest_s) continue;
    // Shorter than an hour is counted as an hour: one error a minute after the last visit is no storm.
    counter.per_hour = (counter.value - base->second.value) / std::max(seconds / kHour_s, 1.0);
  }
}

void move_bases(std::map<std::string, CounterBase>& bases, const std::vector<CounterFact>& counters,
                double now_unix_s) {
  for (const CounterFact& counter : counters) {
    const auto [base, is_new] = bases.try_emplace(counter.name, CounterBase{counter.value, now_unix_s});
    const double seconds = now_unix_s - base->second.unix_s;
    // Visits that follow each other closely are to see the whole of an hour.
    if (!is_new && (counter.value < base->second.value || seconds >= kHour_s || seconds < 0))
      base->second = {counter.value, now_unix_s};
  }
}

}  // namespace fabricheck::node
