#include "diagnose/log_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <functional>
#include <utility>

#include "diagnose/cuda_errors.hpp"
#include "diagnose/end_words.hpp"
#include "diagnose/line_details.hpp"
#include "diagnose/mentions.hpp"
#include "diagnose/recovery.hpp"
#include "diagnose/variables.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr std::size_t kMostRanks = 65536;

bool is_variable_letter(char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/// "ncclSocketConnect", "ncclRemoteError": not a path or a name that has "nccl" in it.
bool names_a_function(std::string_view text) {
  for (std::size_t at = text.find("nccl"); at != std::string_view::npos; at = text.find("nccl", at + 1))
    if (at + 4 < text.size() && text[at + 4] >= 'A' && text[at + 4] <= 'Z') return true;
  return false;
}

/// Whether NCCL says it, or a framework in words of NCCL's that it was handed. PyTorch's store has
/// connections of its own, which it tries again, and so have clients of other services.
bool is_about_nccl(const NcclLine& parts, std::string_view text) {
  if (parts.level != Level::none) return true;
  for (const char* other : {"[c10d]", "ssh:", "boto", "wandb", "redis", "http"})
    if (contains(text, other)) return false;
  return names_a_function(text) || contains(text, "NCCL WARN") || contains(text, "NCCL error") ||
         contains(text, "ProcessGroupNCCL") || contains(text, "/dev/shm/nccl-") ||
         contains(text, "socketProgress") || contains(text, "socketStartConnect") ||
         contains(text, "ocketPollConnect");
}

/// Warnings of a default that was taken or a setting that was left aside; NCCL goes on.
bool is_harmless(std::string_view message) {
  for (const char* words : {"ignored", "Ignoring", "gnoring", "defaulting to", "falling back to",
                            "Falling back to", "using default", "will be ignored", "is deprecated",
                            "No NUMA node", "Setting affinity", "Missing \""})
    if (contains(message, words)) return true;
  return false;
}

/// A limit stops a job wherever in it it is met; servers beside it have their own.
/// What a kernel's log says in words that others speak in, too.
bool is_kernels_alone(const Phrase& phrase) {
  for (const Detail one : {Detail::panic, Detail::stuck_process, Detail::nvrm, Detail::killed_process})
    if (phrase.detail == one) return true;
  return false;
}

bool is_the_jobs(const Phrase& phrase, const NcclLine& parts, std::string_view text) {
  const bool is_limit = phrase.event == Event::file_limit || phrase.event == Event::thread_limit;
  return is_about_nccl(parts, text) || (is_limit && contains(text, "Error") && !contains(text, "retry"));
}

/// Whether a process crashed, was killed from outside, or ended by another signal.
Event end_by_signal(int signal) {
  for (const int own : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL})
    if (signal == own) return Event::crashed;
  return signal == SIGKILL ? Event::killed : Event::job_failed;
}

}  // namespace

bool is_left_aside(Event kind) {
  // A library without Data Direct, a network plugin that is not there.
  return kind == Event::data_direct_missing || kind == Event::plugin_not_found;
}

int Names::id(std::string_view name) {
  const auto known = ids_.find(name);
  if (known != ids_.end()) return known->second;
  if (texts_.size() >= kMost) return 1;
  const int id = static_cast<int>(texts_.size());
  texts_.push_back(printable_text(name, 1000));
  ids_.emplace(std::string(name), id);
  return id;
}

std::vector<const EventGroup*> Observations::of(Event kind) const {
  std::vector<const EventGroup*> found;
  for (const EventGroup& group : events)
    if (group.kind == kind) found.push_back(&group);
  return found;
}

bool Observations::has(Event kind) const {
  return std::any_of(events.begin(), events.end(),
                     [&](const EventGroup& group) { return group.kind == kind; });
}

void set_recovered_apart(Observations& seen) {
  set_earlier_boots_apart(seen);
  drop_passed_complaints(seen);
  set_teardown_apart(seen);
  const auto is_of_an_end = [](Event kind) {
    for (const Event one :
         {Event::job_failed, Event::crashed, Event::node_failed, Event::job_cut, Event::time_limit,
          Event::container_failed, Event::launch_failed, Event::daemon_lost, Event::shm_failed,
          Event::program_memory, Event::program_fault, Event::host_memory, Event::killed, Event::remote_error,
          Event::connection_closed, Event::collective_timeout, Event::gpu_hardware})
      if (kind == one) return true;
    return false;
  };
  const auto is_end_of_a_process = [](Event kind) {
    for (const Event one : {Event::job_failed, Event::crashed, Event::killed, Event::node_failed,
                            Event::program_fault, Event::gpu_hardware, Event::host_memory, Event::shm_failed})
      if (kind == one) return true;
    return false;
  };
  std::map<int, std::uint64_t> went_on, finished, restarted;  // last line by file
  const auto take_last = [](std::map<int, std::uint64_t>& lines, const EventGroup& group) {
    std::uint64_t& line = lines[group.last_file];
    line = std::max(line, group.last_line);
  };
  for (const EventGroup* group : seen.of(Event::job_went_on)) {
    take_last(went_on, *group);
    if (group->code == kStartedAgain) take_last(restarted, *group);
    if (group->code == 0) take_last(finished, *group);
  }
  const auto is_later = [](const std::map<int, std::uint64_t>& lines, const EventGroup& group) {
    const auto known = lines.find(group.last_file);
    return known != lines.end() && group.last_line < known->second;
  };
  for (const EventGroup* group : seen.of(Event::job_went_on))
    if (group->code == kMayGoOn && is_later(finished, *group)) take_last(restarted, *group);
  const auto has_new_start = [&](const EventGroup& group) {
    return is_later(restarted, group) || is_later(seen.last_start, group);
  };
  // An end that nothing was started after: the script went on, and not the job.
  const auto has_ended = [&](int file) {
    return std::any_of(seen.events.begin(), seen.events.end(), [&](const EventGroup& group) {
      return is_end_of_a_process(group.kind) && group.code != kMayGoOn && group.last_file == file &&
             !has_new_start(group);
    });
  };
  const auto recovered = [&](const EventGroup& group) {
    if (!is_of_an_end(group.kind)) return false;
    if (was_rebuilt_after(seen, group)) return true;
    if (group.kind == Event::program_memory && progressed_after(seen, group)) return true;
    return is_later(went_on, group) && (has_new_start(group) || !has_ended(group.last_file));
  };
  // What recovered is asked of all that was seen, and so before any of it is taken out.
  std::vector<EventGroup> left;
  for (const EventGroup& group : seen.events) {
    const bool is_recovered = recovered(group);
    (is_recovered ? seen.recovered : left).push_back(group);
    seen.recovered_by_word =
        seen.recovered_by_word || (is_recovered && group.kind != Event::job_cut && !has_new_start(group) &&
                                   !progressed_after(seen, group));
  }
  seen.events = std::move(left);
}

std::string EventBook::key_of(Event kind, int code, std::string_view detail, int host) {
  std::string key{static_cast<char>(kind)};
  key += std::to_string(code) + '/';
  if (kind == Event::xid) key += std::to_string(host) + '/';  // GPUs of equal hosts have the same addresses
  key += detail;
  return key;
}

void EventBook::forget(Event kind, int code, std::string_view detail) {
  const auto known = places_.find(key_of(kind, code, detail, 0));
  if (known == places_.end()) return;
  EventGroup& group = into_.events[known->second];
  group.count = 0;
  group.quotes.clear();
  group.hosts.clear();
}

void EventBook::add(Event kind, int code, std::string_view detail, int host, bool as_warning,
                    const Line& line) {
  std::string key = key_of(kind, code, detail, host);
  auto known = places_.find(key);
  if (known == places_.end()) {
    if (places_.size() >= kMostGroups) return;
    known = places_.emplace(std::move(key), into_.events.size()).first;
    EventGroup group;
    group.kind = kind;
    group.code = code;
    group.detail = printable_text(detail, 120);
    into_.events.push_back(std::move(group));
  }
  ++into_.events_seen;
  EventGroup& group = into_.events[known->second];
  ++group.count;
  group.last_file = line.file;
  group.last_line = line.number;
  group.as_warning |= as_warning;
  const bool known_host = std::find(group.hosts.begin(), group.hosts.end(), host) != group.hosts.end();
  if (!known_host && group.hosts.size() < EventGroup::kMostHosts) group.hosts.push_back(host);
  const bool same_line = !group.quotes.empty() && group.quotes.back().line == line.number &&
                         group.quotes.back().file == line.file;
  if (!same_line && group.quotes.size() < EventGroup::kMostQuotes) group.quotes.push_back(line.quote());
}

LogReader::LogReader(Observations& into, const PhraseFinder& finder)
    : into_(into), events_(into), finder_(finder) {
  tools_.push_back(make_nccl_tests_reader());
  tools_.push_back(make_perftest_reader());
  tools_.push_back(make_ib_ports_reader());
  tools_.push_back(make_gid_reader());
  tools_.push_back(make_pkey_reader());
  tools_.push_back(make_nvlink_reader());
  tools_.push_back(make_topology_matrix_reader());
  tools_.push_back(make_peer_matrix_reader());
  tools_.push_back(make_lspci_reader());
  tools_.push_back(make_smi_query_reader());
  tools_.push_back(make_port_counter_reader());
  tools_.push_back(make_mlxlink_reader());
  tools_.push_back(make_watchdog_reader());
  tools_.push_back(make_kernel_log_reader());
}

void LogReader::begin_file(int file) {
  file_ = file;
  anonymous_ = -1;
  for (const auto& tool : tools_) tool->begin_file();
}

RankFacts& LogReader::rank_of(const NcclLine& line) {
  if (line.front.empty()) {
    if (anonymous_ < 0) {
      anonymous_ = static_cast<int>(into_.ranks.size());
      into_.ranks.emplace_back();
    }
    return into_.ranks[static_cast<std::size_t>(anonymous_)];
  }
  if (line.front == last_front_) return into_.ranks[last_rank_];
  // Each thread has a front of its own; a rank is its host, process and device.
  key_.assign(line.front);
  const auto same_front = ranks_.find(key_);
  if (same_front != ranks_.end()) {
    last_rank_ = same_front->second;
  } else {
    last_rank_ = place_of(line);
    constexpr std::size_t most_fronts = 8 * kMostRanks;
    if (ranks_.size() < most_fronts) ranks_.emplace(std::string(line.front), last_rank_);
  }
  last_front_.assign(line.front);
  return into_.ranks[last_rank_];
}

std::size_t LogReader::place_of(const NcclLine& line) {
  // A front never begins with a line end.
  key_ = '\n';
  key_ += line.host;
  key_ += '\n';
  key_ += std::to_string(line.pid);
  key_ += '/';
  key_ += std::to_string(line.device);
  const auto known = ranks_.find(key_);
  if (known != ranks_.end()) return known->second;
  if (into_.ranks.size() >= kMostRanks) {
    ++into_.ranks_left_out;
    return kMostRanks - 1;
  }
  RankFacts rank;
  rank.host = into_.names.id(line.host);
  rank.pid = line.pid;
  rank.device = line.device;
  into_.ranks.push_back(std::move(rank));
  ranks_.emplace(key_, into_.ranks.size() - 1);
  return into_.ranks.size() - 1;
}

void LogReader::read(std::string_view raw, std::uint64_t number) {
  const Line line{file_, number, clean_line(raw, buffer_)};
  if (line.text.empty()) return;
  const NcclLine parts = split_nccl_line(line.text);
  if (parts.level == Level::spoken) return;
  if (parts.level == Level::none) {
    if (is_boot(line.text)) into_.last_boot[{file_, host_of_kernel(line)}] = number;
    if (is_progress(line.text)) note_progress(number);
    scan(line, parts, nullptr);
    add_last_words(line);
    read_tools(line);
    return;
  }
  ++into_.files[static_cast<std::size_t>(file_)].nccl_lines;
  RankFacts& rank = rank_of(parts);
  if (contains(parts.message, "Init COMPLETE") || contains(parts.message, "Init START"))
    into_.last_start[file_] = number;
  if (contains(parts.message, "Init COMPLETE")) note_completion(parts.message, file_, number, into_);
  if (parts.level == Level::info) {
    if (read_facts(parts.message, rank, line, into_)) return;
    add_stack(parts, line, rank.host);
  } else if (parts.level == Level::other) {
    return;  // TRACE and CALL are for NCCL's own developers
  }
  scan(line, parts, &rank);
}

void LogReader::note_progress(std::uint64_t number) {
  into_.last_progress[file_] = number;
  events_.forget(Event::complaint, 0, std::to_string(file_));
}

void LogReader::add_last_words(const Line& line) {
  const LastWords words = last_words_of(line.text);
  if (words == LastWords::end) events_.add(Event::job_cut, 0, "", host_of_kernel(line), true, line);
  if (words == LastWords::complaint) events_.add(Event::complaint, 0, std::to_string(file_), 0, true, line);
}

/// "transport/net.cc:1302 -> 6 [Proxy Thread]": who handed an error on.
void LogReader::add_stack(const NcclLine& parts, const Line& line, int host) {
  const std::size_t arrow = parts.message.find(" -> ");
  const std::size_t colon = parts.message.find(':');
  if (arrow == std::string_view::npos || colon == std::string_view::npos || colon > arrow) return;
  const std::string_view file = parts.message.substr(0, colon);
  if (!file.ends_with(".cc") && !file.ends_with(".cu") && !file.ends_with(".h")) return;
  std::string_view result = parts.message.substr(arrow + 4);
  const auto code = take_number<int>(result);
  // Without InfiniBand, or where it is switched off, the start of that network says so and NCCL goes on with
  // another one; where it is an error, those who called hand it on.
  constexpr int internal_error = 3;
  if (code == internal_error && file.find("transport/net_ib") != std::string_view::npos) return;
  if (code) events_.add(Event::error_stack, *code, file, host, false, line);
}

/// What NCCL was about where it warned. CUDA's own errors, as of a kernel that failed before, say what is
/// wrong wherever they are met.
void LogReader::add_by_source(const Line& line, const NcclLine& parts, const RankFacts& rank) {
  if (starts_with(parts.message, "NET/OFI")) events_.add(Event::ofi_error, 0, "", rank.host, true, line);
  const auto failure = after(parts.message, "uda failure ");
  const LineDetail error = failure ? cuda_detail(*failure) : LineDetail{};
  const CudaCause cause = failure ? cuda_cause(error.code, error.text) : CudaCause::other;
  const bool is_the_calls = cause == CudaCause::the_call || cause == CudaCause::other;
  if (starts_with(parts.source, "transport/nvls.") && is_the_calls)
    events_.add(Event::multi_cast_failed, 0, "", rank.host, true, line);
  if (starts_with(parts.source, "transport/p2p.") && cause == CudaCause::the_call)
    events_.add(Event::ipc_failed, 0, "", rank.host, true, line);
}

void LogReader::scan(const Line& line, const NcclLine& parts, RankFacts* rank) {
  if (parts.level == Level::warning) add_by_source(line, parts, *rank);
  bool is_known = parts.level != Level::warning || starts_with(parts.source, "transport/nvls.") ||
                  starts_with(parts.message, "NET/OFI") || is_harmless(parts.message);
  finder_.find(line.text, [&](const Phrase& phrase, std::size_t end) {
    is_known = is_known || phrase.event != Event::count_;
    if (phrase.detail == Detail::variable)
      add_variable(end, line, parts, rank);
    else if (phrase.detail == Detail::version)
      add_version(line.text.substr(end), parts, line);
    else
      add_phrase(phrase, end, line, parts, rank);
  });
  if (!is_known) events_.add(Event::unknown_warning, 0, until(parts.source, ":"), rank->host, true, line);
}

/// Whether this file has lines of a kernel's log.
bool LogReader::has_kernel_log() const {
  const auto& kinds = into_.files[static_cast<std::size_t>(file_)].kinds;
  return std::find(kinds.begin(), kinds.end(), "kernel log") != kinds.end();
}

int LogReader::host_of_kernel(const Line& line) {
  const std::string_view host = kernel_log_host(line.text);
  return host.empty() ? 0 : into_.names.id(host);
}

/// Rank 0 prints its version without a front, and frameworks print the one that they have.
void LogReader::add_version(std::string_view text, const NcclLine& parts, const Line& line) {
  if (parts.level == Level::none) read_version(text, rank_of(parts), line, into_);
}

void LogReader::add_phrase(const Phrase& phrase, std::size_t end, const Line& line, const NcclLine& parts,
                           const RankFacts* rank) {
  if (phrase.is_common && !is_the_jobs(phrase, parts, line.text)) return;
  const LineDetail detail = line_detail(phrase, line.text, end);
  if (detail.is_other) return;
  if (parts.level == Level::none) {
    if (is_mentioned(line.text.substr(0, end - phrase.text.size()), line.text.substr(end))) return;
    if (is_kernels_alone(phrase) && has_kernel_log() && !is_kernel_line(line.text)) return;
  }
  // Other programs' errors, which NCCL tells of in its own way.
  if (phrase.event == Event::job_cut && parts.level != Level::none) return;
  const int host = rank ? rank->host : host_of_kernel(line);
  if (rank == nullptr && host != 0) into_.kernel_hosts.insert(host);
  // What a paste tells without NCCL's front was worth pasting.
  const bool as_warning = parts.level != Level::info;
  Event kind = phrase.event;
  if (kind == Event::verbs_failed && detail.code == ENOMEM) kind = Event::verbs_no_memory;
  if (kind == Event::connect_failed && contains(line.text, "retrying")) kind = Event::connect_retried;
  if (kind == Event::job_failed && phrase.detail == Detail::signal) kind = end_by_signal(detail.code);
  if (kind == Event::gpu_lost && contains(line.text, "Xid (")) return;  // XID 79 says it
  if (kind == Event::sxid) {
    // "22013, Severity 0 Engine instance …" goes on where another line has told it.
    if (contains(line.text, ", Severity ")) return;
    if (contains(line.text, "Non-fatal")) kind = Event::sxid_minor;
  }
  const bool is_link = kind == Event::link_down || kind == Event::link_up;
  events_.add(kind, is_link ? kernel_log_of(host) : detail.code, detail.text, host, as_warning, line);
  if (kind != Event::completion_error && kind != Event::modify_qp_failed) return;
  const GidPair gids = gids_of(line.text);
  if (gids.link_local) events_.add(Event::gid_link_local, 0, "", host, as_warning, line);
  if (gids.apart) events_.add(Event::gids_apart, 0, "", host, as_warning, line);
}

/// What comes and goes is followed host by host and file by file: the order of files says nothing.
int LogReader::kernel_log_of(int host) {
  const auto next = static_cast<int>(kernel_logs_.size()) + 1;
  return kernel_logs_.try_emplace({file_, host}, next).first->second;
}

void LogReader::add_variable(std::size_t end, const Line& line, const NcclLine& parts, RankFacts* rank) {
  std::size_t stop = end;
  while (stop < line.text.size() && is_variable_letter(line.text[stop])) ++stop;
  constexpr std::size_t longest = 80;
  const std::string_view name = line.text.substr(end - 5, stop - end + 5);
  if (stop == end || name.size() > longest || (end > 5 && is_variable_letter(line.text[end - 6]))) return;
  std::string_view rest = line.text.substr(stop);
  const bool said = take(rest, " set by environment to ") || take(rest, " set to ") ||
                    take(rest, " environment variable to ");
  if (!said && (parts.level != Level::none || !take(rest, "="))) return;
  if (!said && !is_assignment(line.text.substr(0, end - 5), rest)) return;
  std::string_view value = said ? trim(rest) : until(rest, " \t\"'`,;)\\");
  if (said && value.ends_with('.')) value.remove_suffix(1);
  if (value.empty() && !said) return;
  if (!said && value.starts_with('<')) return;  // a placeholder of a manual
  constexpr std::size_t most_names = 512, most_values = 16;
  if (into_.variables.size() >= most_names && into_.variables.count(std::string(name)) == 0) return;
  auto& uses = into_.variables[std::string(name)];
  const std::string text = printable_text(value, 200);
  auto use = std::find_if(uses.begin(), uses.end(), [&](const VariableUse& one) {
    return one.value == text && one.by_command == !said;
  });
  if (use == uses.end()) {
    if (uses.size() >= most_values) return;
    uses.push_back({text, !said, line.quote(), {}});
    use = uses.end() - 1;
  }
  if (rank == nullptr) return;
  if (std::find(use->hosts.begin(), use->hosts.end(), rank->host) == use->hosts.end() &&
      use->hosts.size() < EventGroup::kMostHosts)
    use->hosts.push_back(rank->host);
  const std::pair<int, int> pair{into_.names.id(name), into_.names.id(text)};
  auto& known = rank->environment;
  const auto same =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == pair.first; });
  if (same != known.end())
    same->second = pair.second;
  else if (known.size() < RankFacts::kMostVariables)
    known.push_back(pair);
}

void LogReader::read_tools(const Line& line) {
  for (const auto& tool : tools_) {
    if (!tool->read(line, into_, events_)) continue;
    const bool is_row = !into_.benchmarks.empty() && !into_.benchmarks.back().rows.empty() &&
                        into_.benchmarks.back().rows.back().quote.line == line.number;
    if (is_row) note_progress(line.number);
    auto& kinds = into_.files[static_cast<std::size_t>(file_)].kinds;
    if (std::find(kinds.begin(), kinds.end(), tool->name()) == kinds.end()) kinds.emplace_back(tool->name());
    return;
  }
}

}  // namespace fabricheck::diagnose
