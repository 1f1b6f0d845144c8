#include "report/reasons.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <string_view>
#include <utility>

#include "core/speaker.hpp"
#include "report/cells.hpp"
#include "report/text.hpp"

namespace fabricheck::report {
namespace {

constexpr std::size_t most_names = 4, most_hosts = 6;

std::size_t digits_from(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
  return end - at;
}

std::size_t length_of_speaker(std::string_view reason) {
  const auto speaker = speaker_of(reason);
  return speaker ? speaker->length : 0;
}

struct Group {
  const CheckRecord* first{};
  std::vector<std::string> names;                ///< of the checks
  std::vector<std::string> others, other_hosts;  ///< "rank 3 on n1", each once; but for the first
  bool alike{};                                  ///< not everyone's words are the first's
};

void add_once(std::vector<std::string>& names, std::string name) {
  if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(std::move(name));
}

std::string names_of(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), most_names);
  const std::vector<std::string> first(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown));
  const std::string more = names.size() > shown ? fmt::format("; and {} more", names.size() - shown) : "";
  return joined(first, "; ") + more;
}

std::string others_of(const Group& group) {
  if (!group.alike) return "";
  if (group.others.empty()) return " (and alike of the others)";
  if (group.others.size() <= most_names) return fmt::format(" (and alike {})", joined(group.others, ", "));
  return fmt::format(" (and alike {} more ranks on {})", group.others.size(),
                     some_of(group.other_hosts, most_hosts));
}

}  // namespace

std::string reason_kind(const std::string& reason) {
  constexpr std::string_view gpu = "GPU ";
  std::string kind;
  for (std::size_t at = length_of_speaker(reason); at < reason.size();) {
    const std::string_view rest = std::string_view(reason).substr(at);
    if (!rest.starts_with(gpu) || digits_from(rest, gpu.size()) == 0) {
      kind += reason[at++];
      continue;
    }
    kind += "GPU #";
    at += gpu.size() + digits_from(rest, gpu.size());
    // Its PCI address goes with it: " (0000:3a:00.0)".
    const std::size_t end = reason.find(')', at);
    if (reason.compare(at, 2, " (") != 0 || end == std::string::npos) continue;
    const std::string_view address = std::string_view(reason).substr(at + 2, end - at - 2);
    if (address.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos) at = end + 1;
  }
  return kind;
}

std::vector<SummaryReason> reasons_of(const Checks& checks, const RunRecord& record) {
  std::vector<Group> groups;
  std::map<std::pair<Verdict, std::string>, std::size_t> known;
  for (const CheckRecord* check : checks) {
    if (check->reason.empty()) continue;
    const auto [entry, is_new] =
        known.emplace(std::pair(check->verdict, reason_kind(check->reason)), groups.size());
    if (is_new) groups.push_back({check, {}, {}, {}, false});
    Group& group = groups[entry->second];
    add_once(group.names, full_name(*check, record));
    if (check->reason == group.first->reason) continue;
    group.alike = true;
    const auto speaker = speaker_of(check->reason), first = speaker_of(group.first->reason);
    if (!speaker || (first && speaker->rank == first->rank && speaker->host == first->host)) continue;
    add_once(group.others, fmt::format("rank {} on {}", speaker->rank, speaker->host));
    add_once(group.other_hosts, speaker->host);
  }
  std::vector<SummaryReason> reasons;
  reasons.reserve(groups.size());
  for (const Group& group : groups)
    reasons.push_back({group.first->verdict, sanitise(names_of(group.names)),
                       sanitise(group.first->reason + others_of(group))});
  return reasons;
}

}  // namespace fabricheck::report
