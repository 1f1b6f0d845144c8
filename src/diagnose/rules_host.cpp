// Rules about the host itself: its memory, its processors, its kernel.
#include <algorithm>
#include <cctype>
#include <string>
#include <vector>

#include "core/fault_texts.hpp"
#include "diagnose/rules.hpp"
#include "diagnose/text_line.hpp"

namespace fabricheck::diagnose::rules {
namespace {

/// The name begins with it, or has it behind a character that parts names: "ray::IDLE", "mpirun".
bool has_word(std::string_view name, std::string_view word) {
  for (std::size_t at = name.find(word); at != std::string_view::npos; at = name.find(word, at + 1))
    if (at == 0 || std::isalnum(static_cast<unsigned char>(name[at - 1])) == 0) return true;
  return false;
}

/// Of a job are Slurm's steps, whose name is not told, and what runs Python, MPI or serving programs.
bool is_of_a_job(const EventGroup& group) {
  if (group.detail.empty()) return true;
  if (group.detail == kExternStep) return false;
  for (const char* word : {"python", "torchrun", "pt_", "ray", "mpi", "train", "VLLM", "vllm", "sglang"})
    if (has_word(group.detail, word)) return true;
  return contains(group.detail, "_perf");
}

/// One finding about the processes of jobs, or, without them, a remark about who else it was. Null: nobody.
Found* on_processes(const Context& context, const std::vector<const EventGroup*>& groups,
                    const CatalogRow& row, Findings& found, const char* confidence) {
  for (const bool jobs : {true, false}) {
    Found* finding = nullptr;
    for (const EventGroup* group : groups) {
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

void shm_too_small(const Context& context, const CatalogRow& row, Findings& found) {
  const std::size_t before = found.size();
  on_warning(context, row, found);
  for (const EventGroup* group : context.seen().of(Event::no_space))
    if (group->as_warning)
      cite(context, found.size() > before ? found.back() : add(found, row, "likely"), *group);
  // PyTorch's data loader says that it is possible.
  for (Found& finding : found)
    if (finding.slug == row.text->slug && says(finding, "orker")) finding.confidence = "likely";
}

void host_memory(const Context& context, const CatalogRow& row, Findings& found) {
  auto groups = context.seen().of(row.event);
  // Whose lack of memory it was tells little where it is known who was killed.
  const bool is_victim_told = std::any_of(groups.begin(), groups.end(),
                                          [](const EventGroup* group) { return group->code != kOomInvoker; });
  if (is_victim_told)
    std::erase_if(groups, [](const EventGroup* group) { return group->code == kOomInvoker; });
  Found* finding = on_processes(context, groups, row, found, "certain");
  if (finding == nullptr) return;
  // The kernel kills whoever it finds, and another container's processes have the same names.
  if (finding->severity != Severity::info && !finding->component.name.empty() && context.nccl_lines() > 0) {
    finding->confidence = "likely";
    if (context.complete() && !has_failed(context)) finding->severity = Severity::info;
  }
  if (finding->severity == Severity::info)
    finding->meaning = "the kernel killed a process for want of memory (the lines name " +
                       finding->component.name + "); whether the job needed it does not stand here";
}

/// RCCL looks at the kernel's command line only; where passthrough is the kernel's default, it warns, too.
void iommu_not_passthrough(const Context& context, const CatalogRow& row, Findings& found) {
  on_likely(context, row, found);
  const auto& runs = context.seen().benchmarks;
  const bool ran = context.complete() || std::any_of(runs.begin(), runs.end(), [](const BenchmarkRun& run) {
                     return !run.rows.empty();
                   });
  if (!ran || has_failed(context) || found.empty() || found.back().slug != row.text->slug) return;
  found.back().severity = Severity::info;
  found.back().confidence = "possible";
  found.back().meaning =
      "RCCL did not find iommu=pt on the kernel's command line; where passthrough is the kernel's default, "
      "nothing is wrong, and here it started all the same";
}

void before_boot(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.seen().before_boot.empty()) return;
  Found& finding = add(found, row);
  for (const EventGroup& group : context.seen().before_boot) cite(context, finding, group);
}

void task_blocked(const Context& context, const CatalogRow& row, Findings& found) {
  Found* finding = on_processes(context, context.seen().of(row.event), row, found, "likely");
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

/// A process that aborts does so for an error that stands elsewhere: a time-out of NCCL's, a failed call.
void crashed(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  const bool is_explained = seen.has(Event::collective_timeout) || seen.has(Event::invalid_usage) ||
                            seen.has(Event::error_stack) ||
                            std::any_of(found.begin(), found.end(),
                                        [](const Finding& one) { return one.severity == Severity::fatal; });
  Found* finding = nullptr;
  for (const EventGroup* group : seen.of(row.event)) {
    if (group->code == kAborted && is_explained) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
  }
}

/// What ends after the job was ended on purpose does so for that.
void job_failed(const Context& context, const CatalogRow& row, Findings& found) {
  const bool is_explained = std::any_of(found.begin(), found.end(),
                                        [](const Finding& one) { return one.severity == Severity::fatal; });
  Found* finding = nullptr;
  for (const EventGroup* group : context.seen().of(row.event)) {
    if (was_ended_before(context, *group)) continue;
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
  }
  if (finding != nullptr && is_explained) finding->meaning = "a process of the job ended by a failure";
}

void job_cancelled(const Context& context, const CatalogRow& row, Findings& found) {
  if (context.was_cancelled()) on_event(context, row, found);
}

/// Slurm and people kill whoever does not end in time when a job is ended on purpose, and a launcher who is
/// left when another process has failed.
void process_killed(const Context& context, const CatalogRow& row, Findings& found) {
  const Observations& seen = context.seen();
  const bool by_launcher = seen.has(Event::launcher_kills);
  const bool others_failed = seen.has(Event::crashed) || seen.has(Event::collective_timeout) ||
                             seen.has(Event::job_failed) ||
                             std::any_of(found.begin(), found.end(),
                                         [](const Finding& one) { return one.severity != Severity::info; });
  if (by_launcher && others_failed) return;
  Found* finding = nullptr;
  bool was_ended = true;
  for (const EventGroup* group : seen.of(row.event)) {
    if (finding == nullptr) finding = &add(found, row);
    cite(context, *finding, *group);
    was_ended = was_ended && was_ended_before(context, *group);
  }
  if (finding == nullptr) return;
  if (was_ended) {
    finding->severity = Severity::info;
    finding->meaning = "processes were killed when the job was ended";
  } else if (by_launcher) {
    finding->confidence = "possible";
    finding->meaning =
        "a process of the job was killed (SIGKILL), perhaps by the launcher after another one had failed";
  }
}

}  // namespace fabricheck::diagnose::rules
