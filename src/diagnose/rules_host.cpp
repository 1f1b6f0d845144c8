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
    finding->meaning = "the kernel killed " + finding->component.name +
                       " for want of memory; whether the job needed it "
                       "does not stand here";
}

void task_blocked(const Context& context, const CatalogRow& row, Findings& found) {
  Finding* finding = on_processes(context, row, found, "likely");
  if (finding != nullptr && finding->severity == Severity::info)
    finding->meaning += "; whether the job waited for it does not stand here";
}

}  // namespace fabricheck::diagnose::rules
