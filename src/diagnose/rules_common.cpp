#include <algorithm>
#include <string>
#include <vector>

#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose {
namespace {

constexpr std::size_t kMostEvidence = 6;

void on_group(const Context& context, const CatalogRow& row, Findings& found, bool only_warnings,
              const char* confidence) {
  std::vector<const EventGroup*> groups;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (row.code != 0 && group->code != row.code) continue;
    if (only_warnings && !group->as_warning) continue;
    groups.push_back(group);
  }
  if (groups.empty()) return;
  const auto others = std::stable_partition(
      groups.begin(), groups.end(), [&](const EventGroup* group) { return !context.is_elsewhere(*group); });
  Found& finding = add(found, row, confidence);
  for (const EventGroup* group : groups) cite(context, finding, *group);
  if (others != groups.begin()) groups.erase(others, groups.end());  // the job's own hosts are named
  finding.component.host = context.hosts_of(groups);
}

}  // namespace

Found& add(Findings& found, const CatalogRow& row, const char* confidence) {
  found.push_back({finding_of(*row.text, confidence)});
  return found.back();
}

const Finding* find(const Findings& found, const FaultText& text) {
  const auto one = std::find_if(found.begin(), found.end(),
                                [&](const Finding& finding) { return finding.slug == text.slug; });
  return one == found.end() ? nullptr : &*one;
}

void cite(const Context& context, Found& finding, const EventGroup& group) {
  if (finding.evidence.empty() && context.is_elsewhere(group)) {
    finding.confidence = "possible";
    finding.meaning += "; this host is none of those that NCCL's lines name";
    finding.is_elsewhere = true;
    if (context.names_own_hosts()) finding.severity = Severity::info;
  }
  for (const Quote& quote : group.quotes) cite(context, finding, &quote);
  Component& component = finding.component;
  if (component.host.empty()) component.host = context.hosts_of(group);
  const bool has_name = component.kind == "nic" || component.kind == "gpu" || component.kind == "pcie" ||
                        component.kind == "memory";
  if (component.name.empty() && has_name && !contains(group.detail, " "))
    component.name = group.detail.substr(0, 40);
}

void cite(const Context& context, Found& finding, const Quote* quote) {
  if (quote == nullptr || finding.evidence.size() >= kMostEvidence) return;
  Evidence evidence = context.evidence(*quote);
  // One line may tell of two kinds.
  const bool is_there = std::any_of(
      finding.evidence.begin(), finding.evidence.end(),
      [&](const Evidence& one) { return one.file == evidence.file && one.line == evidence.line; });
  if (!is_there) finding.evidence.push_back(std::move(evidence));
}

bool was_ended_before(const Context& context, const EventGroup& group) {
  if (group.quotes.empty()) return false;
  const Quote& first = group.quotes.front();
  const auto& starts = context.seen().last_start;
  const auto start = starts.find(first.file);
  for (const Event kind : {Event::cancelled, Event::preempted, Event::time_limit})
    for (const EventGroup* end : context.seen().of(kind)) {
      if (end->quotes.empty() || end->quotes.front().file != first.file) continue;
      const std::uint64_t line = end->quotes.front().line;
      // What ended before the last start was another attempt, or another job.
      const bool is_earlier = start != starts.end() && line < start->second && start->second < first.line;
      if (line < first.line && !is_earlier) return true;
    }
  return false;
}

bool has_failed(const Context& context) {
  for (const Event kind :
       {Event::job_failed, Event::crashed, Event::killed, Event::remote_error, Event::connection_closed,
        Event::collective_timeout, Event::job_cut, Event::error_stack})
    if (context.seen().has(kind)) return true;
  return false;
}

bool says(const EventGroup& group, std::string_view words) {
  return std::all_of(group.quotes.begin(), group.quotes.end(),
                     [&](const Quote& quote) { return contains(quote.text, words); });
}

bool says(const Finding& finding, std::string_view words) {
  return std::all_of(finding.evidence.begin(), finding.evidence.end(),
                     [&](const Evidence& one) { return contains(one.text, words); });
}

void on_event(const Context& context, const CatalogRow& row, Findings& found) {
  on_group(context, row, found, false, "certain");
}

void on_warning(const Context& context, const CatalogRow& row, Findings& found) {
  on_group(context, row, found, true, "certain");
}

void on_likely(const Context& context, const CatalogRow& row, Findings& found) {
  on_group(context, row, found, false, "likely");
}

}  // namespace fabricheck::diagnose
