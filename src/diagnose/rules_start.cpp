// Rules about starts that are not known to have ended: of ranks in NCCL, and of the job on a node.
#include <algorithm>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"
#include "topology/model/host_names.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// "3 (node2:2001)"; lines without a front tell no host.
std::string rank_name(const Context& context, const OpenStart& open) {
  const std::string& host = context.seen().names.text(open.rank->host);
  return fmt::format("{}{}", open.comm->rank,
                     host.empty() ? "" : fmt::format(" ({}:{})", host, open.rank->pid));
}

/// The job was started after it, on other nodes or by another command: NCCL says so, or what it did.
bool was_started_after(const Context& context, const EventGroup& group) {
  for (const auto* lines : {&context.seen().last_start, &context.seen().last_progress}) {
    const auto line = lines->find(group.last_file);
    if (line != lines->end() && line->second > group.last_line) return true;
  }
  return false;
}

}  // namespace

void start_not_completed(const Context& context, const CatalogRow& row, Findings& found) {
  const std::vector<OpenStart>& open = context.open_starts();
  if (open.empty()) return;
  constexpr std::size_t most_named = 4, most_quoted = 3;
  Found& finding = add(found, row, "likely");
  std::string names;
  for (std::size_t i = 0; i < open.size() && i < most_named; ++i)
    names += (i == 0 ? "" : ", ") + rank_name(context, open[i]);
  if (open.size() > most_named) names += fmt::format(" and {} more", open.size() - most_named);
  finding.meaning = fmt::format(
      "rank{} {} began NCCL's start and did not complete it, as far as these lines tell, where others did: "
      "it "
      "hung or ended there, or its log was cut",
      open.size() == 1 ? "" : "s", names);
  for (std::size_t i = 0; i < open.size() && i < most_quoted; ++i) {
    const CommFacts& comm = *open[i].comm;
    const Quote begun{comm.start_file, comm.start_line, comm.start_text};
    if (!comm.start_text.empty()) cite(context, finding, &begun);
  }
  if (finding.evidence.empty()) cite(context, finding, context.quote("complete"));
  if (open.size() == 1) finding.component.host = context.seen().names.text(open.front().rank->host);
}

void prolog_failed(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  std::vector<std::string> nodes;
  std::string reason;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (was_started_after(context, *group)) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    if (group->detail.empty()) continue;
    if (std::find(nodes.begin(), nodes.end(), group->detail) == nodes.end()) nodes.push_back(group->detail);
    for (const Quote& quote : group->quotes)
      if (const auto told = after(quote.text, " draining " + group->detail + ": "); told && reason.empty())
        reason = *told;
  }
  if (finding == nullptr || nodes.empty()) return;
  finding->component.host = topology::fold_names(nodes);
  finding->meaning =
      "Slurm's prolog failed on " + finding->component.host + ", so the job did not start there";
  if (!reason.empty()) finding->meaning += "; the node was drained for: " + reason;
}

void not_started(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (was_started_after(context, *group)) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    if (finding->component.host.empty()) finding->component.host = group->detail;
  }
}

}  // namespace fabricheck::diagnose::rules
