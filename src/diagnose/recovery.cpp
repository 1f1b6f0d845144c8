#include "diagnose/recovery.hpp"

#include <algorithm>
#include <cctype>
#include <iterator>
#include <limits>
#include <map>
#include <utility>

#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {

bool is_progress(std::string_view line) {
  const auto loss = after(line, "loss");
  if (!loss || (!contains(line, "tep") && !contains(line, "ter") && !contains(line, "poch"))) return false;
  const std::string_view value = loss->substr(std::min(loss->find_first_not_of(" :='\""), loss->size()));
  return value.size() < loss->size() && !value.empty() &&
         std::isdigit(static_cast<unsigned char>(value.front())) != 0;
}

bool is_boot(std::string_view line) {
  const auto version = after(line, "Linux version ");
  return version && !version->empty() && std::isdigit(static_cast<unsigned char>(version->front())) != 0 &&
         is_kernel_line(line);
}

void set_earlier_boots_apart(Observations& seen) {
  for (const Event kind :
       {Event::job_failed, Event::crashed, Event::killed, Event::node_failed, Event::job_cut,
        Event::remote_error, Event::connection_closed, Event::collective_timeout, Event::completion_error,
        Event::cuda_failure, Event::program_fault, Event::gpu_hardware, Event::kernel_panic,
        Event::error_stack, Event::daemon_lost})
    if (seen.has(kind)) return;
  const auto is_of_a_device = [](Event kind) {
    for (const Event one : {Event::xid, Event::sxid, Event::gpu_lost, Event::gsp_timeout, Event::driver_down,
                            Event::nic_fatal, Event::nic_tx_timeout, Event::pcie_fatal, Event::module_event,
                            Event::memory_error, Event::cpu_stuck, Event::task_blocked})
      if (kind == one) return true;
    return false;
  };
  const auto is_before = [&](const EventGroup& group) {
    return is_of_a_device(group.kind) && !group.hosts.empty() &&
           std::all_of(group.hosts.begin(), group.hosts.end(), [&](int host) {
             const auto boot = seen.last_boot.find({group.last_file, host});
             return boot != seen.last_boot.end() && group.last_line < boot->second;
           });
  };
  std::copy_if(seen.events.begin(), seen.events.end(), std::back_inserter(seen.before_boot), is_before);
  std::erase_if(seen.events, is_before);
}

void note_completion(std::string_view message, int file, std::uint64_t line, Observations& into) {
  const auto rank = number_after<int>(message, " rank "), ranks = number_after<int>(message, " nranks ");
  if (!rank || !ranks) return;
  auto& known = into.completions[file];
  constexpr std::size_t most = 65536;
  if (known.size() >= most && known.count({*ranks, *rank}) == 0) return;
  auto& lines = known.try_emplace({*ranks, *rank}, line, line).first->second;
  lines.second = line;
}

namespace {

/// All ranks of the largest communicator of this file that were complete before the line `before` were
/// complete after the group's last line.
bool are_complete_after(const Observations& seen, const EventGroup& group, std::uint64_t before) {
  const auto file = seen.completions.find(group.last_file);
  if (file == seen.completions.end()) return false;
  int most = 0;
  for (const auto& [rank, lines] : file->second)
    if (lines.first < before) most = std::max(most, rank.first);
  return most > 0 && std::all_of(file->second.begin(), file->second.end(), [&](const auto& entry) {
           const auto& [rank, lines] = entry;
           return rank.first != most || lines.second > group.last_line;
         });
}

bool is_said_to_go_on_after(const Observations& seen, const EventGroup& group) {
  const auto groups = seen.of(Event::job_went_on);
  return std::any_of(groups.begin(), groups.end(), [&](const EventGroup* one) {
    return one->last_file == group.last_file && one->last_line > group.last_line;
  });
}

}  // namespace

bool was_rebuilt_after(const Observations& seen, const EventGroup& group) {
  const auto file = seen.completions.find(group.last_file);
  const auto are_several = [&](const auto& entry) {
    return entry.first.first > 1 && entry.second.first < group.last_line;
  };
  return file != seen.completions.end() &&
         std::any_of(file->second.begin(), file->second.end(), are_several) &&
         are_complete_after(seen, group, group.last_line);
}

void drop_passed_complaints(Observations& seen) {
  constexpr auto any_line = std::numeric_limits<std::uint64_t>::max();
  std::vector<EventGroup> left;
  for (const EventGroup& group : seen.events) {
    const bool is_passed =
        group.kind == Event::complaint && (group.count == 0 || are_complete_after(seen, group, any_line) ||
                                           is_said_to_go_on_after(seen, group));
    if (!is_passed) left.push_back(group);
  }
  seen.events = std::move(left);
}

void set_teardown_apart(Observations& seen) {
  for (const Event kind :
       {Event::job_failed, Event::crashed, Event::killed, Event::remote_error, Event::connection_closed,
        Event::collective_timeout, Event::error_stack, Event::invalid_usage, Event::proxy_error})
    if (seen.has(kind)) return;
  std::map<int, std::uint64_t> teardown;  // last line by file
  for (const EventGroup* group : seen.of(Event::unknown_warning))
    if (group->code == kTeardown) teardown[group->last_file] = group->last_line;
  for (EventGroup& group : seen.events) {
    if ((group.kind != Event::cuda_failure && group.kind != Event::ipc_failed) || group.quotes.empty())
      continue;
    const auto end = teardown.find(group.last_file), start = seen.last_start.find(group.last_file);
    const bool is_behind_start = start != seen.last_start.end() &&
                                 group.quotes.front().file == group.last_file &&
                                 group.quotes.front().line > start->second;
    if (end != teardown.end() && is_behind_start && group.last_line < end->second) {
      group.kind = Event::unknown_warning;
      group.code = kTeardown;
    }
  }
}

bool progressed_after(const Observations& seen, const EventGroup& group) {
  const auto progress = seen.last_progress.find(group.last_file);
  if (progress == seen.last_progress.end() || progress->second <= group.last_line) return false;
  for (const Event kind :
       {Event::job_failed, Event::crashed, Event::killed, Event::node_failed, Event::job_cut,
        Event::remote_error, Event::connection_closed, Event::collective_timeout})
    for (const EventGroup* end : seen.of(kind))
      if (end->last_file == group.last_file) return false;
  return true;
}

}  // namespace fabricheck::diagnose
