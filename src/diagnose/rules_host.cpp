// Rules about the host itself: its memory, its processors, its kernel.
#include <string>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// Of a job are Slurm's steps, whose name is not told, and what runs Python or MPI programs.
bool is_of_a_job(const EventGroup& group) {
  if (group.detail.empty()) return true;
  for (const char* name : {"python", "torchrun", "pt_", "ray", "mpi", "train", "perf"})
    if (contains(group.detail, name)) return true;
  return false;
}

/// One finding about the processes of jobs, or, without them, a remark about who else it was. Null: nobody.
Finding* on_processes(const Context& context, const CatalogRow& row, Findings& found,
                      const char* confidence) {
  for (const bool jobs : {true, false}) {
    Finding* finding = nullptr;
    for (const EventGroup* group : context.seen().of(row.event)) {
      if (is_of_a_job(*group) != jobs) continue;
      if (finding == nullptr) finding = &add(found, row, jobs ? confidence : "possible");
      if (!group->detail.empty() && finding->component.name.empty()) finding->component.name = group->detail;
      cite(context, *finding, *group);
    }
    if (finding == nullptr) continue;
    if (!jobs) finding->severity = Severity::info;
    return finding;
  }
  return nullptr;
}

}  // namespace

void host_memory(const Context& context, const CatalogRow& row, Findings& found) {
  Finding* finding = on_processes(context, row, found, "certain");
  // The kernel kills whoever it finds.
  if (finding != nullptr && finding->severity == Severity::info)
    finding->meaning = "the kernel killed a process for want of memory (the lines name " +
                       finding->component.name + "); whether the job needed it does not stand here";
}

void task_blocked(const Context& context, const CatalogRow& row, Findings& found) {
  Finding* finding = on_processes(context, row, found, "likely");
  if (finding != nullptr && finding->severity == Severity::info)
    finding->meaning += "; whether the job waited for it does not stand here";
}

/// The lines behind the message name both nodes; the one whose daemon was lost is that of the remote one, if
/// it is not the network between them.
void mpi_daemon_lost(const Context& context, const CatalogRow& row, Findings& found) {
  on_likely(context, row, found);
  if (found.empty() || found.back().slug != row.text->slug) return;
  for (const EventGroup* group : context.seen().of(row.event))
    if (!group->detail.empty()) found.back().component.host = group->detail;
}

/// Slurm and people kill whoever does not end in time when a job is ended on purpose.
void process_killed(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  on_event(context, row, found);
  if (!seen.has(Event::cancelled) && !seen.has(Event::preempted) && !seen.has(Event::time_limit)) return;
  for (Finding& finding : found)
    if (finding.slug == row.text->slug) {
      finding.severity = Severity::info;
      finding.meaning = "processes were killed when the job was ended";
    }
}

}  // namespace fabricheck::diagnose::rules
